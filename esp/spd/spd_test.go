package spd_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/spd"
)

var anywhere = netip.MustParsePrefix("0.0.0.0/0")

func rule(a spd.Action, proto uint8, src, dst string) spd.Rule {
	return spd.Rule{Action: a, Proto: proto, Src: netip.MustParsePrefix(src), Dst: netip.MustParsePrefix(dst), SrcPorts: spd.AnyPort, DstPorts: spd.AnyPort}
}

func withPorts(r spd.Rule, src, dst spd.Ports) spd.Rule {
	r.SrcPorts, r.DstPorts = src, dst
	return r
}

func flow(proto uint8, src, dst string, ports ...uint16) packet.Flow {
	f := packet.Flow{Proto: proto, Src: packet.FromNetip(netip.MustParseAddr(src)), Dst: packet.FromNetip(netip.MustParseAddr(dst))}
	f.V6 = netip.MustParseAddr(src).Is6()
	if packet.HasPorts(proto) {
		f.Ports = packet.PortsUnknown
	}
	if len(ports) == 2 {
		f.Ports, f.SrcPort, f.DstPort = packet.PortsKnown, ports[0], ports[1]
	}
	return f
}

func table(t testing.TB, groups ...spd.Group) *spd.Table {
	t.Helper()
	x, err := spd.New(groups, nil)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

var ten = rule(spd.Permit, 0, "10.0.0.0/8", "10.0.0.0/8")

func TestLookup(t *testing.T) {
	ssh := withPorts(rule(spd.Deny, 6, "0.0.0.0/0", "0.0.0.0/0"), spd.AnyPort, spd.Ports{22, 22})
	web := withPorts(rule(spd.Permit, 6, "0.0.0.0/0", "0.0.0.0/0"), spd.AnyPort, spd.Ports{80, 80})
	blue := spd.Group{Name: "blue", Rules: []spd.Rule{ssh, ten}, Registered: true}
	red := spd.Group{Name: "red", Rules: []spd.Rule{web}, Registered: true}
	down := func(g spd.Group, protect ...string) spd.Group {
		g.Registered = false
		for _, p := range protect {
			g.Protect = append(g.Protect, netip.MustParsePrefix(p))
		}
		return g
	}
	open := func(g spd.Group) spd.Group { g.FailOpen = true; return g }
	local := func(g spd.Group, r spd.Rule) spd.Group { g.Local = []spd.Rule{r}; return g }
	noRules := func(g spd.Group) spd.Group { g.Rules = nil; return g }
	inside, outside := flow(17, "10.1.0.1", "10.2.0.1", 5, 6), flow(17, "10.1.0.1", "192.0.2.1", 5, 6)
	for _, row := range []struct {
		name   string
		groups []spd.Group
		f      packet.Flow
		want   spd.Outcome
		group  int32
	}{
		{"permit", []spd.Group{blue}, inside, spd.Protect, 0},
		{"no match", []spd.Group{blue}, outside, spd.Clear, -1},
		{"deny first", []spd.Group{blue}, flow(6, "10.1.0.1", "10.2.0.1", 99, 22), spd.Clear, 0},
		{"no rule for IPv6", []spd.Group{blue}, flow(17, "2001:db8::1", "2001:db8::2", 1, 2), spd.Clear, -1},
		{"later fragment ignores a deny with ports", []spd.Group{blue}, flow(6, "10.1.0.1", "10.2.0.1"), spd.Protect, 0},
		{"later fragment meets a permit with ports", []spd.Group{red}, flow(6, "10.1.0.1", "192.0.2.1"), spd.Protect, 0},
		{"ICMP does not meet rules with ports", []spd.Group{red}, flow(1, "10.1.0.1", "192.0.2.1"), spd.Clear, -1},
		{"second group", []spd.Group{blue, red}, flow(6, "10.1.0.1", "192.0.2.1", 99, 80), spd.Protect, 1},
		{"denied by the first, permitted by the second", []spd.Group{blue, {Name: "all", Rules: []spd.Rule{rule(spd.Permit, 0, "0.0.0.0/0", "0.0.0.0/0")}, Registered: true}},
			flow(6, "10.1.0.1", "10.2.0.1", 99, 22), spd.Protect, 1},
		{"local exception", []spd.Group{local(blue, rule(spd.Deny, 17, "10.1.0.0/16", "10.2.0.0/16"))}, inside, spd.Clear, 0},
		{"closed, nothing known", []spd.Group{down(noRules(blue))}, outside, spd.FailClosed, 0},
		{"closed, nothing known, IPv6", []spd.Group{down(noRules(blue))}, flow(17, "2001:db8::1", "2001:db8::2", 1, 2), spd.FailClosed, 0},
		{"closed, guarded", []spd.Group{down(noRules(blue), "10.0.0.0/8")}, inside, spd.FailClosed, 0},
		{"closed, not guarded", []spd.Group{down(noRules(blue), "10.0.0.0/8")}, outside, spd.Clear, -1},
		{"closed, last rules permit", []spd.Group{down(blue)}, inside, spd.FailClosed, 0},
		{"closed, last rules deny", []spd.Group{down(blue, "0.0.0.0/0")}, flow(6, "10.1.0.1", "10.2.0.1", 99, 22), spd.Clear, 0},
		{"closed, last rules say nothing", []spd.Group{down(blue)}, outside, spd.Clear, -1},
		{"closed, GDOI", []spd.Group{down(noRules(blue))}, flow(17, "10.1.0.1", "10.2.0.1", 848, 848), spd.Clear, -1},
		{"closed, somebody else's port 848", []spd.Group{down(noRules(blue))}, flow(17, "10.1.0.1", "10.2.0.1", 5000, 848), spd.FailClosed, 0},
		{"closed, GDOI over IPv6", []spd.Group{down(noRules(blue))}, flow(17, "2001:db8::1", "2001:db8::2", 848, 848), spd.Clear, -1},
		{"closed, OSPFv3", []spd.Group{down(noRules(blue))}, flow(89, "2001:db8::1", "2001:db8::2"), spd.Clear, -1},
		{"closed, BGP over IPv6", []spd.Group{down(noRules(blue))}, flow(6, "2001:db8::1", "2001:db8::2", 5000, 179), spd.Clear, -1},
		{"closed, ping over IPv6", []spd.Group{down(noRules(blue))}, flow(58, "2001:db8::1", "2001:db8::2"), spd.FailClosed, 0},
		{"closed, OSPF", []spd.Group{down(noRules(blue))}, flow(89, "10.1.0.1", "224.0.0.5"), spd.Clear, -1},
		{"closed, a later fragment is not GDOI", []spd.Group{down(noRules(blue))}, flow(17, "10.1.0.1", "10.2.0.1"), spd.FailClosed, 0},
		{"closed, local exception", []spd.Group{local(down(blue), rule(spd.Deny, 0, "0.0.0.0/0", "0.0.0.0/0"))}, inside, spd.Clear, 0},
		{"open", []spd.Group{open(down(blue, "10.0.0.0/8"))}, inside, spd.Clear, -1},
		{"open, but the second protects", []spd.Group{open(down(red)), blue}, inside, spd.Protect, 1},
	} {
		v := table(t, row.groups...).Lookup(&row.f)
		if v.Outcome != row.want || v.Group != row.group {
			t.Errorf("%s: %+v, want %v of group %d", row.name, v, row.want, row.group)
		}
		var cache spd.Cache
		x := table(t, row.groups...)
		if first, second := cache.Lookup(x, &row.f), cache.Lookup(x, &row.f); first != v || second != v {
			t.Errorf("%s: the cache says %+v, then %+v", row.name, first, second)
		}
	}
}

func TestPermitsEitherDirection(t *testing.T) {
	g := spd.Group{Name: "blue", Registered: true, Rules: []spd.Rule{
		withPorts(rule(spd.Permit, 17, "10.1.0.0/16", "10.2.0.0/16"), spd.AnyPort, spd.Ports{53, 53}),
	}, Local: []spd.Rule{rule(spd.Deny, 0, "0.0.0.0/0", "0.0.0.0/0")}}
	x := table(t, g)
	var cache spd.Cache
	for _, row := range []struct {
		name string
		f    packet.Flow
		want bool
	}{
		{"there", flow(17, "10.1.0.1", "10.2.0.1", 999, 53), true},
		{"and back", flow(17, "10.2.0.1", "10.1.0.1", 53, 999), true},
		{"other port", flow(17, "10.1.0.1", "10.2.0.1", 53, 999), false},
		{"other place", flow(17, "10.3.0.1", "10.2.0.1", 999, 53), false},
	} {
		for range 2 {
			if got := cache.Permits(x, 0, &row.f); got != row.want {
				t.Errorf("%s: %v", row.name, got)
			}
		}
	}
}

func TestCacheFollowsTheTable(t *testing.T) {
	f := flow(17, "10.1.0.1", "10.2.0.1", 1, 2)
	g := spd.Group{Name: "blue", Registered: true, Rules: []spd.Rule{ten}}
	closed := g
	closed.Registered = false
	var cache spd.Cache
	if cache.Lookup(table(t, g), &f).Outcome != spd.Protect || cache.Lookup(table(t, closed), &f).Outcome != spd.FailClosed {
		t.Fatal("the cache outlives its table")
	}
}

func TestHitsSurviveWhatDidNotChange(t *testing.T) {
	blue := spd.Group{Name: "blue", Registered: true, Rules: []spd.Rule{rule(spd.Deny, 1, "0.0.0.0/0", "0.0.0.0/0"), ten}}
	red := spd.Group{Name: "red", Registered: true, Rules: []spd.Rule{ten}}
	x := table(t, blue, red)
	var cache spd.Cache
	f, ping := flow(17, "10.1.0.1", "10.2.0.1", 1, 2), flow(1, "192.0.2.1", "192.0.2.2")
	for range 3 {
		cache.Lookup(x, &f)
	}
	cache.Lookup(x, &ping)
	red.Rules = append(red.Rules, ten)
	x, err := spd.New([]spd.Group{blue, red}, x)
	if err != nil {
		t.Fatal(err)
	}
	cache.Lookup(x, &f)
	if _, hits := x.Hits(0); !slices.Equal(hits, []uint64{1, 4}) {
		t.Fatal(hits)
	}
	if _, hits := x.Hits(1); !slices.Equal(hits, []uint64{0, 0}) {
		t.Fatal(hits)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, row := range []struct {
		name string
		g    spd.Group
	}{
		{"local permit", spd.Group{Local: []spd.Rule{ten}}},
		{"no source", spd.Group{Rules: []spd.Rule{{Dst: anywhere, SrcPorts: spd.AnyPort, DstPorts: spd.AnyPort}}}},
		{"families mixed", spd.Group{Rules: []spd.Rule{rule(spd.Permit, 0, "10.0.0.0/8", "2001:db8::/32")}}},
		{"ports of ICMP", spd.Group{Rules: []spd.Rule{withPorts(rule(spd.Permit, 1, "10.0.0.0/8", "10.0.0.0/8"), spd.Ports{1, 2}, spd.AnyPort)}}},
		{"ports backwards", spd.Group{Rules: []spd.Rule{withPorts(rule(spd.Permit, 6, "10.0.0.0/8", "10.0.0.0/8"), spd.Ports{2, 1}, spd.AnyPort)}}},
		{"protect nothing valid", spd.Group{Protect: []netip.Prefix{{}}}},
	} {
		if _, err := spd.New([]spd.Group{row.g}, nil); !errors.Is(err, spd.ErrRule) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

// linear is the definition of a lookup.
func linear(rules []spd.Rule, f *packet.Flow, src, dst netip.Addr) int {
	for i, r := range rules {
		hidden := f.Ports == packet.ProtoUnknown
		if r.Proto != 0 && r.Proto != f.Proto && !hidden || !r.Src.Contains(src) || !r.Dst.Contains(dst) {
			continue
		}
		if hidden {
			if r.Proto == 0 || r.Action == spd.Permit {
				return i
			}
			continue
		}
		any := r.SrcPorts == spd.AnyPort && r.DstPorts == spd.AnyPort
		in := func(p spd.Ports, v uint16) bool { return p.Lo <= v && v <= p.Hi }
		if any || f.Ports == packet.PortsUnknown && r.Action == spd.Permit ||
			f.Ports == packet.PortsKnown && in(r.SrcPorts, f.SrcPort) && in(r.DstPorts, f.DstPort) {
			return i
		}
	}
	return -1
}

// edges draws addresses around the ends of the networks that the test has rules for.
func edges(t *rapid.T, v6 bool, name string) netip.Addr {
	edge := rapid.SampledFrom([]byte{0, 1, 2, 127, 128, 254, 255})
	if !v6 {
		return netip.AddrFrom4([4]byte{rapid.SampledFrom([]byte{0, 10, 255}).Draw(t, name), edge.Draw(t, "b"), 0, edge.Draw(t, "d")})
	}
	var a [16]byte
	fill := rapid.SampledFrom([]byte{0, 255}).Draw(t, "fill")
	for i := range a {
		a[i] = fill
	}
	a[0] = rapid.SampledFrom([]byte{0, 0x20, 255}).Draw(t, name)
	for _, i := range []int{1, 7, 8, 15} { // both sides of where the two halves meet
		a[i] = edge.Draw(t, "octet")
	}
	return netip.AddrFrom16(a)
}

func TestIndexIsTheScan(t *testing.T) {
	port := rapid.SampledFrom([]uint16{0, 1, 22, 79, 80, 81, 65534, 65535})
	protos := []uint8{0, 1, 6, 17, 58, 60, 255}
	rapid.Check(t, func(t *rapid.T) {
		var rules []spd.Rule
		for range rapid.IntRange(0, 90).Draw(t, "rules") {
			v6 := rapid.Bool().Draw(t, "v6")
			prefix := func() netip.Prefix {
				bits := []int{0, 1, 8, 9, 16, 31, 32}
				if v6 {
					bits = []int{0, 1, 8, 16, 63, 64, 65, 127, 128}
				}
				return netip.PrefixFrom(edges(t, v6, "net"), rapid.SampledFrom(bits).Draw(t, "bits")).Masked()
			}
			r := spd.Rule{Action: spd.Action(rapid.IntRange(0, 1).Draw(t, "action")), Src: prefix(), Dst: prefix(), SrcPorts: spd.AnyPort, DstPorts: spd.AnyPort}
			if r.Src.Addr().Is4In6() || r.Dst.Addr().Is4In6() {
				continue
			}
			r.Proto = rapid.SampledFrom(protos).Draw(t, "proto")
			if packet.HasPorts(r.Proto) && rapid.Bool().Draw(t, "ports") {
				a, b := port.Draw(t, "lo"), port.Draw(t, "hi")
				r.DstPorts = spd.Ports{Lo: min(a, b), Hi: max(a, b)}
			}
			rules = append(rules, r)
		}
		x, err := spd.New([]spd.Group{{Name: "g", Rules: rules, Registered: true}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			v6 := rapid.Bool().Draw(t, "v6")
			src, dst := edges(t, v6, "src"), edges(t, v6, "dst")
			if src.Is4In6() || dst.Is4In6() {
				continue
			}
			f := packet.Flow{Src: packet.FromNetip(src), Dst: packet.FromNetip(dst), Proto: rapid.SampledFrom(protos).Draw(t, "proto"), V6: v6}
			switch {
			case f.Proto == 60 && v6:
				f.Ports = packet.ProtoUnknown
			case packet.HasPorts(f.Proto):
				f.Ports = packet.PortsUnknown
				if rapid.Bool().Draw(t, "known") {
					f.Ports, f.SrcPort, f.DstPort = packet.PortsKnown, port.Draw(t, "sport"), port.Draw(t, "dport")
				}
			}
			i := linear(rules, &f, src, dst)
			before := slices.Clone(hits(x))
			v := x.Lookup(&f)
			x.Count(v)
			for j, n := range hits(x) {
				if (n != before[j]) != (j == i) {
					t.Fatalf("%+v: rule %d counted, want %d", f, j, i)
				}
			}
			if (v.Outcome == spd.Protect) != (i >= 0 && rules[i].Action == spd.Permit) {
				t.Fatalf("%+v: %+v, want rule %d", f, v, i)
			}
		}
	})
}

func hits(x *spd.Table) []uint64 { _, h := x.Hits(0); return h }

// manyRules are n rules of which only the last matches the flow.
func manyRules(n int) []spd.Rule {
	var rules []spd.Rule
	for i := range n - 1 {
		rules = append(rules, rule(spd.Deny, 0, fmt.Sprintf("172.16.%d.0/24", i%256), fmt.Sprintf("10.%d.%d.0/24", i/256, i%256)))
	}
	return append(rules, ten)
}

// manyRules6 are the same for IPv6.
func manyRules6(n int) []spd.Rule {
	var rules []spd.Rule
	for i := range n - 1 {
		rules = append(rules, rule(spd.Deny, 0, fmt.Sprintf("2001:db9:%x::/48", i), fmt.Sprintf("2001:db8:%x:%x::/64", i/256, i%256)))
	}
	return append(rules, rule(spd.Permit, 0, "2001:db8::/32", "2001:db8::/32"))
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		for _, v := range []struct {
			name  string
			rules []spd.Rule
			f     packet.Flow
		}{
			{"", manyRules(n), flow(17, "10.1.0.1", "10.2.0.1", 1000, 2000)},
			{"6", manyRules6(n), flow(17, "2001:db8:1::1", "2001:db8:2::1", 1000, 2000)},
		} {
			x := table(b, spd.Group{Name: "g", Rules: v.rules, Registered: true})
			b.Run(fmt.Sprintf("cached%s/%d", v.name, n), func(b *testing.B) {
				var cache spd.Cache
				b.ReportAllocs()
				for b.Loop() {
					if cache.Lookup(x, &v.f).Outcome != spd.Protect {
						b.Fatal("not protected")
					}
				}
			})
			b.Run(fmt.Sprintf("new-flow%s/%d", v.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if x.Lookup(&v.f).Outcome != spd.Protect {
						b.Fatal("not protected")
					}
				}
			})
		}
	}
}

// TestLongLists: of lists so long that a bit of a summary stands for several words, the index finds what a scan finds.
func TestLongLists(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{8, 64, 65, 1000, 4097, 9000} {
		var rules []spd.Rule
		for range n {
			r := rule(spd.Action(rng.IntN(2)), 0, fmt.Sprintf("10.%d.%d.0/24", rng.IntN(8), rng.IntN(256)), fmt.Sprintf("10.%d.0.0/%d", rng.IntN(8), 13+rng.IntN(4)))
			if rng.IntN(3) == 0 {
				r.Proto, r.DstPorts = 17, spd.Ports{Lo: uint16(rng.IntN(100)), Hi: uint16(100 + rng.IntN(65436))}
			}
			rules = append(rules, r)
		}
		x := table(t, spd.Group{Name: "g", Rules: rules, Registered: true})
		for range 2000 {
			from, to := fmt.Sprintf("10.%d.%d.9", rng.IntN(8), rng.IntN(256)), fmt.Sprintf("10.%d.7.7", rng.IntN(9))
			src, dst := netip.MustParseAddr(from), netip.MustParseAddr(to)
			f := flow(17, from, to, 1000, uint16(rng.IntN(1<<16)))
			want := slices.IndexFunc(rules, func(r spd.Rule) bool {
				return r.Src.Contains(src) && r.Dst.Contains(dst) && (r.Proto == 0 || r.Proto == 17 && r.DstPorts.Lo <= f.DstPort && f.DstPort <= r.DstPorts.Hi)
			})
			before := hits(x)
			x.Count(x.Lookup(&f))
			for i, h := range hits(x) {
				if (h != before[i]) != (i == want) {
					t.Fatalf("%d rules: rule %d counted, want %d: %+v", n, i, want, f)
				}
			}
		}
	}
}
