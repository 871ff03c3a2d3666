package engine_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
)

func TestTooBigIPv6(t *testing.T) {
	m := dual(t, 1, engine.Config{})
	if m.InnerMTU() != 1446 || m.InnerMTU6() != 1426 {
		t.Fatal(m.InnerMTU(), m.InnerMTU6())
	}
	big := inner6(17, 1427)
	mtuOf := func(r []engine.Result) uint32 {
		t.Helper()
		if len(r) != 1 || r[0].Action != engine.Reply || r[0].Reason != engine.TooBig {
			t.Fatalf("%+v", r)
		}
		b := r[0].Bytes()
		if h, err := packet.Parse(b); err != nil || h.Proto != 58 || b[40] != 2 || h.Src != packet.FromNetip(netip.MustParseAddr("2001:db8:1::254")) || !bytes.Equal(b[48:], big[:1232]) {
			t.Fatalf("%x", b)
		}
		return binary.BigEndian.Uint32(b[44:])
	}
	if got := mtuOf(m.out(big)); got != 1426 {
		t.Error(got)
	}
	must(t, m.SetMTU(1300))
	if got := mtuOf(m.out(big)); got != 1280 {
		t.Errorf("%d named, below what every IPv6 link takes", got)
	}
	// A flood of packets that are too big draws no flood of answers, and those of IPv4 count with them.
	replies := 0
	for range 1000 {
		for _, b := range [][]byte{big, inner(17, 1500, df)} {
			if m.out(b)[0].Action == engine.Reply {
				replies++
			}
		}
	}
	if replies > 50 || m.w.Outbound(1e9, []engine.Packet{room(big)}, nil)[0].Action != engine.Reply {
		t.Fatalf("%d replies at once, or none later", replies)
	}
}

// TestLeastIPv6MTU: what every link must take is sealed and cut; the pieces are the packet.
func TestLeastIPv6MTU(t *testing.T) {
	m, far := dual(t, 1, engine.Config{MTU: 1280}), dual(t, 2, engine.Config{})
	for n := m.InnerMTU6() + 1; n <= 1280; n++ {
		p := inner6(17, n)
		var whole []byte
		results := m.out(p)
		for i, r := range results {
			b := r.Bytes()
			h, err := packet.Parse(b)
			if err != nil || r.Action != engine.Send || len(b) > 1280 || h.Proto != 50 || h.Offset != max(0, len(whole)-40) || h.MF != (i == 0) {
				t.Fatalf("%d octets, piece %d: %+v, %v", n, i, h, err)
			}
			if i == 0 {
				whole = append(whole, b[:40]...)
			}
			whole = append(whole, b[48:]...)
		}
		if len(results) != 2 {
			t.Fatalf("%d pieces", len(results))
		}
		whole[6] = 50
		binary.BigEndian.PutUint16(whole[4:], uint16(len(whole)-40))
		if r := far.in(whole); r.Action != engine.Deliver || !bytes.Equal(r.Bytes(), p) {
			t.Fatalf("%d octets: %+v", n, r)
		}
	}
	if st := m.Stats(); st.OutPackets != 74 {
		t.Error(st.OutPackets)
	}
}

func TestMSSIPv6(t *testing.T) {
	m, far := dual(t, 1, engine.Config{MSS: engine.MSSAuto}), dual(t, 2, engine.Config{})
	r := far.in(m.sealed(t, inner6(6, 64, func(b []byte) { b[52], b[53] = 0x60, 2; copy(b[60:], []byte{2, 4, 0x05, 0xb4}) })))
	if got := binary.BigEndian.Uint16(r.Bytes()[62:]); got != 1426-60 {
		t.Fatalf("MSS %d", got)
	}
}
