package member

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func rules(t *testing.T, lines ...string) policy.List {
	t.Helper()
	l, err := policy.ParseList(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Selectors of the tests.
const (
	p1 = "permit ip 10.1.0.0/16 10.1.0.0/16"
	p2 = "permit ip 10.2.0.0/16 10.2.0.0/16"
	p3 = "permit ip 10.3.0.0/16 10.3.0.0/16"
	d1 = "deny icmp any any"
)

// sa is a TEK of an offer.
type sa struct {
	spi     gdoi.SPI
	life    uint32
	permits []string
}

// message is an offer with the access list; none without rules.
func message(t *testing.T, atd time.Duration, sids []gdoi.SID, list []string, sas ...sa) *pull.Offer {
	o := &pull.Offer{ATD: atd, DTD: 4 * a, SIDBits: 24, SIDs: sids}
	if list != nil {
		o.AccessList = rules(t, list...)
	}
	for _, s := range sas {
		o.TEKs = append(o.TEKs, pull.TEKOffer{
			SPI: s.spi, Suite: suite.ESPAES128GCM16, Key: machine.NewSecret([]byte{byte(s.spi), 19: 0}), Lifetime: s.life, Policy: rules(t, s.permits...),
		})
	}
	return o
}

// took is take with classes: "send SPI as CLASS", "policy RULES CLASSES mode also N".
func (b *bench) took() string {
	var s []string
	for _, e := range b.out {
		switch e := e.(type) {
		case gdoi.InstallSA:
			word := fmt.Sprintf("install %v for %d/%d", e.TEK.SPI.String()[4:], e.Class, len(e.Selectors))
			if e.Send {
				word += " to send"
			}
			s = append(s, word)
		case gdoi.ActivateSA:
			s = append(s, fmt.Sprintf("send %v as %d", e.SPI.String()[4:], e.Class))
		case gdoi.RetireSA:
			s = append(s, "retire "+e.SPI.String()[4:])
		case gdoi.SetPolicy:
			if !e.Registered {
				s = append(s, "closed")
				continue
			}
			s = append(s, fmt.Sprintf("policy %v %v also %d", e.Classes, e.Mode, len(e.Also)))
		}
	}
	b.out = nil
	return strings.Join(s, "; ")
}

func (b *bench) saw(what, want string) {
	b.t.Helper()
	if got := b.took(); got != want {
		b.t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

func TestClasses(t *testing.T) {
	b := newBench(t, Config{LocalPolicy: rules(t, "deny ip any host 10.9.9.9")})
	b.took()
	all := []string{p1, d1, p2, p3}
	b.grant(message(t, 0, []gdoi.SID{1}, all, sa{0x1001, 3600, []string{p1, p2}}, sa{0x2001, 1800, []string{p3}}))
	b.saw("registration", "install 1001 for 0/2; install 2001 for 1/1; send 1001 as 0; send 2001 as 1; policy [0 0 0 0 1] full also 0")
	b.run(1680 * time.Second)
	b.push(message(t, 2*a, nil, all, sa{0x1001, 1920, []string{p1, p2}}, sa{0x2001, 120, []string{p3}}, sa{0x2002, 1800, []string{p3}}))
	b.saw("rekey of one SA", "install 2002 for 1/1")
	b.run(2 * a)
	b.saw("activation", "send 2002 as 1")
	b.run(2 * a)
	b.saw("its end", "retire 2001")
	if s := b.g.Snapshot(b.now); s.State != Registered || len(s.TEKs) != 2 || s.TEKs[0].Phase != gdoi.PhaseSending || len(s.TEKs[0].Selectors) != 2 || s.Sending != 0x1001 {
		t.Errorf("%+v", s)
	}
}

// TestClassWithoutKeys: what has lost its keys is dropped and not sent in clear, the rest goes on, and the member registers.
func TestClassWithoutKeys(t *testing.T) {
	b := newBench(t, Config{})
	b.took()
	b.grant(message(t, 0, []gdoi.SID{1}, []string{p1, p3}, sa{0x1001, 3600, []string{p1}}, sa{0x2001, 600, []string{p3}}))
	b.took()
	b.run(600 * time.Second)
	b.saw("end of one", "retire 2001; policy [0 2] full also 0")
	if s := b.g.Snapshot(b.now); s.State != Reregistering {
		t.Errorf("state %v", s.State)
	}
	b.grant(message(t, 0, []gdoi.SID{2}, []string{p1, p3}, sa{0x1001, 3000, []string{p1}}, sa{0x2002, 600, []string{p3}}))
	b.saw("registration", "install 1001 for 0/1 to send; install 2002 for 1/1; send 2002 as 1; policy [0 1] full also 0")
}

func TestPolicyChange(t *testing.T) {
	old := sa{0x1001, 180, []string{p1, p2}}
	for _, c := range []struct {
		name            string
		list            []string
		sas             []sa
		push, turn, end string
	}{
		{"one more selector", []string{p1, p2, p3}, []sa{old, {0x1002, 3600, []string{p1, p2, p3}}},
			"install 1002 for 1/3; policy [0 0] full also 1", "send 1002 as 1; policy [1 1 1] full also 1", "policy [1 1 1] full also 0; retire 1001"},
		{"one less", []string{p1}, []sa{old, {0x1002, 3600, []string{p1}}},
			"install 1002 for 1/1; policy [0 0] full also 1", "send 1002 as 1; policy [1] full also 1", "policy [1] full also 0; retire 1001"},
		{"other traffic", []string{p3}, []sa{old, {0x1002, 3600, []string{p3}}},
			"install 1002 for 1/1; policy [0 0] full also 1", "send 1002 as 1; policy [1] full also 1", "policy [1] full also 0; retire 1001"},
		{"two SPIs instead of one", []string{p1, p2}, []sa{old, {0x1002, 3600, []string{p1}}, {0x1003, 3600, []string{p2}}},
			"install 1002 for 1/1; install 1003 for 2/1", "send 1002 as 1; send 1003 as 2; policy [1 2] full also 0", "retire 1001"},
		{"another deny", []string{d1, p1, p2}, []sa{{0x1001, 3600, []string{p1, p2}}},
			"policy [0 0] full also 1", "policy [0 0 0] full also 1", "policy [0 0 0] full also 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, Config{})
			b.grant(message(t, 0, []gdoi.SID{1}, []string{p1, p2}, sa{0x1001, 3600, []string{p1, p2}}))
			b.took()
			b.push(message(t, 2*a, nil, c.list, c.sas...))
			b.saw("rekey", c.push)
			b.run(a)
			b.push(message(t, a, nil, c.list, c.sas...))
			b.saw("the same again", "")
			b.run(a)
			b.saw("in force", c.turn)
			b.run(2*a - time.Second)
			b.saw("shortly before the end of the old TEK", "")
			b.run(2*a + time.Second)
			b.saw("at the end", c.end)
		})
	}
}

// TestRegistrationDuringAChange: the new list holds at once, but what the old TEK protects stays with it until the others
// change over.
func TestRegistrationDuringAChange(t *testing.T) {
	b := newBench(t, Config{})
	b.took()
	b.grant(message(t, 20*time.Second, []gdoi.SID{1}, []string{p1, p3}, sa{0x1001, 180, []string{p1, p2}}, sa{0x1002, 3600, []string{p1, p3}}))
	b.saw("registration", "install 1001 for 0/2; install 1002 for 1/2; send 1001 as 0; send 1002 as 1; policy [0 1] full also 0")
	b.run(20 * time.Second)
	b.saw("activation", "policy [1 1] full also 0")
}

// TestRegistrationWithTheFormerPolicy: a member that comes while a policy is still in force goes by it, as the others do.
func TestRegistrationWithTheFormerPolicy(t *testing.T) {
	b := newBench(t, Config{})
	b.took()
	o := message(t, 20*time.Second, []gdoi.SID{1}, []string{p1, p3}, sa{0x1001, 180, []string{p1, p2}}, sa{0x1002, 3600, []string{p1, p3}})
	o.Former = &pull.Former{AccessList: rules(t, d1, p1, p2), Mode: gdoi.ModePassive, For: 20 * time.Second}
	b.grant(o)
	b.saw("registration", "install 1001 for 0/2; install 1002 for 1/2; send 1001 as 0; policy [0 0 0] passive also 1")
	b.run(20 * time.Second)
	b.saw("in force", "send 1002 as 1; policy [1 1] full also 1")

	b = newBench(t, Config{})
	b.took()
	o = message(t, 0, []gdoi.SID{1}, []string{p1}, sa{0x1002, 3600, []string{p1}})
	o.Former = &pull.Former{AccessList: rules(t, d1, p1)}
	b.grant(o)
	b.saw("registration when it is over", "install 1002 for 0/1; send 1002 as 0; policy [0] full also 1")
	b.run(4 * a)
	b.saw("when nobody is late any more", "policy [0] full also 0")
}

// TestLateNews: a message about one SA that is the first to tell of another does not put that off until its old key ends.
func TestLateNews(t *testing.T) {
	b := newBench(t, Config{})
	b.took()
	b.grant(message(t, 2*a, []gdoi.SID{1}, []string{p1, p3},
		sa{0x1001, 10, []string{p1}}, sa{0x1002, 3600, []string{p1}}, sa{0x2001, 120, []string{p3}}, sa{0x2002, 3600, []string{p3}}))
	b.took()
	b.run(5 * time.Second)
	b.saw("half of what is left", "send 1002 as 0")
	b.run(2*a - 5*time.Second)
	b.saw("the ATD", "retire 1001; send 2002 as 1")
}

// TestSATsAlone: a key server without our attributes says what to encrypt by SATs; a mixed group's rekeys do as well, and
// then a change needs a registration.
func TestSATsAlone(t *testing.T) {
	b := newBench(t, Config{})
	b.took()
	b.grant(message(t, 0, []gdoi.SID{1}, nil, sa{0x1001, 3600, []string{p1}}, sa{0x2001, 3600, []string{p2}}))
	b.saw("a stranger's policy", "install 1001 for 0/1; install 2001 for 1/1; send 1001 as 0; send 2001 as 1; policy [0 1] full also 0")
	b.push(message(t, 2*a, nil, nil, sa{0x1001, 120, []string{p1}}, sa{0x1002, 3600, []string{p1}}, sa{0x2001, 3600, []string{p2}}))
	b.saw("its rekey", "install 1002 for 0/1")

	b = newBench(t, Config{})
	b.grant(message(t, 0, []gdoi.SID{1}, []string{d1, p1}, sa{0x1001, 3600, []string{p1}}))
	b.took()
	b.push(message(t, 2*a, nil, nil, sa{0x1001, 120, []string{p1}}, sa{0x1002, 3600, []string{p1}}))
	b.saw("a rekey of a mixed group", "install 1002 for 0/1")
	if b.g.busy() {
		t.Error("it registers again without need")
	}
	b.push(message(t, 2*a, nil, nil, sa{0x1001, 120, []string{p1}}, sa{0x1003, 3600, []string{p1, p2}}))
	b.saw("its policy changes", "install 1003 for 1/2")
	if !b.g.busy() || b.g.cause != causePolicy {
		t.Errorf("cause %v; want a registration, since only that tells the list", b.g.cause)
	}
}

func TestModes(t *testing.T) {
	passive := gdoi.ModePassive
	for _, c := range []struct {
		name      string
		own       *gdoi.Mode
		from, to  gdoi.Mode
		push, end string
	}{
		{"the group's", nil, gdoi.ModeReceiveOnly, gdoi.ModePassive, "", "policy [0] passive also 0"},
		{"its own", &passive, gdoi.ModeReceiveOnly, gdoi.ModeFull, "", ""},
		{"same", nil, gdoi.ModeFull, gdoi.ModeFull, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, Config{Mode: c.own})
			o := message(t, 0, []gdoi.SID{1}, []string{p1}, sa{0x1001, 3600, []string{p1}})
			o.Mode = c.from
			b.grant(o)
			want := c.from
			if c.own != nil {
				want = *c.own
			}
			i := slices.IndexFunc(b.out, func(e machine.Effect) bool { p, ok := e.(gdoi.SetPolicy); return ok && p.Registered && p.Mode == want })
			if i < 0 || b.g.Snapshot(b.now).Mode != want {
				t.Errorf("no SetPolicy with %v", want)
			}
			b.took()
			o = message(t, 2*a, nil, []string{p1}, sa{0x1001, 3500, []string{p1}})
			o.Mode = c.to
			b.push(o)
			b.saw("rekey", c.push)
			b.run(2 * a)
			b.saw("in force", c.end)
		})
	}
}

// TestClassNumbers: a number never names other traffic, and the same traffic has its number again.
func TestClassNumbers(t *testing.T) {
	g := newBench(t, Config{}).g
	seen := map[int]string{}
	for _, l := range [][]string{{p1}, {p1, p2}, {p2}, {p1}, {p2, p1}, {p1, p2}} {
		text := strings.Join(l, "\n")
		id := g.classOf(rules(t, l...))
		if was, ok := seen[id]; ok && was != text {
			t.Errorf("class %d names %q and %q", id, was, text)
		}
		seen[id] = text
	}
	orphans := g.orphans()
	if again := g.orphans(); len(seen) != 4 || again != orphans || seen[orphans] != "" {
		t.Errorf("%d classes, orphans %d and then %d", len(seen), orphans, again)
	}
}
