package packet_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/getvpn/getvpn/esp/packet"
)

// reassemble is the receiving host, RFC 791 §3.2.
func reassemble(t *rapid.T, frags [][]byte, more bool) (payload []byte) {
	for i, f := range frags {
		h, err := packet.Parse(f)
		if err != nil || packet.Checksum(f[:h.HeaderLen]) != 0 {
			t.Fatalf("fragment %d: %v", i, err)
		}
		last := i == len(frags)-1
		if h.MF != (!last || more) {
			t.Fatalf("fragment %d of %d: MF %v", i, len(frags), h.MF)
		}
		if !last && (h.TotalLen-h.HeaderLen)%8 != 0 {
			t.Fatalf("fragment %d is not a multiple of 8", i)
		}
		payload = append(payload, f[h.HeaderLen:h.TotalLen]...)
	}
	return payload
}

func TestFragmentsReassemble(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		options := rapid.SampledFrom([][]byte{nil, {1, 1, 1, 0}, {7, 7, 4, 0, 0, 0, 0, 0x83, 3, 1, 0, 0}, {0x94, 4, 0, 0}}).Draw(t, "options")
		payload := pattern(rapid.IntRange(0, 5000).Draw(t, "n"))
		offset := rapid.SampledFrom([]int{0, 0, 80, 1480}).Draw(t, "offset")
		more := rapid.Bool().Draw(t, "more")
		frag := uint16(offset / 8)
		if more {
			frag |= 0x2000
		}
		b := ip(17, frag, options, payload)
		h, err := packet.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		mtu := rapid.IntRange(68, 1500).Draw(t, "mtu")
		f, err := packet.NewFragmenter(b, &h, mtu)
		if err != nil {
			t.Fatal(err)
		}
		count := f.Count()
		var frags [][]byte
		at := offset
		for {
			buf := make([]byte, mtu)
			n := f.Next(buf)
			if n == 0 {
				break
			}
			g, err := packet.Parse(buf[:n])
			if err != nil || g.Offset != at || g.ID != h.ID || g.Src != h.Src || g.Dst != h.Dst || g.TTL != h.TTL || g.TOS != h.TOS || g.TotalLen != n {
				t.Fatalf("%+v of %+v at %d: %v", g, h, at, err)
			}
			at += g.TotalLen - g.HeaderLen
			frags = append(frags, slices.Clone(buf[:n]))
		}
		if len(frags) != count || f.Count() != 0 {
			t.Fatalf("%d fragments, announced %d", len(frags), count)
		}
		if !bytes.Equal(reassemble(t, frags, more), payload) {
			t.Fatal("payload differs")
		}
	})
}

// TestFragmentOptions: RFC 791 §3.1: only options with the copied flag are in every fragment.
func TestFragmentOptions(t *testing.T) {
	recordRoute := []byte{7, 7, 4, 0, 0, 0, 0}
	looseRoute := []byte{0x83, 7, 4, 10, 0, 0, 1}
	options := append(append(slices.Clone(recordRoute), looseRoute...), 1, 0)
	b := ip(17, 0, options, pattern(100))
	h := parse(t, b)
	f, err := packet.NewFragmenter(b, &h, 84)
	if err != nil {
		t.Fatal(err)
	}
	first, second := make([]byte, 84), make([]byte, 84)
	f.Next(first)
	n := f.Next(second)
	if g := parse(t, first); g.HeaderLen != 36 || !bytes.Equal(first[20:36], options) {
		t.Fatalf("first fragment: %x", first[:36])
	}
	if g := parse(t, second[:n]); g.HeaderLen != 28 || !bytes.Equal(second[20:28], append(looseRoute, 0)) {
		t.Fatalf("second fragment: %x", second[:n])
	}
}

func TestFragmenterRefuses(t *testing.T) {
	b := ip(17, 0, nil, pattern(100))
	h := parse(t, b)
	if _, err := packet.NewFragmenter(b, &h, 27); err == nil {
		t.Error("no room for data, accepted")
	}
	b = ip(17, 0, []byte{7, 9, 4, 0}, pattern(100))
	h = parse(t, b)
	if _, err := packet.NewFragmenter(b, &h, 68); err == nil {
		t.Error("option longer than the header, accepted")
	}
}
