package netcfg

import (
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dualLab is the lab with IPv6 beside IPv4:
//
//	h1 2001:db8:1::2 ─ ::1 gm1 2001:db8:f1::1 ─ ::2 p1 2001:db8:f2::2 ─ ::1 gm2 2001:db8:2::1 ─ ::2 h2
func dualLab(t testing.TB) *lab {
	l := newLab(t)
	for _, n := range []string{"h1", "gm1", "p1", "gm2", "h2"} {
		// Without duplicate address detection, which would keep neighbours waiting for a second.
		script := `for f in accept_dad disable_ipv6; do for i in /proc/sys/net/ipv6/conf/*; do echo 0 >$i/$f; done; done`
		l.in(n, "sh", "-c", script)
	}
	for _, a := range [][3]string{
		{"h1", "eth0", "2001:db8:1::2"}, {"gm1", "lan0", "2001:db8:1::1"}, {"gm1", "wan0", "2001:db8:f1::1"}, {"p1", "p10", "2001:db8:f1::2"},
		{"p1", "p11", "2001:db8:f2::2"}, {"gm2", "wan0", "2001:db8:f2::1"}, {"gm2", "lan0", "2001:db8:2::1"}, {"h2", "eth0", "2001:db8:2::2"},
	} {
		l.in(a[0], "ip", "addr", "add", a[2]+"/64", "dev", a[1], "nodad")
	}
	for _, r := range [][3]string{
		{"h1", "default", "2001:db8:1::1"}, {"h2", "default", "2001:db8:2::1"}, {"gm1", "default", "2001:db8:f1::2"}, {"gm2", "default", "2001:db8:f2::2"},
		{"p1", "2001:db8:1::/64", "2001:db8:f1::1"}, {"p1", "2001:db8:2::/64", "2001:db8:f2::1"},
	} {
		l.in(r[0], "ip", "-6", "route", "add", r[1], "via", r[2])
	}
	l.in("p1", "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
	return l
}

// dualRules protect both versions; UDP port 7777 is in clear.
var dualRules = append([]string{
	"deny udp any6 any6 eq 7777", "deny udp any6 eq 7777 any6", "permit ipv6 2001:db8::/32 2001:db8::/32",
}, groupRules...)

func dualMember(name, gateway string, sid uint32) memberArg {
	return memberArg{Name: name, Gateway: gateway, SID: sid, Rules: dualRules, Registered: true, Protect6: true}
}

// kernel6 is what of a node's IPv6 a member could leave behind.
func (l *lab) kernel6(node string) string {
	l.t.Helper()
	var b strings.Builder
	for _, c := range []string{"ip -6 rule", "ip -6 -o route show table 848", "ip -6 -o route show table 849", "ip -br link", "nft list ruleset",
		"sysctl net.ipv6.conf.all.forwarding net.ipv6.conf.wan0.accept_ra net.ipv6.conf.wan0.forwarding"} {
		out, err := l.try(node, strings.Fields(c)...)
		if err != nil && !strings.Contains(out, "table does not exist") {
			l.t.Fatalf("%s: %v\n%s", c, err, out)
		}
		if err == nil && out != "" {
			b.WriteString("# " + c + "\n" + out)
		}
	}
	return b.String()
}

// TestGuardIPv6: with nobody at the data path, nothing that the group protects leaves or enters, and neighbours are still found.
func TestGuardIPv6(t *testing.T) {
	l := dualLab(t)
	before := l.kernel6("gm1")
	l.run("h2", "echo", "[2001:db8:2::2]:7 [2001:db8:2::2]:7777 10.2.2.2:7")
	l.run("p1", "echo", "[2001:db8:f1::2]:848")
	l.in("gm2", "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", "net.ipv4.ip_forward=1") // a router without getvpn
	leaks := func(what string, denied int) {
		t.Helper()
		seen := l.captured(func() {
			for _, dst := range []string{"[2001:db8:2::2]:7", "10.2.2.2:7"} {
				if r := l.probe("h1", probeArg{Dst: dst, Count: 2, Wait: 50}); r.Received != 0 {
					t.Errorf("%s, %s: %+v", what, dst, r)
				}
				if r := l.probe("gm1", probeArg{Dst: dst, Count: 2, Wait: 50}); r.Received != 0 {
					t.Errorf("%s, own, %s: %+v", what, dst, r)
				}
			}
			if r := l.probe("h1", probeArg{Dst: "[2001:db8:2::2]:7777", Count: 2, Wait: 200}); r.Received != denied {
				t.Errorf("%s, denied traffic: %+v", what, r)
			}
			l.ping("h1", pingArg{Dst: "2001:db8:2::2", Size: 100, Count: 1, Wait: 50})
		})
		for k := range seen {
			if strings.HasSuffix(k, " 17/7777") || strings.HasPrefix(k, "2001:db8:2::2>2001:db8:1::2 17") && denied > 0 {
				continue
			}
			t.Errorf("%s: leaked %s", what, k)
		}
	}
	gm1 := l.run("gm1", "member", memberArg{Name: "gm1", Gateway: "10.1.1.1", Protect6: true})
	leaks("not registered", 0)
	// Neighbour discovery is not guarded: forget what was learned.
	l.in("gm1", "ip", "-6", "neigh", "flush", "dev", "wan0")
	if r := l.probe("gm1", probeArg{Dst: "[2001:db8:f1::2]:848"}); r.Received != 5 {
		t.Errorf("not registered, GDOI: %+v", r)
	}
	_ = gm1.signal(syscall.SIGKILL)
	leaks("killed before it was registered", 0)

	gm1 = l.run("gm1", "member", dualMember("gm1", "10.1.1.1", 1))
	if v := strings.TrimSpace(l.in("gm1", "sysctl", "-n", "net.ipv6.conf.wan0.accept_ra")); v != "2" {
		t.Errorf("accept_ra is %s: a router must be told to go on listening", v)
	}
	if v := strings.TrimSpace(l.in("gm1", "sysctl", "-n", "net.ipv6.conf.gv0.mtu")); v != "1426" {
		t.Errorf("IPv6 MTU of the TUN: %s", v)
	}
	if out := l.in("gm1", "ip", "-6", "addr", "show", "dev", "gv0"); out != "" {
		t.Errorf("the kernel gave the TUN an address: %s", out)
	}
	_ = gm1.signal(syscall.SIGKILL)
	leaks("killed", 2)
	// Inwards: the peer speaks in clear, to a host and to the member.
	for _, dst := range []string{"[2001:db8:1::2]:7", "[2001:db8:1::1]:7"} {
		seen := l.run("h1", "capture", "eth0")
		if r := l.probe("p1", probeArg{Dst: dst, Count: 2, Wait: 50}); r.Received != 0 {
			t.Errorf("clear from outside: %+v", r)
		}
		_ = seen.in.Close()
		var counts map[string]int
		if seen.decode(&counts); len(counts) != 0 {
			t.Errorf("a clear packet of the protected range came in: %v", counts)
		}
	}
	gm1 = l.run("gm1", "member", dualMember("gm1", "10.1.1.1", 2))
	if err := gm1.signal(syscall.SIGTERM); err != nil {
		t.Errorf("orderly stop: %v", err)
	}
	// The killed predecessors could not put back what they changed in /proc/sys.
	after := strings.NewReplacer("all.forwarding = 1", "all.forwarding = 0", "wan0.forwarding = 1", "wan0.forwarding = 0", "accept_ra = 2", "accept_ra = 1").Replace(l.kernel6("gm1"))
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
}

// TestIPv4MemberLeavesIPv6Alone: what a policy does not name is not touched.
func TestIPv4MemberLeavesIPv6Alone(t *testing.T) {
	l := dualLab(t)
	before := l.kernel6("gm1")
	gm1 := l.run("gm1", "member", memberOf("gm1", "10.1.1.1", 1))
	after := l.kernel6("gm1")
	for _, c := range []string{"# ip -6 rule", "# sysctl"} {
		cut := func(s string) string {
			_, s, _ = strings.Cut(s, c)
			s, _, _ = strings.Cut(s, "\n#")
			return s
		}
		if cut(before) != cut(after) {
			t.Errorf("%s: %s, was %s", c, cut(after), cut(before))
		}
	}
	// Then the group comes to protect IPv6, too, when the TUN is too narrow for it.
	l.in("gm1", "ip", "link", "set", "wan0", "mtu", "1300")
	eventually(t, "the TUN follows", func() bool { return gm1.state().Net.TUNMTU == 1246 })
	gm1.change(policyArg{Rules: dualRules})
	rules := l.in("gm1", "ip", "-6", "rule")
	if !strings.Contains(rules, "8484") || !strings.Contains(l.in("gm1", "ip", "-6", "route", "show", "table", "848"), "2001:db8::/32 dev gv0") ||
		!strings.Contains(l.in("gm1", "sysctl", "net.ipv6.conf.all.forwarding"), "= 1") {
		t.Errorf("IPv6 is not set up: %s", rules)
	}
	if out := l.in("gm1", "sysctl", "-n", "net.ipv6.conf.gv0.mtu", "net.ipv6.conf.gv0.addr_gen_mode", "net.ipv6.conf.gv0.disable_ipv6"); out != "1280\n1\n0\n" {
		t.Errorf("IPv6 on the TUN: %q", out)
	}
	l.in("gm1", "ip", "link", "set", "wan0", "mtu", "1500")
	eventually(t, "the TUN follows again, and IPv6 on it", func() bool {
		return gm1.state().Net.TUNMTU == 1446 && l.in("gm1", "sysctl", "-n", "net.ipv6.conf.gv0.mtu") == "1426\n"
	})
	if err := gm1.signal(syscall.SIGTERM); err != nil {
		t.Errorf("orderly stop: %v", err)
	}
	if diff := cmp.Diff(before, l.kernel6("gm1")); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
}
