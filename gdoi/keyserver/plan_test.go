package keyserver

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func testList(t testing.TB, rules ...string) policy.List {
	t.Helper()
	l, err := policy.ParseList(strings.Join(rules, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// planText is everything that a plan says.
func planText(p Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s, rekeys %t, %s -> %s\n", p.Group, p.Action, p.Rekeys, p.Was, p.Is)
	for _, t := range p.Text {
		fmt.Fprintln(&b, " ", t)
	}
	for _, l := range p.Lists {
		fmt.Fprintf(&b, "  list %q\n", l.SA)
		for _, d := range l.Lines {
			fmt.Fprintf(&b, "    %s %s\n", d.Op, d.Text)
		}
	}
	if p.Refused != "" {
		fmt.Fprintln(&b, "  refused:", p.Refused)
	}
	return b.String()
}

// TestPlan compares whole plans with testdata/plan.golden.
func TestPlan(t *testing.T) {
	base := func() Config {
		c := testConfig(t)
		c.SAs = []SAConfig{
			{Name: "voice", Policy: testList(t, "permit udp 10.1.0.0/16 10.1.0.0/16"), TEK: suite.ESPAES128GCM16},
			{Name: "rest", Policy: testList(t, "deny tcp any any eq 22", "deny tcp any eq 22 any", "permit ip 10.1.0.0/16 10.1.0.0/16", "permit ip 10.1.0.0/16 10.2.0.0/16"), PerSelector: true},
		}
		c.Policy = nil
		return c
	}
	single := func() Config {
		c := testConfig(t)
		c.Policy = testList(t, "deny tcp any any eq 22", "permit ip 10.1.0.0/16 10.1.0.0/16")
		return c
	}
	timed := func() Config {
		c := single()
		c.AntiReplay = AntiReplay{10 * time.Second, true}
		return c
	}
	var got strings.Builder
	for _, row := range []struct {
		name   string
		from   func() Config
		edit   func(*Config)
		atOnce bool
	}{
		{"nothing", base, func(*Config) {}, false},
		{"a rule added", single, func(c *Config) { c.Policy = append(c.Policy, testList(t, "permit ip 10.2.0.0/16 10.2.0.0/16")...) }, false},
		{"a rule added, now", single, func(c *Config) { c.Policy = append(c.Policy, testList(t, "permit ip 10.2.0.0/16 10.2.0.0/16")...) }, true},
		{"an exception removed", single, func(c *Config) { c.Policy = c.Policy[1:] }, false},
		{"another suite", single, func(c *Config) { c.TEK = suite.ESPAES128GCM16 }, false},
		{"another lifetime", single, func(c *Config) { c.TEKLifetime = 30 * time.Minute }, false},
		{"another suite and lifetime", single, func(c *Config) { c.TEK, c.TEKLifetime = suite.ESPAES128GCM16, 30*time.Minute }, false},
		{"a time window", single, func(c *Config) { c.AntiReplay.Window = 10 * time.Second }, false},
		{"a time window that all must keep", single, func(c *Config) { c.AntiReplay = AntiReplay{10 * time.Second, true} }, false},
		{"another time window", timed, func(c *Config) { c.AntiReplay = AntiReplay{4 * time.Second, false} }, false},
		{"no time window any more", timed, func(c *Config) { c.AntiReplay = AntiReplay{} }, false},
		{"one list of several", base, func(c *Config) {
			c.SAs[0].Policy = testList(t, "permit udp 10.1.0.0/16 10.1.0.0/16", "permit udp 10.3.0.0/16 10.3.0.0/16")
		}, false},
		{"one selector of several", base, func(c *Config) { c.SAs[1].Policy = c.SAs[1].Policy[:3] }, false},
		{"selectors share an SPI", base, func(c *Config) { c.SAs[1].PerSelector = false }, false},
		{"an SA added", base, func(c *Config) {
			c.SAs = append(c.SAs, SAConfig{Name: "bulk", Policy: testList(t, "permit ip 10.9.0.0/16 10.9.0.0/16")})
		}, false},
		{"an SA removed", base, func(c *Config) { c.SAs = c.SAs[1:] }, false},
		{"an SA renamed", base, func(c *Config) { c.SAs[0].Name = "telephony" }, false},
		{"fewer members", single, func(c *Config) {
			c.Authorise = policy.Authorisation{{Prefix: netip.MustParsePrefix("10.1.0.2/32")}}
		}, false},
		{"more members", single, func(c *Config) {
			c.Authorise = append(c.Authorise, policy.AuthRule{Prefix: netip.MustParsePrefix("172.16.0.0/12")})
		}, false},
		{"the KEK", single, func(c *Config) { c.KEK, c.KEKLifetime = suite.KEKAES128CBC, 12*time.Hour }, false},
		{"timers", single, func(c *Config) { c.ActivationDelay, c.Retransmits = 20*time.Second, -1 }, false},
		{"the signing key", single, func(c *Config) { c.SignKey = "other" }, false},
		{"multicast", single, func(c *Config) { c.Multicast = netip.MustParseAddrPort("239.192.1.1:848") }, false},
		{"repeats", single, func(c *Config) { c.Retransmit = 5 * time.Second }, false},
		{"sender ids", single, func(c *Config) { c.SIDFirst, c.SIDCount = 100, 50 }, false},
		{"the width of sender ids", single, func(c *Config) { c.SIDBits, c.SIDCount = 16, 0 }, false},
		{"the mode", single, func(c *Config) { c.Mode = gdoi.ModePassive }, false},
		{"the mode, a step left out", single, func(c *Config) { c.Mode = gdoi.ModeReceiveOnly }, false},
		{"another id", single, func(c *Config) { c.ID = "green" }, false},
	} {
		s := newShell(t, row.from())
		s.mustRegister(testPeer(1))
		s.mustRegister(testPeer(2))
		s.run(5 * time.Minute)
		before := fmt.Sprintf("%+v", s.g.Snapshot(s.now))
		c := row.from()
		row.edit(&c)
		p, err := s.g.Plan(s.now, c, row.atOnce)
		if err != nil {
			t.Fatal(row.name, err)
		}
		if after := fmt.Sprintf("%+v", s.g.Snapshot(s.now)); after != before {
			t.Errorf("%s: planning changed the group:\n%s\n%s", row.name, before, after)
		}
		fmt.Fprintf(&got, "== %s\n%s", row.name, planText(p))
	}
	s := newShell(t, single())
	s.mustRegister(testPeer(1))
	other := single()
	other.TEK = suite.ESPAES128GCM16
	_, out, err := s.g.Reconfigure(s.now, other, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.do(out)
	s.run(time.Minute)
	back, err := s.g.Plan(s.now, single(), false)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&got, "== a change taken back\n%s", planText(back))
	s = newShell(t, base())
	s.mustRegister(testPeer(1))
	fresh, err := PlanNew(base())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&got, "== a group added\n%s== a group removed\n%s", planText(fresh), planText(s.g.PlanRemoval()))
	const file = "testdata/plan.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("plans differ from %s (-update rewrites it):\n%s", file, got.String())
	}
}

func TestPlanRefusesNonsense(t *testing.T) {
	s := newShell(t, testConfig(t))
	c := testConfig(t)
	c.Policy = nil
	if _, err := s.g.Plan(s.now, c, false); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("%v", err)
	}
}

// TestPlanAndReconfigure: what a plan says is what happens.
func TestPlanAndReconfigure(t *testing.T) {
	for _, row := range []struct {
		name string
		edit func(*Config)
	}{
		{"nothing", func(*Config) {}},
		{"rule", func(c *Config) { c.Policy = append(c.Policy, testList(t, "permit ip 172.16.0.0/16 172.16.0.0/16")...) }},
		{"exception", func(c *Config) { c.Policy = append(testList(t, "deny tcp any any eq 22"), c.Policy...) }},
		{"suite", func(c *Config) { c.TEK = suite.ESPAES128GCM16 }},
		{"lifetime", func(c *Config) { c.TEKLifetime = 30 * time.Minute }},
		{"KEK", func(c *Config) { c.KEK = suite.KEKAES128CBC }},
		{"SAs", func(c *Config) {
			c.SAs = []SAConfig{{Name: "a", Policy: testList(t, "permit udp 10.0.0.0/8 10.0.0.0/8")}, {Name: "b", Policy: c.Policy}}
			c.Policy = nil
		}},
	} {
		s := newShell(t, testConfig(t))
		s.mustRegister(testPeer(1))
		s.run(5 * time.Minute)
		c := testConfig(t)
		row.edit(&c)
		p, err := s.g.Plan(s.now, c, false)
		if err != nil || p.Refused != "" {
			t.Fatal(row.name, err, p.Refused)
		}
		teks, pushes := s.notes(gdoi.NoteTEKCreated)+s.notes(gdoi.NoteKEKCreated), s.notes(gdoi.NoteRekeySent)
		_, out, err := s.g.Reconfigure(s.now, c, false, nil)
		if err != nil {
			t.Fatal(row.name, err)
		}
		s.do(out)
		made, sent := s.notes(gdoi.NoteTEKCreated)+s.notes(gdoi.NoteKEKCreated)-teks, s.notes(gdoi.NoteRekeySent)-pushes
		text := strings.Join(p.Text, "; ")
		if (made > 0) != p.Rekeys || (sent > 0) != strings.Contains(text, "a rekey message") {
			t.Errorf("%s: %d keys and %d messages, but the plan says %q", row.name, made, sent, text)
		}
		if got := s.g.Snapshot(s.now).Policy.Digest(); got != p.Is {
			t.Errorf("%s: digest %s, the plan says %s", row.name, got, p.Is)
		}
		again, err := s.g.Plan(s.now, c, false)
		if err != nil || again.Action != Unchanged {
			t.Errorf("%s: planned again: %+v %v", row.name, again, err)
		}
	}
}

// TestWithdraw: a group that is removed tells its members, and leaves no keys and no records.
func TestWithdraw(t *testing.T) {
	s := newShell(t, testConfig(t))
	s.mustRegister(testPeer(1))
	s.mustRegister(testPeer(2))
	s.mustRegister(testPeer(3))
	s.run(time.Minute)
	_, out, err := s.g.Remove(s.now, []string{testPeer(3).Identity}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.do(out)
	from := len(s.out)
	s.do(s.g.Withdraw(s.now, nil))
	if s.g.Ended() {
		t.Error("it has ended before its message was repeated")
	}
	if len(s.disk) != 0 {
		t.Errorf("records are left: %v", s.disk)
	}
	s.run(time.Minute)
	if !s.g.Ended() {
		t.Error("it does not end")
	}
	if at, ok := s.g.Deadline(); ok {
		t.Errorf("it wants to be called at %v", at)
	}
	to := map[netip.AddrPort]int{}
	for _, d := range s.sends(from) {
		to[d.Remote]++
	}
	if want := 1 + DefaultRetransmits; len(to) != 2 || to[testPeer(1).Addr] != want || to[testPeer(2).Addr] != want {
		t.Errorf("datagrams %v, want %d to each member", to, want)
	}
	if len(s.disk) != 0 || s.notes(gdoi.NoteGroupRemoved) != 1 {
		t.Errorf("records %v, %d notes", s.disk, s.notes(gdoi.NoteGroupRemoved))
	}
	empty := newShell(t, testConfig(t))
	empty.do(empty.g.Withdraw(empty.now, nil))
	if !empty.g.Ended() {
		t.Error("a group without members has nothing to wait for")
	}
}
