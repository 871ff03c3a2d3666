package member

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

var (
	ks1 = netip.MustParseAddrPort("10.0.0.1:848")
	ks2 = netip.MustParseAddrPort("10.0.0.2:848")
)

// dialer is a node whose phase 1 never gets anywhere; it keeps what was asked.
type dialer struct{ asked []netip.AddrPort }

func (d *dialer) Session(_ machine.Now, ks netip.AddrPort, out machine.Effects) (*ike1.Session, machine.Effects) {
	d.asked = append(d.asked, ks)
	return nil, out
}

func (d *dialer) Forget(_ machine.Now, _ *ike1.Session, out machine.Effects) machine.Effects {
	return out
}

// bench is a group without a network: tests grant and push to it directly.
type bench struct {
	t   *testing.T
	g   *Group
	d   *dialer
	now machine.Now
	out machine.Effects
}

func newBench(t *testing.T, cfg Config) *bench {
	t.Helper()
	if cfg.KeyServers == nil {
		cfg.KeyServers = []netip.AddrPort{ks1}
	}
	cfg.Name, cfg.ID = "blue", "blue"
	b := &bench{t: t, d: &dialer{}, now: machine.Now{Wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}
	g, err := New(machine.NewEnv(rand.NewChaCha8([32]byte{1})), cfg, b.d)
	if err != nil {
		t.Fatal(err)
	}
	b.g = g
	b.out = g.Start(b.now, nil)
	return b
}

// run lets time pass.
func (b *bench) run(d time.Duration) {
	end := b.now.Mono.Add(d)
	for {
		at, ok := b.g.Deadline()
		if !ok || at > end {
			break
		}
		b.at(max(at, b.now.Mono))
		b.out = b.g.Timeout(b.now, b.out)
	}
	b.at(end)
}

func (b *bench) at(to machine.Instant) { b.now = machine.Now{Mono: to, Wall: b.now.WallAt(to)} }

const a = 30 * time.Second // A

// offer is a grant of TEKs with the given SPIs, oldest first; all but the last end in 4A.
func offer(atd time.Duration, sids []gdoi.SID, spis ...gdoi.SPI) *pull.Offer {
	o := &pull.Offer{ATD: atd, DTD: 4 * a, SIDBits: 24, SIDs: sids}
	permits, _ := policy.ParseList("permit ip 10.0.0.0/8 10.0.0.0/8")
	for i, s := range spis {
		life := uint32(3600)
		if i < len(spis)-1 {
			life = 120
		}
		o.TEKs = append(o.TEKs, pull.TEKOffer{
			SPI: s, Suite: suite.ESPAES128GCM16, Key: machine.NewSecret([]byte{byte(s), 19: 0}), Lifetime: life, Policy: permits,
		})
	}
	return o
}

func (b *bench) grant(o *pull.Offer) { b.out = b.g.granted(b.now, o, b.out) }
func (b *bench) push(o *pull.Offer)  { b.out = b.g.rekeyed(b.now, o, nil, b.out) }

// take returns the effects on the data plane since the last call, in words.
func (b *bench) take() string {
	s := ""
	for _, e := range b.out {
		switch e := e.(type) {
		case gdoi.InstallSA:
			s += "install " + e.TEK.SPI.String()[4:]
			if e.Send {
				s += " to send"
			}
			s += "; "
		case gdoi.ActivateSA:
			s += "send " + e.SPI.String()[4:] + "; "
		case gdoi.RetireSA:
			s += "retire " + e.SPI.String()[4:] + "; "
		case gdoi.SetPolicy:
			if e.Registered {
				s += "registered; "
			} else {
				s += "closed; "
			}
		}
	}
	b.out = nil
	return s
}

// peer is whom the last note of that name is about.
func (b *bench) peer(note string) (peer string) {
	for _, e := range b.out {
		if n, ok := e.(machine.Note); ok && n.Name == note {
			peer = n.Peer
		}
	}
	return peer
}

func (b *bench) want(what, want string) {
	b.t.Helper()
	if got := b.take(); got != want {
		b.t.Errorf("%s: %q; want %q", what, got, want)
	}
}

func TestConfigErrors(t *testing.T) {
	permit, _ := policy.ParseList("permit ip any any")
	good := Config{Name: "blue", ID: "blue", KeyServers: []netip.AddrPort{ks1}}
	for name, edit := range map[string]func(*Config){
		"no name":       func(c *Config) { c.Name = "" },
		"no id":         func(c *Config) { c.ID = "" },
		"no server":     func(c *Config) { c.KeyServers = nil },
		"no port":       func(c *Config) { c.KeyServers = []netip.AddrPort{netip.AddrPortFrom(ks1.Addr(), 0)} },
		"local permits": func(c *Config) { c.LocalPolicy = permit },
	} {
		c := good
		edit(&c)
		if err := c.Validate(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestBackoff(t *testing.T) {
	b := newBench(t, Config{KeyServers: []netip.AddrPort{ks1, ks2}})
	base := DefaultBackoff
	for i := range 20 {
		for range 300 {
			if len(b.d.asked) <= i {
				b.run(100 * time.Millisecond)
			}
		}
		if len(b.d.asked) != i+1 {
			t.Fatalf("%d attempts; want %d", len(b.d.asked), i+1)
		}
		if want := []netip.AddrPort{ks1, ks2}[i%2]; b.d.asked[i] != want {
			t.Errorf("attempt %d goes to %v; want %v", i, b.d.asked[i], want)
		}
		b.out = b.g.ConnectFailed(b.now, b.d.asked[i], errors.New("no answer"), b.out)
		at, ok := b.g.attempt.Deadline()
		wait := at.Sub(b.now.Mono)
		if !ok || wait < base/2 || wait >= base*3/2 {
			t.Errorf("after failure %d the wait is %v; want %v ± 50 %%", i, wait, base)
		}
		if i%2 == 1 {
			base = min(2*base, DefaultBackoffMax)
		}
	}
	if s := b.g.Snapshot(b.now); s.State != Registering || s.Reason != "no answer" || s.Attempts != 20 {
		t.Errorf("%+v", s)
	}
}

func TestFailureOfAnotherServerIsIgnored(t *testing.T) {
	b := newBench(t, Config{KeyServers: []netip.AddrPort{ks1, ks2}})
	b.run(time.Second)
	b.out = b.g.ConnectFailed(b.now, ks2, errors.New("no answer"), b.out)
	if !b.g.connecting {
		t.Error("the attempt with the first server has ended")
	}
}

func TestLifeOfKeys(t *testing.T) {
	b := newBench(t, Config{})
	b.want("start", "closed; ")
	b.grant(offer(0, []gdoi.SID{1}, 0x1001))
	b.want("registration", "install 1001; send 1001; registered; ")
	b.run(time.Hour - 4*a)
	b.push(offer(2*a, nil, 0x1001, 0x1002))
	b.want("rekey", "install 1002; ")
	b.run(2*a - time.Second)
	b.want("before activation", "")
	b.run(time.Second)
	b.want("activation", "send 1002; ")
	b.run(2 * a)
	b.want("end of the old key", "retire 1001; ")
	b.grant(offer(0, []gdoi.SID{2}, 0x1002))
	b.want("registering again", "install 1002 to send; ")
	b.run(2 * time.Hour)
	b.want("end of all keys", "retire 1002; closed; ")
	if s := b.g.Snapshot(b.now); s.State != Expired || len(s.TEKs) != 0 {
		t.Errorf("%+v", s)
	}
	b.push(offer(0, nil, 0x1002))
	b.want("a key that was given up, pushed again", "")
	b.push(offer(0, nil, 0x1003))
	b.want("a new key", "install 1003; send 1003; registered; ")
}

func TestRegistrationDuringRollover(t *testing.T) {
	b := newBench(t, Config{})
	b.take()
	b.grant(offer(20*time.Second, []gdoi.SID{1}, 0x1001, 0x1002))
	b.want("registration", "install 1001; install 1002; send 1001; registered; ")
	b.run(20 * time.Second)
	b.want("activation", "send 1002; ")
}

func TestKeyServerWithFreshKeys(t *testing.T) {
	b := newBench(t, Config{})
	b.grant(offer(0, []gdoi.SID{1}, 0x1001))
	b.take()
	b.grant(offer(0, []gdoi.SID{1}, 0x2001))
	b.want("registration after loss of state", "install 2001; send 2001; ")
	if n := len(b.g.Snapshot(b.now).TEKs); n != 2 {
		t.Errorf("%d keys; want 2: others may still send with the old one", n)
	}
}

func TestMissedRekey(t *testing.T) {
	b := newBench(t, Config{})
	b.grant(offer(0, []gdoi.SID{1}, 0x1001))
	asked := len(b.d.asked)
	b.run(time.Hour - 3*a - time.Second)
	if len(b.d.asked) != asked {
		t.Error("registers again before a rekey is overdue")
	}
	b.run(a/2 + time.Second)
	if len(b.d.asked) != asked+1 || b.g.state != Reregistering {
		t.Errorf("%d attempts, state %v; want one more, re-registering", len(b.d.asked)-asked, b.g.state)
	}
	b.push(offer(a, nil, 0x1001, 0x1002))
	if !b.g.connecting {
		t.Error("a registration that is under way should go on")
	}
}

func TestUnknownSPI(t *testing.T) {
	b := newBench(t, Config{})
	b.grant(offer(0, []gdoi.SID{1}, 0x1001))
	report := func(spi gdoi.SPI) bool {
		b.out = b.g.Report(b.now, gdoi.DataPlaneReport{Group: "blue", SPI: spi, Kind: gdoi.UnknownSPI}, b.out)
		_, on := b.g.attempt.Deadline()
		return on
	}
	if report(0x1001) {
		t.Error("a key that it holds makes it register")
	}
	if !report(0x9999) {
		t.Fatal("an unknown key does not make it register")
	}
	b.grant(offer(0, []gdoi.SID{2}, 0x1001))
	b.run(2*unknownSPIPause - time.Second) // twice, because it was a false alarm
	if report(0x9999) {
		t.Error("anybody can make it register without a pause")
	}
	b.run(unknownSPIPause/2 + 2*time.Second)
	if !report(0x9999) {
		t.Error("no registration after the pause")
	}
}

func TestClearedMemberGivesUpInTime(t *testing.T) {
	b := newBench(t, Config{})
	b.grant(offer(0, []gdoi.SID{1}, 0x1001))
	b.take()
	b.g.withdraw.Set(b.now.Mono.Add(a)) // as Notified does
	b.run(a)
	b.want("no registration within the time", "retire 1001; closed; ")
}

func TestLocalExceptionsComeFirst(t *testing.T) {
	local, err := policy.ParseList("deny ip any host 10.9.9.9")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Config{LocalPolicy: local})
	b.grant(offer(0, []gdoi.SID{1}, 0x1001))
	s := b.g.Snapshot(b.now)
	if len(s.Policy) != 2 || s.Policy[0] != local[0] || s.LocalRules != 1 {
		t.Errorf("policy %v", s.Policy)
	}
}

func TestRefusedPolicy(t *testing.T) {
	g := newBench(t, Config{}).g
	for name, o := range map[string]*pull.Offer{"no TEK": {}, "no permit": {TEKs: []pull.TEKOffer{{SPI: 0x1001}}}} {
		if g.acceptable(o) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if err := g.acceptable(offer(0, nil, 0x1001)); err != nil {
		t.Error(err)
	}
}

func TestNotificationsOfOthersAreIgnored(t *testing.T) {
	b := newBench(t, Config{})
	b.grant(offer(0, []gdoi.SID{1}, 0x1001))
	b.take()
	b.out = b.g.Notified(b.now, nil, &isakmp.Notify{MsgType: isakmp.InvalidIDInformation}, b.out)
	if b.g.state != Registered || b.g.busy() {
		t.Error("a notification without an exchange changed something")
	}
}
