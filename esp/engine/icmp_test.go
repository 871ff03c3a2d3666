package engine_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
)

var router4, router6 = addrOf("192.0.2.9"), addrOf("2001:db8:ffff::9")

// routerSays is an ICMP error about a packet of the member's, of which the router quotes n octets.
func routerSays(version, typ, code uint8, word uint32, sealed []byte, n int) []byte {
	m := make([]byte, 8, 8+n)
	m[0], m[1] = typ, code
	binary.BigEndian.PutUint32(m[4:], word)
	m = append(m, sealed[:n]...)
	src, _, _ := packet.Source(sealed)
	h := packet.Header{Version: version, Src: router4, Dst: src, TTL: 60}
	proto := uint8(packet.ProtoICMP)
	if version == 6 {
		h.Src, proto = router6, packet.ProtoICMPv6
		binary.BigEndian.PutUint16(m[2:], packet.UpperChecksum(&h, proto, m))
	} else {
		binary.BigEndian.PutUint16(m[2:], packet.Checksum(m))
	}
	b := make([]byte, h.OuterLen())
	packet.PutOuter(b, &h, proto, len(b)+len(m), 0)
	return append(b, m...)
}

// says gives the member's engine an ICMP error at a moment.
func (m member) says(now engine.Instant, b []byte) engine.Result {
	return m.w.Errors(now, []engine.Packet{{Buf: b, Len: len(b)}}, nil)[0]
}

func (m member) outAt(now engine.Instant, b []byte) engine.Result {
	return m.w.Outbound(now, []engine.Packet{room(b)}, nil)[0]
}

const minute = engine.Instant(60e9)

// tooLong is the router of a link of mtu octets, about a packet of that many in ESP.
func tooLong(mtu uint32, sealed []byte) []byte {
	if packet.Version(sealed) == 6 {
		return routerSays(6, 2, 0, mtu, sealed, 48)
	}
	return routerSays(4, 3, 4, mtu, sealed, 28)
}

func TestPathMTU(t *testing.T) {
	for _, row := range []struct {
		name        string
		length, mtu int
		told        int // to the host about the packet itself; 0: nothing
		passes      int // the longest with DF afterwards
		reason      engine.Reason
	}{
		{"narrower", 1446, 1400, 1346, 1346, engine.None},
		{"much narrower", 1446, 600, 546, 546, engine.None},
		{"narrower than is sensible", 1446, 300, 522, 522, engine.None},
		{"an old router", 1446, 0, 1438, 1438, engine.None},
		{"wider than the packet", 1446, 1500, 0, 1446, engine.ICMPImplausible},
		{"absurd", 1446, 20, 0, 1446, engine.ICMPImplausible},
		{"a short packet", 600, 1400, 0, 1446, engine.ICMPImplausible},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := newMember(t, 1, engine.Config{})
			big := inner(17, row.length, df)
			r := m.says(1, tooLong(uint32(row.mtu), m.sealed(t, big)))
			if r.Reason != row.reason || (r.Action == engine.Reply) != (row.told != 0) {
				t.Fatalf("%v %v", r.Action, r.Reason)
			}
			if row.told != 0 {
				told := r.Bytes()
				h, err := packet.Parse(told)
				if err != nil || h.Src != router4 || h.Dst != addrOf("10.1.0.1") || told[20] != 3 || told[21] != 4 ||
					int(binary.BigEndian.Uint16(told[26:])) != row.told || !bytes.Equal(told[28:], big[:28]) {
					t.Fatalf("%v %x", err, told)
				}
			}
			if r := m.outAt(2, inner(17, row.passes, df)); r.Action != engine.Send {
				t.Errorf("%d octets: %v", row.passes, r.Reason)
			}
			if r := m.outAt(3, inner(17, row.passes+1, df)); r.Action != engine.Reply || int(binary.BigEndian.Uint16(r.Bytes()[26:])) != row.passes {
				t.Errorf("%d octets: %v", row.passes+1, r.Action)
			}
			// Without DF it is cut, and elsewhere the way is as wide as ever.
			if r := m.w.Outbound(4, []engine.Packet{room(inner(17, 1446))}, nil); (len(r) > 1) != (row.passes < 1446) {
				t.Errorf("without DF: %d packets", len(r))
			}
			if r := m.outAt(5, inner(17, 1446, df, dst(10, 9, 9, 9))); r.Action != engine.Send {
				t.Errorf("to another host: %v", r.Reason)
			}
			small := m.outAt(6, inner(17, 100, df))
			outer, err := packet.Parse(small.Bytes())
			if err != nil || outer.DF != (row.mtu >= 576 || row.told == 0 || row.mtu == 0) {
				t.Errorf("DF %v", outer.DF)
			}
			// After ten minutes it is tried again.
			if r := m.outAt(6+10*minute, inner(17, 1446, df)); r.Action != engine.Send {
				t.Errorf("ten minutes later: %v", r.Reason)
			}
		})
	}
}

// TestPathMTUOnlyLowers, and follows the WAN and the suites.
func TestPathMTUOnlyLowers(t *testing.T) {
	m := newMember(t, 1, engine.Config{MSS: engine.MSSAuto})
	big := m.sealed(t, inner(17, 1446, df))
	m.says(1, tooLong(1300, big))
	if r := m.says(2, tooLong(1400, big)); r.Action != engine.Reply || binary.BigEndian.Uint16(r.Bytes()[26:]) != 1246 {
		t.Errorf("a second, wider one: %v", r.Reason)
	}
	if s := m.ICMPStats(3); s != (engine.ICMPStats{Translated: 2, PathMTU: 1, Paths: 1, Narrowest: 1300}) {
		t.Errorf("%+v", s)
	}
	if s := m.ICMPStats(1 + 10*minute); s.Paths != 0 {
		t.Errorf("ten minutes later: %+v", s)
	}
	syn := inner(6, 44, func(b []byte) { b[32], b[33] = 0x60, 2; copy(b[40:], []byte{2, 4, 0x05, 0xb4}) })
	far := newMember(t, 2, engine.Config{})
	if r := far.in(m.sealed(t, syn)); binary.BigEndian.Uint16(r.Bytes()[42:]) != 1206 {
		t.Errorf("MSS %d", binary.BigEndian.Uint16(r.Bytes()[42:]))
	}
	// What comes from there, too: its MSS is what we may send there.
	back := inner(6, 44, func(b []byte) {
		copy(b[12:], []byte{10, 2, 0, 1, 10, 1, 0, 1})
		b[32], b[33] = 0x60, 0x12
		copy(b[40:], []byte{2, 4, 0x05, 0xb4})
	})
	if r := m.in(far.sealed(t, back)); binary.BigEndian.Uint16(r.Bytes()[42:]) != 1206 {
		t.Errorf("MSS of the answer %d", binary.BigEndian.Uint16(r.Bytes()[42:]))
	}
	must(t, m.SetMTU(1200))
	if r := m.outAt(4, inner(17, 1147, df)); r.Action != engine.Reply || binary.BigEndian.Uint16(r.Bytes()[26:]) != 1146 {
		t.Errorf("the WAN became narrower: %v", r.Action)
	}
}

func TestRouterErrors(t *testing.T) {
	m := newMember(t, 1, engine.Config{})
	probe := inner(17, 40, func(b []byte) { b[8] = 3 })
	seen := m.sealed(t, probe)
	told := m.says(1, routerSays(4, 11, 0, 0, seen, 28))
	if told.Action != engine.Reply {
		t.Fatal(told.Reason)
	}
	if b := told.Bytes(); b[20] != 11 || b[8] != 59 || !bytes.Equal(b[28:], probe[:28]) {
		t.Errorf("%x", b)
	}
	foreign := bytes.Clone(seen)
	foreign[20]++
	later := bytes.Clone(seen)
	binary.BigEndian.PutUint32(later[24:], 5)
	elsewhere := bytes.Clone(seen)
	elsewhere[19]++
	for _, row := range []struct {
		name string
		b    []byte
		want engine.Reason
	}{
		{"not an error", routerSays(4, 8, 0, 0, seen, 28), engine.Malformed},
		{"an SPI of somebody else", routerSays(4, 11, 0, 0, foreign, 28), engine.ICMPForeign},
		{"a packet that was never sent", routerSays(4, 11, 0, 0, later, 28), engine.ICMPForeign},
		{"sent, but not there", routerSays(4, 11, 0, 0, elsewhere, 28), engine.ICMPForgotten},
	} {
		if r := m.says(1, row.b); r.Action != engine.Drop || r.Reason != row.want {
			t.Errorf("%s: %v %v", row.name, r.Action, r.Reason)
		}
	}
	// Ordinary packets are remembered for 4096 more, those of traceroute for 256 of their kind.
	plain := m.sealed(t, inner(17, 100))
	probed := m.sealed(t, probe)
	for range 5000 {
		m.out(inner(17, 100))
	}
	if r := m.says(minute, routerSays(4, 3, 1, 0, plain, 28)); r.Reason != engine.ICMPForgotten {
		t.Errorf("an old packet: %v", r.Reason)
	}
	if r := m.says(minute, routerSays(4, 11, 0, 0, probed, 28)); r.Action != engine.Reply {
		t.Errorf("an old probe: %v", r.Reason)
	}
	// A flood draws no flood.
	passed := 0
	for range 1000 {
		if r := m.says(minute, routerSays(4, 11, 0, 0, probed, 28)); r.Action == engine.Reply {
			passed++
		}
	}
	if passed > 60 || m.says(2*minute, routerSays(4, 11, 0, 0, probed, 28)).Action != engine.Reply {
		t.Errorf("%d passed at once, or none later", passed)
	}
}

// TestPathsAreBounded: whoever makes routers say things cannot make us remember without end.
func TestPathsAreBounded(t *testing.T) {
	m := newMember(t, 1, engine.Config{})
	now := engine.Instant(1)
	for i := range 1100 {
		now += engine.Instant(20e6)
		b := m.sealed(t, inner(17, 1446, df, dst(10, 2, byte(i>>8), byte(i))))
		if r := m.says(now, tooLong(1400, b)); r.Action != engine.Reply {
			t.Fatalf("%d: %v", i, r.Reason)
		}
	}
	if s := m.ICMPStats(now); s.Paths != 1024 || s.PathMTU != 1100 {
		t.Errorf("%+v", s)
	}
	last := inner(17, 1400, df, dst(10, 2, 1099>>8, 1099&0xff))
	if r := m.outAt(now, last); r.Action != engine.Reply {
		t.Errorf("the newest was forgotten: %v", r.Action)
	}
}

func TestRouterErrorsIPv6(t *testing.T) {
	m := dual(t, 1, engine.Config{})
	big := inner6(17, 1426)
	sealed := m.sealed(t, big)
	for name, b := range map[string][]byte{"wide": tooLong(1500, sealed), "narrower than IPv6": tooLong(1279, sealed)} {
		if r := m.says(1, b); r.Reason != engine.ICMPImplausible {
			t.Errorf("%s: %v", name, r.Reason)
		}
	}
	for i, mtu := range []int{1400, 1300, 1280} {
		want := max(mtu-74, 1280)
		r := m.says(1, tooLong(uint32(mtu), sealed))
		if r.Action != engine.Reply || r.Bytes()[40] != 2 || binary.BigEndian.Uint32(r.Bytes()[44:]) != uint32(want) || !bytes.HasPrefix(big, r.Bytes()[48:]) {
			t.Fatalf("%d: %v", mtu, r.Reason)
		}
		if r := m.outAt(2, inner6(17, want+1)); r.Action != engine.Reply {
			t.Errorf("%d: %d octets: %v", mtu, want+1, r.Action)
		}
		// What IPv6 always carries passes, in two pieces if need be.
		results := m.w.Outbound(3, []engine.Packet{room(inner6(17, 1280))}, nil)
		for _, r := range results {
			if r.Action != engine.Send || r.Len > mtu {
				t.Errorf("%d: a packet of 1280 octets: %v, %d octets", mtu, r.Action, r.Len)
			}
		}
		if (len(results) == 2) != (i > 0) {
			t.Errorf("%d: a packet of 1280 octets makes %d", mtu, len(results))
		}
	}
	// Of a host's fragment, too, there must be eight octets behind all headers, or the host does not know it again.
	piece := inner6(44, 1270, func(b []byte) { copy(b[40:], []byte{17, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8}) })
	if r := m.says(4, routerSays(6, 3, 0, 0, m.sealedFirst(piece), 56)); r.Action != engine.Reply || r.Len != 40+8+56 || !bytes.HasPrefix(piece, r.Bytes()[48:]) {
		t.Errorf("about a fragment: %v, %d octets", r.Reason, r.Len)
	}
	if r := m.says(1, routerSays(6, 3, 0, 0, sealed, 48)); r.Action != engine.Reply || r.Bytes()[40] != 3 || r.Bytes()[7] != 59 {
		t.Errorf("hop limit: %v", r.Reason)
	}
}

// TestHops: the hops of the core count on the inner packet.
func TestHops(t *testing.T) {
	a, b := newMember(t, 1, engine.Config{}), newMember(t, 2, engine.Config{})
	for _, row := range []struct{ inner, core, want uint8 }{{63, 2, 61}, {2, 1, 1}, {63, 0, 63}} {
		s := a.sealed(t, inner(17, 100, func(p []byte) { p[8] = row.inner }))
		s[8] -= row.core
		if r := b.in(s); r.Action != engine.Deliver || r.Bytes()[8] != row.want || packet.Checksum(r.Bytes()[:20]) != 0 {
			t.Errorf("%+v: %v", row, r.Reason)
		}
	}
}

func TestErrorsAllocateNothing(t *testing.T) {
	m := newMember(t, 1, engine.Config{})
	b := routerSays(4, 11, 0, 0, m.sealed(t, inner(17, 100)), 28)
	batch, out, now := []engine.Packet{{Buf: b, Len: len(b)}}, make([]engine.Result, 0, 4), engine.Instant(1)
	if n := testing.AllocsPerRun(100, func() {
		now += engine.Instant(1e9)
		out = m.w.Errors(now, batch, out[:0])
	}); n > 1 || out[0].Action != engine.Reply { // the list of workers
		t.Errorf("%v allocations, %v", n, out[0].Reason)
	}
}

func BenchmarkOutbound(b *testing.B) {
	for _, n := range []int{64, 1400} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := newMember(b, 1, engine.Config{})
			p := inner(17, n)
			batch, out := make([]engine.Packet, 64), make([]engine.Result, 0, 64)
			for i := range batch {
				batch[i] = room(p)
			}
			b.SetBytes(int64(n))
			for i := 0; i < b.N; i += len(batch) {
				for j := range batch {
					copy(batch[j].Bytes()[:40], p)
				}
				out = m.w.Outbound(1, batch, out[:0])
			}
		})
	}
}

func addrOf(s string) packet.Addr { return packet.FromNetip(netip.MustParseAddr(s)) }

// sealedFirst is the first packet that comes of b.
func (m member) sealedFirst(b []byte) []byte {
	r := m.out(b)[0]
	return bytes.Clone(r.Bytes())
}
