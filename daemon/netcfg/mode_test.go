package netcfg

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/getvpn/getvpn/gdoi/policy"
)

// TestModes takes two members through a migration and back, under traffic: nothing is lost, and in full mode what comes in
// clear is dropped and counted.
func TestModes(t *testing.T) {
	l := newLab(t)
	l.run("h2", "echo", "10.2.2.2:7")
	l.run("h1", "echo", "10.1.1.2:7")
	arg := func(name, gateway string, sid uint32) memberArg {
		a := memberOf(name, gateway, sid)
		a.Mode = "receive-only"
		return a
	}
	gm1 := l.run("gm1", "member", arg("gm1", "10.1.1.1", 1))
	gm2 := l.run("gm2", "member", arg("gm2", "10.2.2.1", 2))
	// stranger sends in clear from the core to h2; what it says is how many got in, by the answers that left gm2.
	stranger := func() (in int, inClear int) {
		seen := l.captured(func() { l.probe("p1", probeArg{Src: "10.0.2.2:0", Dst: "10.2.2.2:7", Count: 3, Wait: 50}) })
		for k, n := range seen {
			switch k {
			case "10.2.2.2>10.0.2.2 50":
				in += n
			default:
				in, inClear = in+n, inClear+n
			}
		}
		return in, inClear
	}
	expect := func(mode string, in, inClear, dropped int) {
		t.Helper()
		if a, b := stranger(); a != in || b != inClear {
			t.Errorf("%s: %d of 3 packets came in, %d were answered in clear; want %d, %d", mode, a, b, in, inClear)
		}
		if s := gm2.state(); s.Drops[countInward] != dropped || s.Drops[countOutward] != 0 {
			t.Errorf("%s: drops %v, want %d inbound", mode, s.Drops, dropped)
		}
	}
	expect("receive-only", 3, 3, 0)
	seen := l.captured(func() {
		there := l.run("h1", "probe", probeArg{Dst: "10.2.2.2:7", Count: 900, Wait: 1000, Gap: 1})
		back := l.run("h2", "probe", probeArg{Dst: "10.1.1.2:7", Count: 900, Wait: 1000, Gap: 1})
		for _, mode := range []string{"passive", "receive-only", "passive", "full", "passive", "receive-only", "passive", "full"} {
			// One after the other: between the two they are in different modes.
			for _, m := range []*proc{gm1, gm2} {
				m.change(policyArg{Rules: groupRules, Mode: mode})
			}
		}
		for _, p := range []*proc{there, back} {
			var r probeResult
			if p.decode(&r); r.Received != 900 {
				t.Errorf("lost while modes changed: %+v", r)
			}
		}
	})
	if seen["10.1.1.2>10.2.2.2 17/7"] == 0 || seen["10.1.1.2>10.2.2.2 50"] == 0 {
		t.Errorf("the core should see both, clear and encrypted: %v", seen)
	}
	expect("full", 0, 0, 3)
	gm2.change(policyArg{Rules: groupRules, Mode: "passive"})
	expect("passive", 3, 0, 3)
	// While the policy changes, what one of its lists lets pass is accepted; what leaves is by the list in force.
	before := append(slices.Clone(groupRules[:2]), "deny udp any any eq 7", "deny udp any eq 7 any", groupRules[4])
	gm2.change(policyArg{Rules: groupRules, Also: [][]string{before}, Mode: "full"})
	// It is answered in ESP, of which the stranger complains (ICMP, protocol unreachable), in clear: this is not counted.
	expect("full, another list lets it pass", 3, 0, 3)
	gm2.change(policyArg{Rules: groupRules, Also: [][]string{groupRules[4:]}, Mode: "full"})
	expect("full, no list lets it pass", 0, 0, 6)
	// Dead: full mode stays full, and the counters stay.
	_ = gm2.signal(syscall.SIGKILL)
	if in, _ := stranger(); in != 0 {
		t.Errorf("dead: %d came in", in)
	}
	gm2 = l.run("gm2", "member", memberOf("gm2", "10.2.2.1", 3))
	if s := gm2.state(); s.Drops[countInward] != 9 {
		t.Errorf("after the restart: %v", s.Drops)
	}
}

// TestTwoGroups: each group's guard is its own. What red protects stays held back while red has no policy, though blue has
// one; and what blue lets pass in clear is red's to protect.
func TestTwoGroups(t *testing.T) {
	l := newLab(t)
	l.in("p1", "ip", "addr", "add", "192.168.7.1/24", "dev", "p10")
	l.run("p1", "echo", "192.168.7.1:7 192.168.7.1:848")
	l.run("h2", "echo", "10.2.2.2:7 10.2.2.2:7777")
	for i, n := range [][2]string{{"gm1", "10.1.1.1"}, {"gm2", "10.2.2.1"}} {
		a := memberOf(n[0], n[1], uint32(i+1))
		a.Second = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")}
		m := l.run(n[0], "member", a)
		defer func() {
			if err := m.signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		}()
		probe := func(src, dst string, want int) {
			t.Helper()
			if r := l.probe(src, probeArg{Dst: dst, Count: 2, Wait: 100}); r.Received != want {
				t.Errorf("%s: %s to %s: %+v, want %d", n[0], src, dst, r, want)
			}
		}
		if n[0] == "gm2" {
			break
		}
		seen := l.captured(func() {
			probe("h1", "192.168.7.1:7", 0)
			probe("gm1", "192.168.7.1:7", 0)
		})
		if len(seen) != 0 {
			t.Errorf("red has no policy: %v", seen)
		}
		if s := m.state(); s.Drops[countOutward] != 0 {
			t.Errorf("what the engine should see met the guard: %v", s.Drops)
		}
		m.change(policyArg{Group: "red", Rules: []string{"permit udp any eq 7777 any", "permit udp any any eq 7777"}})
		probe("h1", "192.168.7.1:7", 2) // red has a policy, which lets it pass
		seen = l.captured(func() { probe("h1", "10.2.2.2:7777", 0) })
		if len(seen) != 1 || seen["10.1.1.2>10.2.2.2 50"] != 2 {
			t.Errorf("denied by blue, permitted by red: %v", seen)
		}
	}
	onlyESP(t, l.captured(func() {
		if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7"}); r.Received != 5 {
			t.Errorf("blue: %+v", r)
		}
	}), "10.1.1.2-10.2.2.2")
}

// manyRole puts long lists into the guard, and changes them.
func manyRole(arg string) error {
	count, err := strconv.Atoi(arg)
	if err != nil {
		return err
	}
	n, err := New(Config{Name: "many", WAN: "p10", TUN: "gv0", InnerMTU: func(wan int) int { return wan }})
	if err != nil {
		return err
	}
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, "permit tcp 10.%d.%d.0/24 range 10 90 172.16.0.0/12 range 1 5\n", i/256, i%256)
	}
	before, err := policy.ParseList(b.String())
	if err != nil {
		return err
	}
	g := Group{Name: "blue", Registered: true, Rules: before}
	if err := n.SetGroups([]Group{g}); err != nil {
		return err
	}
	g.Rules = append(slices.Clone(before), before[0])
	if changed, err := n.Prepare([]Group{g}); err != nil || !changed {
		return fmt.Errorf("prepare: %v, %w", changed, err)
	}
	if err := n.SetGroups([]Group{g}); err != nil {
		return err
	}
	fmt.Println("ready")
	return n.Down()
}

// TestManyRules: a transaction of thousands of rules, and the kernel's answers to each, fit into the socket's buffers.
func TestManyRules(t *testing.T) {
	l := newLab(t)
	if err := l.run("p1", "many", "2000").cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestChains(t *testing.T) {
	a, b, c := mustList(t, "permit tcp any any"), mustList(t, "permit udp any any"), mustList(t, "deny ip any any")
	lists := func(c chain) (out []string) {
		for _, list := range c {
			s := ""
			for _, v := range list {
				s += v.String() + ";"
			}
			out = append(out, s)
		}
		return out
	}
	const tcp, udp, none = "permit tcp any any;", "permit udp any any;", "deny ip any any;"
	g := func(l policy.List, change ...func(*Group)) Group {
		g := Group{Name: "blue", Registered: true, Rules: l}
		for _, f := range change {
			f(&g)
		}
		return g
	}
	also := func(g *Group) { g.Also = []policy.List{c} }
	acceptClear := func(g *Group) { g.AcceptClear = true }
	sendClear := func(g *Group) { g.AcceptClear, g.SendClear = true, true }
	after := func(o Group) func(*Group) { return func(g *Group) { g.before = &o } }
	for _, row := range []struct {
		name    string
		g       Group
		in, out []string
	}{
		{"plain", g(a), []string{tcp}, []string{tcp}},
		{"also another", g(a, also), []string{tcp, none}, []string{tcp}},
		{"passive", g(a, also, acceptClear), nil, []string{tcp}},
		{"receive-only", g(a, sendClear), nil, nil},
		{"coming after another", g(a, after(g(b))), []string{tcp, udp}, []string{tcp, udp}},
		{"coming after the same", g(a, also, after(g(a, also))), []string{tcp, none, tcp, none}, []string{tcp}},
		{"full after passive", g(a, after(g(b, acceptClear))), nil, []string{tcp, udp}},
		{"receive-only after full", g(a, sendClear, after(g(b))), nil, nil},
		{"passive after receive-only", g(a, acceptClear, after(g(a, sendClear))), nil, nil},
		{"two changes at once", g(a, after(g(b, after(g(c))))), []string{tcp, udp, none}, []string{tcp, udp, none}},
	} {
		if d := cmp.Diff(row.in, lists(row.g.inward())); d != "" {
			t.Errorf("%s, inward: %s", row.name, d)
		}
		if d := cmp.Diff(row.out, lists(row.g.outward())); d != "" {
			t.Errorf("%s, outward: %s", row.name, d)
		}
	}
	if got := len(destinations([]Group{g(a, after(g(mustList(t, "permit ip any 10.0.0.0/8"))))})); got != 2 {
		t.Errorf("%d destinations: those of both policies must lead into the TUN", got)
	}
}
