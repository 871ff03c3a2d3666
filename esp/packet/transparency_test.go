package packet_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/getvpn/getvpn/esp/packet"
)

// withTOS is a packet of either version with that TOS and TTL.
func withTOS(version, tos, ttl uint8) []byte {
	if version == 6 {
		b := ip6(17, pattern(12)...)
		b[0], b[1], b[7] = 0x60|tos>>4, tos<<4|b[1]&15, ttl
		return b
	}
	b := ip(17, 0, nil, pattern(12))
	b[1], b[8] = tos, ttl
	return sumIPv4(b)
}

func sumIPv4(b []byte) []byte {
	b[10], b[11] = 0, 0
	c := packet.Checksum(b[:20])
	b[10], b[11] = byte(c>>8), byte(c)
	return b
}

// TestECN is RFC 6040 figure 4 as a whole, and §4.1: what goes out has the inner code point (normal mode). The DSCP of the
// inner header survives whatever the core made of the outer one (RFC 2983 §3.1: pipe model).
func TestECN(t *testing.T) {
	const drop = 0xff
	table := [4][4]uint8{ // by inner, then outer: Not-ECT, ECT(1), ECT(0), CE
		{0, 0, 0, drop},
		{1, 1, 1, 3},
		{2, 1, 2, 3},
		{3, 3, 3, 3},
	}
	for _, version := range []uint8{4, 6} {
		for inner := range uint8(4) {
			b := withTOS(version, 0xb8|inner, 64)
			h, err := packet.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			out := make([]byte, 60)
			packet.PutOuter(out, &h, packet.ProtoESP, 60, 1)
			if o, err := packet.Parse(out); err != nil || o.TOS != 0xb8|inner {
				t.Errorf("IPv%d: outer TOS %#x of inner %#x", version, o.TOS, h.TOS)
			}
			for outer := range uint8(4) {
				t.Run(fmt.Sprintf("IPv%d inner %02b outer %02b", version, inner, outer), func(t *testing.T) {
					b := withTOS(version, 0xb8|inner, 64)
					want := table[inner][outer]
					if ok := packet.Decapsulate(0x50|outer, b); ok != (want != drop) {
						t.Fatalf("passed: %v", ok)
					}
					if want == drop {
						return
					}
					if !bytes.Equal(b, withTOS(version, 0xb8|want, 64)) { // checksum and flow label included
						t.Errorf("%x", b[:20])
					}
				})
			}
		}
	}
}

func TestLowerTTL(t *testing.T) {
	for _, version := range []uint8{4, 6} {
		for _, row := range []struct{ outer, inner, want uint8 }{
			{61, 63, 61}, {63, 63, 63}, {64, 63, 63}, {255, 1, 1}, {1, 255, 1}, {0, 64, 0}, {0, 0, 0},
		} {
			b := withTOS(version, 0, row.inner)
			packet.LowerTTL(row.outer, b)
			if !bytes.Equal(b, withTOS(version, 0, row.want)) {
				t.Errorf("IPv%d, outer %d, inner %d: %x", version, row.outer, row.inner, b[:20])
			}
		}
	}
}
