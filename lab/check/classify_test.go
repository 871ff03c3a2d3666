package check

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

const small = `
name: small
protected: [10.1.0.0/16]
policy:
  - deny udp any eq 848 any eq 848
  - deny tcp any any eq 22
  - deny tcp any eq 22 any
  - permit ip 10.1.0.0/16 10.1.0.0/16
nodes:
  - {name: ks1, kind: ks, program: d}
  - {name: gm1, kind: gm, program: d, routes: [default via 172.16.1.2]}
  - {name: gm2, kind: gm, program: d, routes: [default via 172.16.2.2]}
  - {name: p1, kind: core, routes: [10.1.1.0/24 via 172.16.1.1, 10.1.2.0/24 via 172.16.2.1]}
  - {name: h1, kind: host, routes: [default via 10.1.1.1]}
  - {name: h2, kind: host, routes: [default via 10.1.2.1]}
programs: {d: {binary: d}}
links:
  - {ends: [ks1 wan0 172.16.100.1/30, p1 ks1 172.16.100.2/30]}
  - {ends: [gm1 wan0 172.16.1.1/30, p1 gm1 172.16.1.2/30]}
  - {ends: [gm2 wan0 172.16.2.1/30, p1 gm2 172.16.2.2/30]}
  - {ends: [gm1 lan0 10.1.1.1/24, h1 eth0 10.1.1.10/24]}
  - {ends: [gm2 lan0 10.1.2.1/24, h2 eth0 10.1.2.10/24]}
`

func parse(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("small.yaml", []byte(text), scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ip builds a packet with a header of 20 octets and a body.
func ip(proto byte, src, dst string, body ...byte) []byte {
	b := make([]byte, 20, 20+len(body))
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(body)))
	copy(b[12:], netip.MustParseAddr(src).AsSlice())
	copy(b[16:], netip.MustParseAddr(dst).AsSlice())
	return append(b, body...)
}

func ports(src, dst uint16) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b, src)
	binary.BigEndian.PutUint16(b[2:], dst)
	return b
}

func TestClassify(t *testing.T) {
	r, err := rulesOf(parse(t, small))
	if err != nil {
		t.Fatal(err)
	}
	later := ip(protoTCP, "10.1.1.10", "10.1.2.10", ports(22, 22)...)
	later[7] = 9 // a later fragment: what looks like port 22 is payload
	piece := func(src, dst string) []byte {
		b := ip(protoUDP, src, dst, ports(0, 0)...)
		b[7] = 185 // at 1480
		return b
	}
	esp := append([]byte{0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 1}, make([]byte, 40)...)
	about := func(quoted []byte) []byte { return append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, quoted[:28]...) }
	gdoi := ip(protoUDP, "172.16.1.1", "172.16.100.1", ports(848, 848)...)
	for _, c := range []struct {
		name   string
		packet []byte
		want   Class
	}{
		{"the rest of a long datagram between gateways", piece("172.16.1.1", "172.16.100.1"), GDOI},
		{"the rest of a long datagram to a host", piece("172.16.1.1", "10.1.2.10"), GatewayClear},
		{"ESP between hosts", ip(protoESP, "10.1.1.10", "10.1.2.10", esp...), ESP},
		{"ESP between gateways", ip(protoESP, "172.16.1.1", "172.16.2.1", esp...), ForeignESP},
		{"ESP from a gateway to a host", ip(protoESP, "172.16.1.1", "10.1.2.10", esp...), ForeignESP},
		{"ESP that is none", ip(protoESP, "10.1.1.10", "10.1.2.10", append(esp, mark...)...), PlaintextESP},
		{"GDOI", gdoi, GDOI},
		{"GDOI from another port", ip(protoUDP, "172.16.1.1", "172.16.100.1", ports(5000, 848)...), GDOI},
		{"gateway, other port", ip(protoUDP, "172.16.1.1", "172.16.100.1", ports(500, 500)...), GatewayClear},
		{"gateway, TCP port 848", ip(protoTCP, "172.16.1.1", "172.16.100.1", ports(848, 848)...), GatewayClear},
		{"gateway pings", ip(protoICMP, "172.16.1.1", "172.16.100.1", 8, 0, 0, 0, 0, 0, 0, 0), GatewayClear},
		{"a gateway, where the list says deny", ip(protoTCP, "172.16.1.1", "172.16.100.1", ports(5000, 22)...), ClearByPolicy},
		{"gateway reports a dead port", ip(protoICMP, "172.16.100.1", "172.16.1.1", about(gdoi)...), GatewayICMP},
		{"a router without a way reports ESP", ip(protoICMP, "172.16.0.2", "10.1.1.10", about(ip(protoESP, "10.1.1.10", "10.1.2.10", esp...))...), SecretICMP},
		{"a router reports what is clear", ip(protoICMP, "172.16.0.2", "10.1.1.10", about(ip(protoUDP, "10.1.1.10", "10.1.2.10", ports(5, 6)...))...), Other},
		{"a gateway reports ESP", ip(protoICMP, "172.16.2.1", "10.1.1.10", about(ip(protoESP, "10.1.1.10", "10.1.2.10", esp...))...), GatewayClear},
		{"gateway reports something else", ip(protoICMP, "172.16.100.1", "172.16.1.1",
			about(ip(protoUDP, "172.16.1.1", "172.16.100.1", ports(53, 53)...))...), GatewayClear},
		{"clear between hosts", ip(protoUDP, "10.1.1.10", "10.1.2.10", ports(5000, 7)...), ClearProtected},
		{"clear from a member's LAN address", ip(protoICMP, "10.1.1.1", "10.1.2.10", 8, 0, 0, 0, 0, 0, 0, 0), ClearProtected},
		{"denied there", ip(protoTCP, "10.1.1.10", "10.1.2.10", ports(5000, 22)...), ClearByPolicy},
		{"denied back", ip(protoTCP, "10.1.2.10", "10.1.1.10", ports(22, 5000)...), ClearByPolicy},
		{"UDP port 22 is not denied", ip(protoUDP, "10.1.1.10", "10.1.2.10", ports(5000, 22)...), ClearProtected},
		{"later fragment", later, ClearProtected},
		{"host to the core", ip(protoICMP, "10.1.1.10", "172.16.1.2", 8, 0, 0, 0, 0, 0, 0, 0), Other},
		{"core to core", ip(protoTCP, "172.16.1.2", "172.16.2.2", ports(179, 179)...), Other},
		{"empty", nil, Malformed},
		{"short", gdoi[:19], Malformed},
		{"IPv6 with an IPv4 label", append([]byte{0x65}, gdoi[1:]...), Malformed},
		{"shorter than it says", gdoi[:30], Malformed},
		{"no body", ip(protoUDP, "10.1.1.10", "10.1.2.10"), ClearProtected},
	} {
		var p Packet
		r.classify(c.packet, &p)
		if p.Class != c.want {
			t.Errorf("%s: %s, want %s", c.name, p.Class, c.want)
		}
	}
	var p Packet
	r.classify(ip(protoESP, "10.1.1.10", "10.1.2.10", esp...), &p)
	if p.SPI != 0xdeadbeef || p.Src.String() != "10.1.1.10" || p.Len != 68 {
		t.Errorf("parsed %+v", p)
	}
	open := rules{protected: r.protected}
	if open.classify(ip(protoUDP, "10.1.1.10", "10.1.2.10", ports(1, 2)...), &p); p.Class != ClearProtected {
		t.Errorf("without a policy: %s", p.Class)
	}
}

func FuzzClassify(f *testing.F) {
	s, err := scenario.Parse("small.yaml", []byte(small), scenario.Options{})
	if err != nil {
		f.Fatal(err)
	}
	r, err := rulesOf(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ip(protoUDP, "172.16.1.1", "172.16.100.1", ports(848, 848)...))
	f.Add(ip(protoICMP, "172.16.100.1", "172.16.1.1", append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, make([]byte, 28)...)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Packet
		r.classify(b, &p)
		if p.Class < 0 || p.Class >= classes || p.Len != len(b) {
			t.Errorf("%+v", p)
		}
	})
}

func TestValidate(t *testing.T) {
	for _, c := range []struct{ name, step, want string }{
		{"good", "{check: reach, pairs: all}", ""},
		{"good list", "{check: reach, pairs: [h1-h2], within: 3s}", ""},
		{"unknown check", "{check: reech}", `there is no check "reech"; there are: bad-input`},
		{"unknown parameter", "{check: reach, pairs: all, color: red}", "color"},
		{"no pairs", "{check: reach}", "write all, neighbours, or a list"},
		{"pair of one", "{check: reach, pairs: [h1]}", "is written h1-h3"},
		{"unknown node", "{check: reach, pairs: [h1-h9]}", `no node "h9"`},
		{"member without LAN", "{check: own-traffic, member: ks1, to: h1}", "has no LAN"},
		{"no target", "{check: bad-input, from: p1}", "at least one node"},
		{"target without daemon", "{check: bad-input, from: p1, targets: [h1]}", "has no daemon"},
		{"rate", "{check: rollover-lossless, pairs: all, rate: 0}", "outside 1..10000"},
		{"in parallel", "{parallel: [{check: reach, pairs: all}, {check: nothing}]}", "no check"},
		{"kill", "{do: kill gm1}", ""},
		{"kill a host", "{do: kill h1}", "with a daemon"},
		{"partition", "{do: partition gm1/gm2 for 30s}", ""},
		{"partition without end", "{do: partition gm1/gm2 for ever}", "write partition A,B"},
		{"partition of nothing", "{do: partition gm1/gm9}", `no node "gm9"`},
		{"wait", "{do: wait 5s}", ""},
		{"wait for what", "{do: wait}", "write wait 5s"},
		{"no verb", "{do: dance gm1}", "there are: configure, exec"},
	} {
		s := parse(t, small+"steps:\n  - "+c.step+"\n")
		err := Validate(s)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "small.yaml:2")):
			t.Errorf("%s: %v; want %q and the line", c.name, err, c.want)
		}
	}
}

func TestFlowCounts(t *testing.T) {
	f := &Flow{From: "a", To: "b"}
	for i := 1; i <= 5; i++ {
		f.sent = append(f.sent, second(i))
	}
	f.received = []time.Duration{second(1) + 1, 0, 0, second(4) + 1, second(5) + 1}
	l := f.Between(0, forever)
	if l.Sent != 5 || l.Lost != 2 || l.First != second(2) || l.Last != second(3) {
		t.Errorf("all: %+v", l)
	}
	if l := f.Between(second(4), second(5)); l.Sent != 1 || l.Lost != 0 {
		t.Errorf("fourth second: %+v", l)
	}
	if at := f.FirstReceived(second(2)); at != second(4)+1 {
		t.Errorf("first received of those sent from the second second on: %v", at)
	}
	if n := f.ReceivedAfter(second(5)); n != 1 {
		t.Errorf("received after the fifth second: %d", n)
	}
}

func second(n int) time.Duration { return time.Duration(n) * time.Second }

// ip6 builds an IPv6 packet with a body.
func ip6(proto byte, src, dst string, body ...byte) []byte {
	b := make([]byte, 40, 40+len(body))
	b[0], b[6], b[7] = 0x60, proto, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	copy(b[8:], netip.MustParseAddr(src).AsSlice())
	copy(b[24:], netip.MustParseAddr(dst).AsSlice())
	return append(b, body...)
}

func TestClassifyIPv6(t *testing.T) {
	const h1, h2, gm, ks = "2001:db8:a01:100::a", "2001:db8:a01:200::a", "2001:db8:ac10:100::1", "2001:db8:ac10:6400::1"
	text := strings.Replace(small, "protected: [10.1.0.0/16]", "ipv6: 2001:db8::/32\nprotected: [10.1.0.0/16, 2001:db8:a01::/48]", 1)
	text = strings.Replace(text, "policy:\n", "policy:\n  - deny tcp any6 any6 eq 22\n  - permit ipv6 2001:db8:a01::/48 2001:db8:a01::/48\n", 1)
	s := parse(t, text)
	if a := s.Address6("h1").String(); a != h1 {
		t.Fatalf("h1 is %s", a)
	}
	if a := s.Address6("ks1").String(); a != ks {
		t.Fatalf("ks1 is %s", a)
	}
	r, err := rulesOf(s)
	if err != nil {
		t.Fatal(err)
	}
	esp := append([]byte{0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 1}, make([]byte, 40)...)
	about := func(quoted []byte) []byte { return append([]byte{1, 4, 0, 0, 0, 0, 0, 0}, quoted...) }
	gdoi := ip6(protoUDP, gm, ks, ports(848, 848)...)
	fragment := func(offset byte, body []byte) []byte {
		return append([]byte{protoUDP, 0, 0, offset, 0, 0, 0, 1}, body...)
	}
	solicit := ip6(protoICMP6, gm, "2001:db8:ac10:100::2", 135, 0, 0, 0)
	solicit[7] = 255
	for _, c := range []struct {
		name   string
		packet []byte
		want   Class
	}{
		{"ESP between hosts", ip6(protoESP, h1, h2, esp...), ESP},
		{"ESP behind an extension header", ip6(extHopByHop, h1, h2, append([]byte{protoESP, 0, 1, 4, 0, 0, 0, 0}, esp...)...), ESP},
		{"ESP between gateways", ip6(protoESP, gm, ks, esp...), ForeignESP},
		{"ESP that is none", ip6(protoESP, h1, h2, append(esp, mark...)...), PlaintextESP},
		{"GDOI", gdoi, GDOI},
		{"a first fragment of GDOI", ip6(extFragment, gm, ks, fragment(1, ports(848, 848))...), GDOI},
		{"a later fragment of GDOI", ip6(extFragment, gm, ks, fragment(8, ports(0, 0))...), GDOI},
		{"a gateway to a host", ip6(protoUDP, gm, h2, ports(5, 6)...), GatewayClear},
		{"a gateway reports a dead port", ip6(protoICMP6, ks, gm, about(gdoi)...), GatewayICMP},
		{"a gateway reports something else", ip6(protoICMP6, ks, gm, about(ip6(protoUDP, gm, ks, ports(53, 53)...))...), GatewayClear},
		{"a router without a way reports ESP", ip6(protoICMP6, "2001:db8:ac10:0::2", h1, about(ip6(protoESP, h1, h2, esp...))...), SecretICMP},
		{"neighbour discovery of a gateway", solicit, Link},
		{"what looks like it, from afar", ip6(protoICMP6, gm, ks, 135, 0, 0, 0), GatewayClear},
		{"multicast listeners", ip6(extHopByHop, "fe80::1", "ff02::16", protoICMP6, 0, 5, 2, 0, 0, 0, 0, 143), Link},
		{"clear between hosts", ip6(protoUDP, h1, h2, ports(5000, 7)...), ClearProtected},
		{"denied", ip6(protoTCP, h1, h2, ports(5000, 22)...), ClearByPolicy},
		{"an echo between hosts", ip6(protoICMP6, h1, h2, 128, 0, 0, 0), ClearProtected},
		{"a later fragment", ip6(extFragment, h1, h2, fragment(8, ports(22, 22))...), ClearProtected},
		{"short", gdoi[:39], Malformed},
		{"shorter than it says", gdoi[:50], Malformed},
		{"an extension header that is cut", ip6(extRouting, h1, h2, protoUDP, 9, 0, 0, 0, 0, 0, 0), Malformed},
	} {
		var p Packet
		if r.classify6(c.packet, &p); p.Class != c.want {
			t.Errorf("%s: %s, want %s", c.name, p.Class, c.want)
		}
	}
}

func FuzzClassifyIPv6(f *testing.F) {
	f.Add(ip6(protoUDP, "2001:db8::1", "2001:db8::2", ports(848, 848)...))
	f.Add(ip6(protoICMP6, "2001:db8::1", "2001:db8::2", append([]byte{1, 4, 0, 0, 0, 0, 0, 0}, make([]byte, 60)...)...))
	f.Add(ip6(extHopByHop, "2001:db8::1", "2001:db8::2", extFragment, 0, 1, 4, 0, 0, 0, 0, protoESP, 0, 0, 9, 0, 0, 0, 0))
	r := rules{gateways: []netip.Addr{netip.MustParseAddr("2001:db8::1")}}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Packet
		if r.classify6(b, &p); p.Class < 0 || p.Class >= classes || p.Len != len(b) {
			t.Errorf("%+v", p)
		}
	})
}
