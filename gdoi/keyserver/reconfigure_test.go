package keyserver

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// outline is a Change in short.
func outline(c Change) string {
	names := func(l []SAChange) string {
		var out []string
		for _, s := range l {
			out = append(out, fmt.Sprintf("%s/%d", s.SA, len(s.Selectors)))
		}
		return strings.Join(out, "+")
	}
	return fmt.Sprintf("kept %s made %s dropped %s kek %t announce %t in %v drain %v", names(c.Kept), names(c.Made), names(c.Dropped), c.KEK, c.Announce, c.In, c.Drain)
}

func TestCompare(t *testing.T) {
	const all = "data/2+voice/1+voice/1+short/1"
	for _, c := range []struct {
		name   string
		change func(*Config)
		now    bool
		want   string
	}{
		{"nothing", func(*Config) {}, false, "kept " + all + " made  dropped  kek false announce false in 0s drain 0s"},
		{"lifetimes", func(c *Config) { c.SAs[0].Lifetime, c.KEKLifetime = 2*time.Hour, 48*time.Hour }, false,
			"kept " + all + " made  dropped  kek false announce false in 0s drain 0s"},
		{"authorisation", func(c *Config) { c.Authorise = nil }, false, "kept " + all + " made  dropped  kek false announce false in 0s drain 0s"},
		{"deny", func(c *Config) { c.SAs[0].Policy = append(rules(t, "deny icmp any any"), c.SAs[0].Policy...) }, false,
			"kept " + all + " made  dropped  kek false announce true in 1m0s drain 0s"},
		{"suite", func(c *Config) { c.SAs[0].TEK = suite.ESPAES128GCM16 }, false,
			"kept voice/1+voice/1+short/1 made data/2 dropped data/2 kek false announce true in 1m0s drain 3m0s"},
		{"at once", func(c *Config) { c.SAs[0].TEK = suite.ESPAES128GCM16 }, true,
			"kept voice/1+voice/1+short/1 made data/2 dropped data/2 kek false announce true in 0s drain 0s"},
		{"per selector", func(c *Config) { c.SAs[0].PerSelector = true }, false,
			"kept voice/1+voice/1+short/1 made data/1+data/1 dropped data/2 kek false announce true in 1m0s drain 3m0s"},
		{"name", func(c *Config) { c.SAs[0].Name = "other" }, false,
			"kept other/2+voice/1+voice/1+short/1 made  dropped  kek false announce false in 0s drain 0s"},
		{"one less", func(c *Config) { c.SAs = c.SAs[:2] }, false,
			"kept data/2+voice/1+voice/1 made  dropped short/1 kek false announce true in 1m0s drain 2m0s"},
		{"kek", func(c *Config) { c.KEK = suite.KEKAES128CBC }, false, "kept " + all + " made  dropped  kek true announce true in 0s drain 0s"},
		{"mode", func(c *Config) { c.Mode = gdoi.ModePassive }, false, "kept " + all + " made  dropped  kek false announce true in 1m0s drain 0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t, threeSAs(t))
			cfg := threeSAs(t)
			c.change(&cfg)
			before := s.chart()
			got, err := s.g.Compare(s.now, cfg, c.now)
			if err != nil {
				t.Fatal(err)
			}
			if o := outline(got); o != strings.ReplaceAll(c.want, "kept other", "kept data") {
				t.Errorf("\n got %s\nwant %s", o, c.want)
			}
			if s.chart() != before {
				t.Error("Compare has changed the group")
			}
			_, out, err := s.g.Reconfigure(s.now, cfg, c.now, nil)
			s.do(out)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := s.g.Compare(s.now, cfg, c.now); err != nil || again.Announce || again.Lifetimes {
				t.Errorf("afterwards: %+v, %v; want nothing to do", again, err)
			}
		})
	}
}

func TestReconfigureTimes(t *testing.T) {
	s := newShell(t, threeSAs(t))
	s.mustRegister(testPeer(1))
	data := s.g.teks[0].spi
	cfg := threeSAs(t)
	cfg.SAs[0].Policy = append(cfg.SAs[0].Policy, rules(t, "permit ip 10.5.0.0/16 10.5.0.0/16")...)
	mark := len(s.out)
	ch, out, err := s.g.Reconfigure(s.now, cfg, false, nil)
	s.do(out)
	if err != nil || ch.Drain != 3*time.Minute {
		t.Fatalf("%+v, %v", ch, err)
	}
	s.run(0)
	if n := len(s.sends(mark)); n != 1 {
		t.Errorf("%d datagrams at once; want 1", n)
	}
	if o := s.g.offer(s.now); o.ATD != time.Minute || len(o.TEKs) != 5 || o.TEKs[0].SPI != data || o.TEKs[0].Lifetime != 180 || len(o.AccessList) != 7 {
		t.Errorf("offer %+v", o)
	}
	if o := s.g.offerTo(s.now, testPeer(2)); o.Former == nil || len(o.Former.AccessList) != 6 {
		t.Errorf("who registers now hears of the former policy %+v; want its 6 rules", o.Former)
	}
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{0, "data/2 256-gcm sending, voice/1 128-gcm sending, voice/1 128-gcm sending, short/1 256-gcm sending, data/3 256-gcm waiting"},
		{time.Minute, "data/2 256-gcm draining, voice/1 128-gcm sending, voice/1 128-gcm sending, short/1 256-gcm sending, data/3 256-gcm sending"},
		{2 * time.Minute, "voice/1 128-gcm sending, voice/1 128-gcm sending, short/1 256-gcm sending, data/3 256-gcm sending"},
	} {
		s.run(step.after)
		if got := s.chart(); got != step.want {
			t.Errorf("at %v:\n got %s\nwant %s", time.Duration(s.now.Mono), got, step.want)
		}
	}
	if o := s.g.offerTo(s.now, testPeer(2)); o.Former != nil {
		t.Error("who registers later hears of a former policy")
	}
	// The announcement with its two repeats, and the same once more before it comes into force.
	if n := len(s.sends(mark)); n != 6 {
		t.Errorf("%d datagrams; want 6", n)
	}
}

// TestPolicyComesBack: what was dropped and is wanted again before it has ended goes on, with a next key.
func TestPolicyComesBack(t *testing.T) {
	s := newShell(t, threeSAs(t))
	s.mustRegister(testPeer(1))
	spi := s.g.teks[3].spi
	for i, n := range []int{2, 3} {
		cfg := threeSAs(t)
		cfg.SAs = cfg.SAs[:n]
		ch, out, err := s.g.Reconfigure(s.now, cfg, false, nil)
		s.do(out)
		if err != nil || len(ch.Made) != 0 {
			t.Fatalf("%d: %+v, %v", i, ch, err)
		}
		s.run(50 * time.Second)
	}
	if c := s.g.chains[3]; c.dropped || s.g.of(c)[0].spi != spi || len(s.g.of(c)) != 2 {
		t.Errorf("chain %+v with %d TEKs; want the old one and its successor", c, len(s.g.of(c)))
	}
}

func TestPolicyChangedWhileDown(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		atd    time.Duration
	}{
		{"nothing", func(*Config) {}, 0},
		{"deny", func(c *Config) { c.SAs[0].Policy = c.SAs[0].Policy[1:] }, time.Minute},
		{"suite", func(c *Config) { c.SAs[0].TEK = suite.ESPAES128GCM16 }, time.Minute},
		{"mode", func(c *Config) { c.Mode = gdoi.ModePassive }, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t, threeSAs(t))
			s.mustRegister(testPeer(1))
			s.run(time.Minute)
			cfg := threeSAs(t)
			c.change(&cfg)
			s.start(cfg)
			if atd := s.g.offer(s.now).ATD; atd != c.atd {
				t.Errorf("in force in %v; want %v", atd, c.atd)
			}
			s.run(10 * time.Second)
			s.start(cfg)
			if atd := s.g.offer(s.now).ATD; atd != max(0, c.atd-10*time.Second) {
				t.Errorf("after another restart in force in %v; want 10 s less than %v", atd, c.atd)
			}
			s.run(4 * time.Minute)
			if got := s.chart(); strings.Contains(got, "draining") || strings.Count(got, "data") != 1 {
				t.Errorf("in the end %s", got)
			}
		})
	}
}

func TestReconfigureRefuses(t *testing.T) {
	s := newShell(t, threeSAs(t))
	s.mustRegister(testPeer(1))
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"name", func(c *Config) { c.Name = "red" }, "another group"},
		{"bits", func(c *Config) { c.SIDBits = 16 }, "sender-ids bits"},
		{"invalid", func(c *Config) { c.SAs = nil }, "empty"},
	} {
		cfg := threeSAs(t)
		c.change(&cfg)
		if _, out, err := s.g.Reconfigure(s.now, cfg, false, nil); err == nil || !strings.Contains(err.Error(), c.want) || len(out) != 0 {
			t.Errorf("%s: %v, %d effects; want %q", c.name, err, len(out), c.want)
		}
	}
}

func TestReconfigureListsTheUnauthorised(t *testing.T) {
	s := newShell(t, testConfig(t))
	s.mustRegister(testPeer(1))
	s.mustRegister(testPeer(2))
	cfg := testConfig(t)
	cfg.Authorise = policy.Authorisation{{Prefix: netip.PrefixFrom(testPeer(1).Addr.Addr(), 32)}}
	ch, out, err := s.g.Reconfigure(s.now, cfg, false, nil)
	s.do(out)
	if err != nil || len(ch.Unauthorised) != 1 || ch.Unauthorised[0].Identity != "10.1.0.2" || ch.Announce || s.g.members.len() != 2 {
		t.Errorf("%+v, %v, %d members", ch, err, s.g.members.len())
	}
	if _, err := s.register(testPeer(2), 1); err != ErrNotAuthorised {
		t.Errorf("it registers again: %v", err)
	}
}

// TestSigningKeyChanges: the announcement of the new KEK is signed with the key that members know.
func TestSigningKeyChanges(t *testing.T) {
	s := newShell(t, testConfig(t))
	s.mustRegister(testPeer(1))
	cfg := testConfig(t)
	cfg.SignKey = "sig2"
	_, out, err := s.g.Reconfigure(s.now, cfg, false, nil)
	if err != nil || len(s.g.keks) != 2 {
		t.Fatal(err, len(s.g.keks))
	}
	s.do(out)
	if got := s.g.keks[0].sign.key + " " + s.g.keks[1].sign.key; got != "sig sig2" {
		t.Errorf("signing with %q", got)
	}
	s.start(cfg)
	if got := s.g.keks[0].sign.key + " " + s.g.keks[1].sign.key; got != "sig sig2" {
		t.Errorf("after a restart signing with %q", got)
	}
}
