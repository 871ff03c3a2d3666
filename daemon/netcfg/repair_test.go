package netcfg

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRepairs: whatever somebody takes away from a member in the kernel is put back at once, and said; nothing leaves in
// clear meanwhile. A daemon that is killed leaves the sysctls to its successor, which puts them back when it stops.
func TestRepairs(t *testing.T) {
	l := newLab(t)
	before := l.kernel("gm1")
	l.run("h2", "echo", "10.2.2.2:7")
	l.run("gm2", "member", memberOf("gm2", "10.2.2.1", 2))
	arg := memberOf("gm1", "10.1.1.1", 1)
	arg.Saved = filepath.Join(t.TempDir(), "sysctls.json")
	gm1 := l.run("gm1", "member", arg)
	whole := func() string { // what of ours is there, counters aside
		s := gm1.state().Net
		return strings.Join(s.Rules, "\n") + strings.Join(s.Routes, "\n") + l.in("gm1", "nft", "-s", "list", "ruleset") +
			l.in("gm1", "sysctl", "net.ipv4.ip_forward", "net.ipv4.conf.wan0.rp_filter") + l.in("gm1", "ip", "-br", "link", "show", "dev", "gv0")
	}
	want := whole()
	for _, row := range []struct{ what, said string }{
		{"nft flush ruleset", "getvpn_gm1, was gone"},
		{"nft flush chain inet getvpn_gm1 forward", "getvpn_gm1, had been changed"},
		{"nft delete table inet getvpn_gm1", "getvpn_gm1, was gone"},
		{"ip rule del pref 8484", "rule 8484: iif lan0 lookup 848 was gone"},
		{"ip rule del pref 8482", "rule 8482: iif wan0 ipproto 50 lookup 849 was gone"},
		{"ip route flush table 848", ""},
		{"ip route flush table 849", ""},
		{"ip route replace 10.0.0.0/8 via 10.0.1.2 table 848", ""},
		{"sysctl -qw net.ipv4.ip_forward=0", "ip_forward was 0; it is 1"},
		{"sysctl -qw net.ipv4.conf.wan0.rp_filter=1", "wan0/rp_filter was 1; it is 2"},
		{"ip link set gv0 down", "gv0 was down; it is up"},
		{"ip link set gv0 mtu 9000", ""},
	} {
		seen := l.captured(func() {
			traffic := l.run("h1", "probe", probeArg{Dst: "10.2.2.2:7", Count: 60, Wait: 5, Gap: 5})
			l.in("gm1", strings.Fields(row.what)...)
			eventually(t, row.what+": everything is back", func() bool { return whole() == want })
			if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7"}); r.Received != 5 {
				t.Errorf("%s: %+v", row.what, r)
			}
			var r probeResult
			traffic.decode(&r)
		})
		for k := range seen {
			if !strings.HasSuffix(k, " 50") {
				t.Errorf("%s: the core saw %s: %v", row.what, k, seen)
			}
		}
		if said := gm1.said(); !strings.Contains(said, row.said) {
			t.Errorf("%s: the member says %q", row.what, said)
		}
		if t.Failed() {
			t.Fatalf("want\n%s\nhave\n%s", want, whole())
		}
	}
	_ = gm1.signal(syscall.SIGKILL)
	gm1 = l.run("gm1", "member", arg)
	if err := gm1.signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	// The surroundings are as before the first one, with what the test itself has set.
	if diff := cmp.Diff(before, l.kernel("gm1")); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
}
