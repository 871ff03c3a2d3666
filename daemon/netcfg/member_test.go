package netcfg

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// groupRules: UDP port 7777 is in clear, everything else inside 10/8 is protected.
var groupRules = []string{
	"deny udp any eq 848 any", "deny udp any any eq 848",
	"deny udp any any eq 7777", "deny udp any eq 7777 any",
	"permit ip 10.0.0.0/8 10.0.0.0/8",
}

func memberOf(name, gateway string, sid uint32) memberArg {
	return memberArg{Name: name, Gateway: gateway, SID: sid, Rules: groupRules, Registered: true}
}

// kernel is everything of a node that a member could leave behind.
func (l *lab) kernel(node string) string {
	l.t.Helper()
	var b strings.Builder
	for _, c := range []string{"ip rule", "ip -6 rule", "ip route show table all", "ip -br link", "nft list ruleset",
		"sysctl net.ipv4.ip_forward net.ipv4.conf.wan0.rp_filter"} {
		b.WriteString("# " + c + "\n" + l.in(node, strings.Fields(c)...))
	}
	return b.String()
}

// onlyESP fails when the core saw anything but ESP, in the pairs wanted, both ways.
func onlyESP(t *testing.T, seen map[string]int, pairs ...string) {
	t.Helper()
	want := map[string]bool{}
	for _, p := range pairs {
		a, b, _ := strings.Cut(p, "-")
		want[a+">"+b+" 50"], want[b+">"+a+" 50"] = true, true
	}
	for k := range want {
		if seen[k] == 0 {
			t.Errorf("the core saw no %s: %v", k, seen)
		}
	}
	for k := range seen {
		if !want[k] {
			t.Errorf("the core saw %s: %v", k, seen)
		}
	}
}

func TestTwoMembers(t *testing.T) {
	l := newLab(t)
	before := l.kernel("gm1")
	l.run("h2", "echo", "10.2.2.2:7 10.2.2.2:7777")
	l.run("h1", "echo", "10.1.1.2:7")
	l.run("gm2", "echo", "10.0.2.1:7 10.2.2.1:7")
	l.run("p1", "echo", "10.0.1.2:848")

	// A member that never registered: nothing passes but GDOI.
	gm1 := l.run("gm1", "member", memberArg{Name: "gm1", Gateway: "10.1.1.1"})
	gm2 := l.run("gm2", "member", memberOf("gm2", "10.2.2.1", 2))
	seen := l.captured(func() {
		for _, dst := range []string{"10.2.2.2:7", "10.2.2.2:7777"} {
			if r := l.probe("h1", probeArg{Dst: dst, Count: 2, Wait: 100}); r.Received != 0 {
				t.Errorf("unregistered, %s: %+v", dst, r)
			}
		}
		if r := l.probe("gm1", probeArg{Dst: "10.2.2.2:7", Count: 2, Wait: 100}); r.Received != 0 {
			t.Errorf("unregistered, own: %+v", r)
		}
	})
	if len(seen) != 0 {
		t.Errorf("an unregistered member leaked %v", seen)
	}
	if r := l.probe("gm1", probeArg{Dst: "10.0.1.2:848"}); r.Received != 5 {
		t.Errorf("unregistered, GDOI: %+v", r)
	}
	// SIGKILL, and straight on with a successor.
	_ = gm1.signal(syscall.SIGKILL)
	gm1 = l.run("gm1", "member", memberOf("gm1", "10.1.1.1", 1))

	t.Run("protected", func(t *testing.T) {
		onlyESP(t, l.captured(func() {
			if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7", Count: 50}); r.Received != 50 {
				t.Errorf("%+v", r)
			}
			if r := l.probe("h2", probeArg{Dst: "10.1.1.2:7"}); r.Received != 5 {
				t.Errorf("%+v", r)
			}
		}), "10.1.1.2-10.2.2.2")
	})
	t.Run("own traffic", func(t *testing.T) {
		onlyESP(t, l.captured(func() {
			if r := l.probe("gm1", probeArg{Dst: "10.2.2.2:7"}); r.Received != 5 || r.Source != "10.1.1.1" {
				t.Errorf("source not said: %+v", r)
			}
			if r := l.probe("gm1", probeArg{Src: "10.0.1.1:0", Dst: "10.2.2.2:7"}); r.Received != 5 {
				t.Errorf("from the WAN address: %+v", r)
			}
			if r := l.probe("gm1", probeArg{Src: "10.0.1.1:0", Dst: "10.0.2.1:7"}); r.Received != 5 {
				t.Errorf("WAN to WAN address: %+v", r)
			}
			if r := l.probe("h1", probeArg{Dst: "10.2.2.1:7"}); r.Received != 5 {
				t.Errorf("host to the other member: %+v", r)
			}
		}), "10.1.1.1-10.2.2.2", "10.0.1.1-10.2.2.2", "10.0.1.1-10.0.2.1", "10.1.1.2-10.2.2.1")
	})
	t.Run("denied", func(t *testing.T) {
		seen := l.captured(func() {
			if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7777"}); r.Received != 5 {
				t.Errorf("%+v", r)
			}
			if r := l.probe("gm1", probeArg{Dst: "10.2.2.2:7777"}); r.Received != 5 {
				t.Errorf("own: %+v", r)
			}
		})
		if seen["10.1.1.2>10.2.2.2 17/7777"] != 5*2-5 {
			t.Errorf("not in clear, or not five: %v", seen)
		}
		for k := range seen {
			if strings.HasSuffix(k, " 50") {
				t.Errorf("protected: %s", k)
			}
		}
	})
	t.Run("clear from outside", func(t *testing.T) {
		if r := l.probe("p1", probeArg{Src: "10.0.1.2:0", Dst: "10.2.2.2:7", Count: 2, Wait: 100}); r.Received != 0 {
			t.Errorf("a clear packet of the protected range came in: %+v", r)
		}
		if r := l.probe("p1", probeArg{Src: "10.0.2.2:0", Dst: "10.2.2.1:7", Count: 2, Wait: 100}); r.Received != 0 {
			t.Errorf("a clear packet to the member came in: %+v", r)
		}
		if r := l.probe("p1", probeArg{Src: "10.0.2.2:0", Dst: "10.2.2.2:7777"}); r.Received != 5 {
			t.Errorf("denied traffic: %+v", r)
		}
		if s := gm2.state(); s.Net.GuardDrops < 3 {
			t.Errorf("drops are not counted: %+v", s.Net)
		}
	})
	t.Run("opened but not for the LAN", func(t *testing.T) {
		seen := l.captured(func() { l.probe("h2", probeArg{Dst: "10.1.9.9:7", Count: 2, Wait: 50}) })
		if len(seen) != 1 || seen["10.2.2.2>10.1.9.9 50"] != 2 {
			t.Errorf("a decrypted packet went back to the WAN: %v", seen)
		}
	})
	t.Run("MTU", func(t *testing.T) {
		if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7", Size: 1500, DF: true, Count: 2, Wait: 200}); r.Received != 0 || r.MTU != 1446 {
			t.Errorf("1500 with DF: %+v", r)
		}
		if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7", Size: 1446, DF: true}); r.Received != 5 {
			t.Errorf("1446 with DF: %+v", r)
		}
		onlyESP(t, l.captured(func() {
			if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7", Size: 4000}); r.Received != 5 {
				t.Errorf("4000 without DF: %+v", r)
			}
		}), "10.1.1.2-10.2.2.2")
		l.in("p1", "ip", "link", "set", "p10", "mtu", "1400")
		l.in("gm1", "ip", "link", "set", "wan0", "mtu", "1400")
		eventually(t, "the TUN follows the WAN's MTU", func() bool { return gm1.state().Net.TUNMTU == 1346 })
		if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7", Size: 1446}); r.Received != 5 {
			t.Errorf("after the WAN shrank: %+v", r)
		}
		l.in("gm1", "ip", "link", "set", "wan0", "mtu", "1500")
		l.in("p1", "ip", "link", "set", "p10", "mtu", "1500")
	})
	t.Run("main table changes", func(t *testing.T) {
		l.in("gm1", "ip", "route", "add", "10.1.7.0/24", "via", "10.1.1.2")
		if out := l.in("gm1", "ip", "route", "show", "10.1.7.0/24"); !strings.Contains(out, "dev lan0") {
			t.Errorf("the kernel resolved the gateway of a new route to %s", out)
		}
		has := func() bool { return strings.Contains(strings.Join(gm1.state().Net.Routes, "\n"), "10.1.7.0/24 throw") }
		eventually(t, "a new LAN route is thrown", has)
		l.in("gm1", "ip", "route", "del", "10.1.7.0/24")
		eventually(t, "and forgotten", func() bool { return !has() })
	})
	t.Run("somebody clears up", func(t *testing.T) {
		l.in("gm1", "nft", "flush", "ruleset")
		l.in("gm1", "ip", "rule", "del", "pref", "8484")
		l.in("gm1", "ip", "link", "set", "gv0", "down")
		eventually(t, "everything is back", func() bool {
			s := gm1.state().Net
			return s.Guard != "" && strings.Contains(strings.Join(s.Rules, "\n"), "8484") && strings.Contains(strings.Join(s.Routes, "\n"), "dev gv0")
		})
		if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7"}); r.Received != 5 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("SIGKILL under traffic", func(t *testing.T) {
		onlyESP(t, l.captured(func() {
			traffic := l.run("h1", "probe", probeArg{Dst: "10.2.2.2:7", Count: 100, Wait: 10, Gap: 8})
			back := l.run("h2", "probe", probeArg{Dst: "10.1.1.2:7", Count: 100, Wait: 10, Gap: 8})
			time.Sleep(300 * time.Millisecond) // traffic flows
			_ = gm1.signal(syscall.SIGKILL)
			if r := l.probe("gm1", probeArg{Dst: "10.2.2.2:7", Count: 5, Wait: 20}); r.Received != 0 {
				t.Errorf("own traffic with the daemon dead: %+v", r)
			}
			for _, p := range []*proc{traffic, back} {
				var r probeResult
				if p.decode(&r); r.Received == 0 || r.Received == 100 {
					t.Errorf("the kill did not fall into the traffic: %+v", r)
				}
			}
		}), "10.1.1.2-10.2.2.2")
		if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7777"}); r.Received != 5 {
			t.Errorf("denied traffic with the daemon dead: %+v", r)
		}
	})
	gm1 = l.run("gm1", "member", memberOf("gm1", "10.1.1.1", 3))
	if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7"}); r.Received != 5 {
		t.Errorf("after the restart: %+v", r)
	}
	if err := gm1.signal(syscall.SIGTERM); err != nil {
		t.Errorf("orderly stop: %v", err)
	}
	// The killed predecessors could not put back what they changed in /proc/sys.
	after := strings.ReplaceAll(l.kernel("gm1"), "net.ipv4.ip_forward = 1", "net.ipv4.ip_forward = 0")
	after = strings.ReplaceAll(after, "net.ipv4.conf.wan0.rp_filter = 2", "net.ipv4.conf.wan0.rp_filter = 0")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
	unkilled := l.kernel("gm2")
	if err := gm2.signal(syscall.SIGTERM); err != nil {
		t.Errorf("orderly stop: %v", err)
	}
	if after := l.kernel("gm2"); after == unkilled || !strings.Contains(after, "ip_forward = 0") || !strings.Contains(after, "rp_filter = 0") {
		t.Errorf("sysctls not put back:\n%s", after)
	}
}

func TestFailOpen(t *testing.T) {
	l := newLab(t)
	l.run("h2", "echo", "10.2.2.2:7")
	gm2 := l.run("gm2", "member", memberArg{Name: "gm2", Gateway: "10.2.2.1", FailOpen: true})
	l.run("gm1", "member", memberArg{Name: "gm1", Gateway: "10.1.1.1", FailOpen: true})
	if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7"}); r.Received != 5 {
		t.Errorf("not registered, fail open: %+v", r)
	}
	if s := gm2.state(); s.Net.Guard != "inet getvpn_gm2" || len(s.Net.Sysctls) == 0 {
		t.Errorf("%+v", s.Net)
	}
	if rules := l.in("gm2", "nft", "list", "ruleset"); strings.Contains(rules, "hook output") || !strings.Contains(rules, "hook forward") {
		t.Errorf("the guard of a fail-open member:\n%s", rules)
	}
	_ = gm2.signal(syscall.SIGKILL)
	if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7"}); r.Received != 5 {
		t.Errorf("dead, fail open: %+v", r)
	}
	// A registered fail-open member protects, and does not need its peer to fail closed.
	open := memberOf("gm2", "10.2.2.1", 2)
	open.FailOpen = true
	gm2 = l.run("gm2", "member", open)
	seen := l.captured(func() { l.probe("h2", probeArg{Dst: "10.1.1.2:7", Count: 2, Wait: 50}) })
	if seen["10.2.2.2>10.1.1.2 50"] != 2 {
		t.Errorf("registered, fail open: %v", seen)
	}
	// It does not accept in clear what its group encrypts, as long as it lives.
	if r := l.probe("p1", probeArg{Src: "10.0.2.2:0", Dst: "10.2.2.2:7", Count: 3, Wait: 50}); r.Received != 0 {
		t.Errorf("clear from outside, registered, fail open: %+v", r)
	}
	if s := gm2.state(); s.Drops[countInward] != 3 || s.Drops[countOutward] != 0 {
		t.Errorf("drops: %v", s.Drops)
	}
	if r := l.probe("p1", probeArg{Src: "10.0.2.2:0", Dst: "10.2.2.2:7777", Count: 1, Wait: 50}); r.Received != 0 {
		t.Errorf("nobody listens there: %+v", r)
	}
	_ = gm2.signal(syscall.SIGKILL)
	eventually(t, "the kernel forgets the table of the dead", func() bool {
		return !strings.Contains(l.in("gm2", "nft", "list", "tables"), "_live")
	})
	if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7"}); r.Received != 5 {
		t.Errorf("dead again, fail open: %+v", r)
	}
}
