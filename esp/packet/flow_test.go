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

func TestFlowIPv6(t *testing.T) {
	udp := []byte{0x12, 0x34, 0, 53, 0, 8, 0, 0}
	chain := func(head ...byte) []byte { return append(head, udp...) }
	many := make([]byte, 0, 100)
	for range 9 {
		many = append(many, 60, 0, 0, 0, 0, 0, 0, 0)
	}
	for _, row := range []struct {
		name  string
		b     []byte
		proto uint8
		ports packet.PortState
		bad   bool
	}{
		{"UDP", ip6(17, udp...), 17, packet.PortsKnown, false},
		{"hop-by-hop, UDP", ip6(0, chain(17, 0, 1, 4, 0, 0, 0, 0)...), 17, packet.PortsKnown, false},
		{"AH of 24 octets", ip6(51, chain(append([]byte{17, 4}, make([]byte, 22)...)...)...), 17, packet.PortsKnown, false},
		{"first fragment", ip6(44, chain(17, 0, 0, 1, 0, 0, 0, 9)...), 17, packet.PortsKnown, false},
		{"later fragment", ip6(44, chain(17, 0, 0, 9, 0, 0, 0, 9)...), 17, packet.PortsUnknown, false},
		{"no next header", ip6(59), 59, packet.PortsNone, false},
		{"extension beyond the packet", ip6(0, chain(17, 9, 1, 4, 0, 0, 0, 0)...), 0, 0, true},
		{"extension cut", ip6(0, 17, 0, 1), 0, 0, true},
		{"too many extensions", ip6(60, many...), 0, 0, true},
		{"cut", ip6(17, udp...)[:45], 0, 0, true},
		{"cut header", ip6(17, udp...)[:39], 0, 0, true},
	} {
		f, err := packet.FlowIPv6(row.b)
		if (err != nil) != row.bad {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if !row.bad && (f.Proto != row.proto || f.Ports != row.ports || !f.V6 || f.Dst.Lo != 2) {
			t.Errorf("%s: %+v", row.name, f)
		}
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(ip(17, 0, nil, pattern(40)), 576)
	f.Add(ip(6, 0x4000, []byte{7, 7, 4, 0, 0, 0, 0, 0}, pattern(400)), 100)
	f.Add(ip6(0, 17, 0, 1, 4, 0, 0, 0, 0, 1, 2, 3, 4), 1446)
	f.Fuzz(func(t *testing.T, b []byte, mtu int) {
		if _, err := packet.FlowIPv6(b); err == nil {
			return
		}
		h, err := packet.ParseIPv4(b)
		if err != nil {
			return
		}
		h.Flow(b)
		packet.FragNeeded(make([]byte, packet.ICMPMaxLen), b, &h, mtu, 1)
		packet.Decapsulate(3, b)
		packet.ClampMSS(b, &h, 1000)
		if mtu < 68 || mtu > 65535 {
			return
		}
		g, err := packet.NewFragmenter(b, &h, mtu)
		if err != nil {
			return
		}
		total, buf := 0, make([]byte, mtu)
		for n := g.Next(buf); n > 0; n = g.Next(buf) {
			p, err := packet.ParseIPv4(buf[:n])
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
