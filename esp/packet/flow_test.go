package packet_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/getvpn/getvpn/esp/packet"
)

func TestFlow(t *testing.T) {
	ports := []byte{0x12, 0x34, 0, 80, 0, 8, 0, 0}
	for _, row := range []struct {
		name     string
		b        []byte
		want     packet.PortState
		src, dst uint16
	}{
		{"UDP", ip(17, 0, nil, ports), packet.PortsKnown, 0x1234, 80},
		{"TCP with IP options", ip(6, 0, []byte{1, 1, 1, 1}, ports), packet.PortsKnown, 0x1234, 80},
		{"first fragment", ip(17, 0x2000, nil, ports), packet.PortsKnown, 0x1234, 80},
		{"later fragment", ip(17, 0x0001, nil, ports), packet.PortsUnknown, 0, 0},
		{"later fragment of ICMP", ip(1, 0x0001, nil, ports), packet.PortsNone, 0, 0},
		{"tiny first fragment", ip(6, 0x2000, nil, ports[:3]), packet.PortsUnknown, 0, 0},
		{"ICMP", ip(1, 0, nil, ports), packet.PortsNone, 0, 0},
		{"ESP", ip(50, 0, nil, ports), packet.PortsNone, 0, 0},
	} {
		h := parse(t, row.b)
		f := h.Flow(row.b)
		if f.Ports != row.want || f.SrcPort != row.src || f.DstPort != row.dst || f.Proto != h.Proto || f.V6 ||
			f.Src != packet.FromNetip(netip.MustParseAddr("10.1.2.3")) || f.Dst != packet.FromNetip(netip.MustParseAddr("10.4.5.6")) {
			t.Errorf("%s: %+v", row.name, f)
		}
		if f.Reverse().Reverse() != f {
			t.Errorf("%s: Reverse twice", row.name)
		}
	}
}

func ip6(next uint8, payload ...byte) []byte {
	b := make([]byte, 40)
	b[0], b[6], b[7] = 0x60, next, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	src, dst := netip.MustParseAddr("2001:db8::1").As16(), netip.MustParseAddr("2001:db8::2").As16()
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
	return append(b, payload...)
}

func TestParseIPv6(t *testing.T) {
	udp := []byte{0x12, 0x34, 0, 53, 0, 8, 0, 0}
	chain := func(head ...byte) []byte { return append(head, udp...) }
	many := func(n int) (out []byte) {
		for i := range n {
			next := byte(60)
			if i == n-1 {
				next = 17
			}
			out = append(out, next, 0, 1, 4, 0, 0, 0, 0)
		}
		return append(out, udp...)
	}
	type want struct {
		proto  uint8
		ports  packet.PortState
		upper  int
		offset int
		mf     bool
	}
	for _, row := range []struct {
		name string
		b    []byte
		want want
		bad  bool
	}{
		{"UDP", ip6(17, udp...), want{17, packet.PortsKnown, 40, 0, false}, false},
		{"ICMPv6", ip6(58, udp...), want{58, packet.PortsNone, 40, 0, false}, false},
		{"hop-by-hop, UDP", ip6(0, chain(17, 0, 1, 4, 0, 0, 0, 0)...), want{17, packet.PortsKnown, 48, 0, false}, false},
		{"routing of 24 octets", ip6(43, chain(append([]byte{17, 2}, make([]byte, 22)...)...)...), want{17, packet.PortsKnown, 64, 0, false}, false},
		{"eight extensions", ip6(60, many(8)...), want{17, packet.PortsKnown, 104, 0, false}, false},
		{"AH is an upper layer", ip6(51, chain(append([]byte{17, 4}, make([]byte, 22)...)...)...), want{51, packet.PortsNone, 40, 0, false}, false},
		{"ESP behind options", ip6(60, chain(50, 0, 1, 4, 0, 0, 0, 0)...), want{50, packet.PortsNone, 48, 0, false}, false},
		{"first fragment", ip6(44, chain(17, 0, 0, 1, 0, 0, 0, 9)...), want{17, packet.PortsKnown, 48, 0, true}, false},
		{"tiny first fragment", ip6(44, 17, 0, 0, 1, 0, 0, 0, 9, 1, 2), want{17, packet.PortsUnknown, 48, 0, true}, false},
		{"later fragment", ip6(44, chain(17, 0, 0, 9, 0, 0, 0, 9)...), want{17, packet.PortsUnknown, 48, 8, true}, false},
		{"last fragment of ICMPv6", ip6(44, chain(58, 0, 0, 8, 0, 0, 0, 9)...), want{58, packet.PortsNone, 48, 8, false}, false},
		{"later fragment, options hidden", ip6(44, chain(60, 0, 0, 8, 0, 0, 0, 9)...), want{60, packet.ProtoUnknown, 48, 8, false}, false},
		{"atomic fragment", ip6(44, chain(17, 0, 0, 0, 0, 0, 0, 9)...), want{17, packet.PortsKnown, 48, 0, false}, false},
		{"no next header", ip6(59), want{59, packet.PortsNone, 40, 0, false}, false},
		{"fragment beyond 65535", ip6(44, chain(17, 0, 0xff, 0xf8, 0, 0, 0, 9)...), want{}, true},
		{"first fragment without its chain", ip6(44, 60, 0, 0, 1, 0, 0, 0, 9), want{}, true},
		{"extension beyond the packet", ip6(0, chain(17, 9, 1, 4, 0, 0, 0, 0)...), want{}, true},
		{"extension cut", ip6(0, 17, 0, 1), want{}, true},
		{"nine extensions", ip6(60, many(9)...), want{}, true},
		{"hop-by-hop in the middle", ip6(60, chain(0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0)...), want{}, true},
		{"jumbogram", func() []byte { b := ip6(0, chain(17, 0, 0xc2, 4, 0, 1, 0, 0)...); b[4], b[5] = 0, 0; return b }(), want{}, true},
		{"cut", ip6(17, udp...)[:45], want{}, true},
		{"cut header", ip6(17, udp...)[:39], want{}, true},
	} {
		h, err := packet.Parse(row.b)
		if (err != nil) != row.bad {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if row.bad {
			continue
		}
		f := h.Flow(row.b)
		if got := (want{f.Proto, f.Ports, h.HeaderLen, h.Offset, h.MF}); got != row.want || !f.V6 || f.Dst.Lo != 2 || !h.DF || h.TotalLen != len(row.b) {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
	b := ip6(17, udp...)
	binary.BigEndian.PutUint32(b, 0x6b7abcde)
	if h, err := packet.Parse(append(b, 0, 0, 0)); err != nil || h.TOS != 0xb7 || h.Label != 0xabcde || h.TTL != 64 || h.TotalLen != 48 {
		t.Errorf("%+v, %v", h, err)
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(ip(17, 0, nil, pattern(40)), 576)
	f.Add(ip(6, 0x4000, []byte{7, 7, 4, 0, 0, 0, 0, 0}, pattern(400)), 100)
	f.Add(ip6(0, 17, 0, 1, 4, 0, 0, 0, 0, 1, 2, 3, 4), 1446)
	f.Add(ip6(44, 6, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4), 1280)
	f.Add(ip6(43, 60, 0, 0, 0, 0, 0, 0, 0, 58, 0, 1, 4, 0, 0, 0, 0, 128, 0, 0, 0), 1280)
	f.Fuzz(func(t *testing.T, b []byte, mtu int) {
		h, err := packet.Parse(b)
		if err != nil {
			return
		}
		h.Flow(b)
		h.LinkLocal(b)
		if h.HeaderLen > h.TotalLen || h.TotalLen > len(b) {
			t.Fatalf("%+v", h)
		}
		packet.TooBig(make([]byte, packet.ICMPMaxLen), b, &h, mtu, packet.Addr{Lo: 1})
		packet.Decapsulate(3, b)
		packet.ClampMSS(b, &h, 1000)
		if mtu < 68 || mtu > 65535 || h.Version == 6 {
			return
		}
		g, err := packet.NewFragmenter(b, &h, mtu)
		if err != nil {
			return
		}
		total, buf := 0, make([]byte, mtu)
		for n := g.Next(buf); n > 0; n = g.Next(buf) {
			p, err := packet.Parse(buf[:n])
			if err != nil {
				t.Fatalf("fragment is not a packet: %x", buf[:n])
			}
			total += p.TotalLen - p.HeaderLen
		}
		if total != h.TotalLen-h.HeaderLen {
			t.Fatalf("%d octets of %d", total, h.TotalLen-h.HeaderLen)
		}
	})
}
