package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
)

// joined is the packet that fragments make, and how many have DF. Each must be at most mtu octets.
func joined(t *testing.T, results []engine.Result, mtu int) (whole []byte, df int) {
	t.Helper()
	var id [2]byte
	for i, r := range results {
		b := r.Bytes()
		h, err := packet.Parse(b)
		if err != nil || r.Action != engine.Send || packet.Checksum(b[:20]) != 0 || len(b) > mtu || h.Proto != packet.ProtoESP ||
			h.Offset != max(0, len(whole)-20) || h.MF != (i < len(results)-1) || i > 0 && id != [2]byte(b[4:]) {
			t.Fatalf("piece %d of %d: %v, outer %+v, %v", i, len(results), r.Action, h, err)
		}
		if h.DF {
			df++
		}
		if i == 0 {
			id = [2]byte(b[4:])
			whole = append(whole, b[:20]...)
		}
		whole = append(whole, b[20:]...)
	}
	whole[2], whole[3], whole[6], whole[7], whole[10], whole[11] = byte(len(whole)>>8), byte(len(whole)), 0, 0, 0, 0
	sum := packet.Checksum(whole[:20])
	whole[10], whole[11] = byte(sum>>8), byte(sum)
	return whole, df
}

// What becomes of a packet that does not fit.
const (
	told        = "ICMP"
	cutSealed   = "cut, sealed"
	sealedCut   = "sealed, cut"
	wan, narrow = 1500, 1000
)

func TestFragmentationPolicy(t *testing.T) {
	for _, row := range []struct {
		cut         engine.Fragmentation
		df          engine.DFBit
		outer       [2]bool // DF of ESP, of packets without and with DF
		long        [2]string
		seesWANSize bool
	}{
		{engine.FragmentBefore, engine.DFCopy, [2]bool{false, true}, [2]string{cutSealed, told}, false},
		{engine.FragmentBefore, engine.DFClear, [2]bool{false, false}, [2]string{cutSealed, sealedCut}, true},
		{engine.FragmentBefore, engine.DFSet, [2]bool{true, true}, [2]string{cutSealed, told}, false},
		{engine.FragmentAfter, engine.DFCopy, [2]bool{false, true}, [2]string{sealedCut, told}, true},
		{engine.FragmentAfter, engine.DFClear, [2]bool{false, false}, [2]string{sealedCut, sealedCut}, true},
		{engine.FragmentNever, engine.DFCopy, [2]bool{false, true}, [2]string{told, told}, true},
		{engine.FragmentNever, engine.DFClear, [2]bool{false, false}, [2]string{told, told}, true},
		{engine.FragmentNever, engine.DFSet, [2]bool{true, true}, [2]string{told, told}, true},
	} {
		t.Run(fmt.Sprintf("fragmentation %d DF %d", row.cut, row.df), func(t *testing.T) {
			a, b := newMember(t, 1, engine.Config{Fragmentation: row.cut, DF: row.df}), newMember(t, 2, engine.Config{})
			if got := a.TUNMTU(); got == wan != row.seesWANSize || !row.seesWANSize && got != a.InnerMTU() {
				t.Errorf("MTU %d for the TUN", got)
			}
			for _, mtu := range []int{wan, narrow} {
				if mtu == narrow {
					if r := a.says(1, tooLong(narrow, a.sealed(t, inner(17, 1400, df)))); r.Action != engine.Reply {
						t.Fatal(r.Reason)
					}
				}
				fits := mtu - 54
				for i, flags := range []func([]byte){func([]byte) {}, df} {
					for _, n := range []int{100, fits - 1, fits} {
						s := a.sealed(t, inner(17, n, flags))
						if h, _ := packet.Parse(s); h.DF != row.outer[i] || len(s) > mtu {
							t.Errorf("%d octets in %d: outer %+v", n, mtu, h)
						}
					}
					for _, n := range []int{fits + 1, fits + 2, fits + 7, fits + 8, mtu - 1, mtu, mtu + 1, 4000, 9000} {
						a.long(t, b, inner(17, n, flags), mtu, row.long[i], row.outer[i])
					}
				}
			}
		})
	}
}

// long sends a packet that does not fit, and looks at what became of it.
func (m member) long(t *testing.T, far member, p []byte, mtu int, want string, df bool) {
	t.Helper()
	before := m.Stats().OutPackets
	results := m.out(p)
	switch want {
	case told:
		if r := results[0]; len(results) != 1 || r.Action != engine.Reply || r.Reason != engine.TooBig || int(r.Bytes()[26])<<8+int(r.Bytes()[27]) != mtu-54 {
			t.Errorf("%d octets in %d: %+v", len(p), mtu, results)
		}
	case sealedCut:
		whole, withDF := joined(t, results, mtu)
		if r := far.in(whole); withDF != 0 || r.Action != engine.Deliver || !bytes.Equal(r.Bytes(), p) {
			t.Errorf("%d octets in %d: %d with DF, %v", len(p), mtu, withDF, r.Reason)
		}
		if n := m.Stats().OutPackets - before; n != 1 {
			t.Errorf("%d packets sealed", n)
		}
	case cutSealed:
		got := 20
		for _, r := range results {
			h, err := packet.Parse(r.Bytes())
			if err != nil || h.Fragment() || h.DF != df || len(r.Bytes()) > mtu {
				t.Fatalf("%d octets in %d: outer %+v, %v", len(p), mtu, h, err)
			}
			in := far.in(r.Bytes())
			if in.Action != engine.Deliver || !bytes.Equal(in.Bytes()[20:], p[got:got+in.Len-20]) {
				t.Fatalf("%d octets in %d: %v", len(p), mtu, in.Reason)
			}
			got += in.Len - 20
		}
		if got != len(p) || len(results) < 2 {
			t.Errorf("%d octets in %d: %d arrived", len(p), mtu, got)
		}
	}
}

// TestLongestSealed: what is longer than IP can carry once it is sealed is cut before, or answered.
func TestLongestSealed(t *testing.T) {
	for _, n := range []int{65477, 65478, 65500, 65535} {
		a, b := newMember(t, 1, engine.Config{Fragmentation: engine.FragmentAfter, DF: engine.DFClear}), newMember(t, 2, engine.Config{})
		without, with := cutSealed, told
		if n <= 65535-54-8 { // room for a stamp, whether there is one or not
			without, with = sealedCut, sealedCut
		}
		a.long(t, b, inner(17, n), wan, without, false)
		a.long(t, b, inner(17, n, df), wan, with, false)
	}
}

func TestBadFragmentationPolicy(t *testing.T) {
	for _, c := range []engine.Config{{Fragmentation: engine.FragmentAfter, DF: engine.DFSet}, {Fragmentation: 3}, {DF: 3}} {
		if _, err := engine.New(c); !errors.Is(err, engine.ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestFragmentationIPv6: nothing of it is for IPv6.
func TestFragmentationIPv6(t *testing.T) {
	m := dual(t, 1, engine.Config{Fragmentation: engine.FragmentAfter, DF: engine.DFClear})
	if r := m.out(inner6(17, 1427)); len(r) != 1 || r[0].Action != engine.Reply {
		t.Fatalf("%+v", r)
	}
}

func TestCutSealedAllocatesNothing(t *testing.T) {
	m := newMember(t, 1, engine.Config{Fragmentation: engine.FragmentAfter, DF: engine.DFClear})
	long := inner(17, 4000, df)
	p := room(long)
	batch, out := make([]engine.Packet, 1), make([]engine.Result, 0, 16)
	if n := testing.AllocsPerRun(50, func() {
		copy(p.Bytes(), long)
		batch[0] = p
		if out = m.w.Outbound(1, batch, out[:0]); len(out) != 3 {
			t.Fatalf("%d pieces", len(out))
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
