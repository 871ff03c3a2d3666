package sim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// changes are what an operator may do to the group three.
func changes(t testing.TB) []func(*keyserver.Config) {
	return []func(*keyserver.Config){
		func(c *keyserver.Config) { c.SAs[0].TEK = suite.ESPAES128GCM16 },
		func(c *keyserver.Config) { c.SAs[0].TEK = suite.ESPAES256GCM16 },
		func(c *keyserver.Config) { c.SAs[0].PerSelector = !c.SAs[0].PerSelector },
		func(c *keyserver.Config) { c.SAs[1].PerSelector = !c.SAs[1].PerSelector },
		func(c *keyserver.Config) {
			c.SAs[0].Policy = append(rules(t, "deny tcp 10.1.0.0/16 any"), c.SAs[0].Policy...)
		},
		func(c *keyserver.Config) { c.SAs[0].Policy = c.SAs[0].Policy[1:] },
		func(c *keyserver.Config) {
			c.SAs[2].Policy = append(c.SAs[2].Policy, rules(t, "permit ip 10.8.0.0/14 10.0.0.0/8")...)
		},
		func(c *keyserver.Config) { c.SAs[2].Policy = rules(t, "permit ip 10.4.0.0/16 10.0.0.0/8") },
		func(c *keyserver.Config) { c.SAs[1], c.SAs[2] = c.SAs[2], c.SAs[1] },
		func(c *keyserver.Config) { c.SAs[1].Lifetime = 80 * time.Second },
		func(c *keyserver.Config) { c.KEK = suite.KEKAES128CBC },
		func(c *keyserver.Config) { c.ActivationDelay = 4 * time.Second },
	}
}

// transports are what he may do to the way of its rekeys.
func transports() []func(*keyserver.Config) {
	return []func(*keyserver.Config){
		func(c *keyserver.Config) { c.Multicast = multicastGroup },
		func(c *keyserver.Config) { c.Multicast = netip.AddrPort{} },
		func(c *keyserver.Config) { c.Ack = isakmp.AckKEKSHA512 },
		func(c *keyserver.Config) { c.Ack = keyserver.AckNever },
	}
}

// change gives the group another configuration, which a restarted key server reads too.
func change(t *testing.T, s *Sim, f func(*keyserver.Config)) {
	g := s.cfg.Group
	g.SAs = append([]keyserver.SAConfig(nil), g.SAs...)
	f(&g)
	before := s.cfg.Group
	s.cfg.Group = g
	groups := s.cfg.keyServer(0).Groups
	if err := groups[0].Validate(); err != nil {
		s.cfg.Group = before // that one does not fit after those before
		return
	}
	s.KS().Do(node.Reconfigure{Groups: groups, ID: 1})
}

// TestPolicyChanges: whatever changes, at whatever moment, one change right after the other as well, and though members
// restart meanwhile, nothing is lost.
func TestPolicyChanges(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 12
	}
	for seed := range seeds {
		s := New(Config{Seed: seed, Members: 4, Group: three(t), Network: clean, Flows: flows()})
		all := append(changes(t), transports()...)
		for range 6 {
			f := all[s.rng.IntN(len(all))]
			at := time.Duration(10+s.rng.IntN(400))*time.Second + time.Duration(s.rng.IntN(1000))*time.Millisecond
			s.After(at, func() { change(t, s, f) })
			m := s.GM(1 + s.rng.IntN(4))
			s.After(at+time.Duration(s.rng.IntN(15000))*time.Millisecond, func() { m.Crash(); m.Start() })
		}
		s.Run(10 * time.Minute)
		want(t, s)
		wantAll(t, s)
		wantNoLoss(t, s)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestPolicyChangesAndFaults: with a network that loses and a key server that restarts, some member may hear late; what it
// loses then ends with its next registration. Safety holds all the time.
func TestPolicyChangesAndFaults(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 12
	}
	for seed := range seeds {
		s := New(Config{Seed: seed, Members: 4, Group: three(t), Network: wan, Flows: flows(), StartSpread: 3 * time.Second})
		s.Traffic(time.Second)
		all := append(changes(t), transports()...)
		for range 6 {
			f := all[s.rng.IntN(len(all))]
			at := time.Duration(10+s.rng.IntN(400))*time.Second + time.Duration(s.rng.IntN(1000))*time.Millisecond
			s.After(at, func() { change(t, s, f) })
			if s.rng.IntN(2) == 0 {
				s.After(at+time.Duration(s.rng.IntN(3000))*time.Millisecond, func() { s.KS().Crash(); s.KS().Start() })
			}
			m := s.GM(1 + s.rng.IntN(4))
			s.After(at+time.Duration(s.rng.IntN(20))*time.Second, func() { m.Crash(); m.Start() })
		}
		s.Run(10 * time.Minute)
		s.Degrade(clean)
		s.Run(14 * time.Minute)
		apart := s.Check.Apart()
		s.Run(17 * time.Minute)
		want(t, s)
		wantAll(t, s)
		if s.Check.Apart() != apart {
			t.Errorf("members were apart for %v after the faults had ended", s.Check.Apart()-apart)
		}
		if t.Failed() {
			t.Fatalf("seed %d; first loss %s", seed, s.Check.Lost())
		}
		t.Logf("seed %d: apart %v", seed, apart)
	}
}

// TestMigration: from everything in clear to everything encrypted, and back, and nothing is lost.
func TestMigration(t *testing.T) {
	for seed := range uint64(10) {
		g := three(t)
		g.Mode = gdoi.ModeReceiveOnly
		s := New(Config{Seed: seed, Members: 4, Group: g, Network: clean, Flows: flows()})
		for i, m := range []gdoi.Mode{gdoi.ModePassive, gdoi.ModeFull, gdoi.ModePassive, gdoi.ModeReceiveOnly} {
			at := time.Duration(20+60*i)*time.Second + time.Duration(s.rng.IntN(20000))*time.Millisecond
			s.After(at, func() { change(t, s, func(c *keyserver.Config) { c.Mode = m }) })
			s.After(at+15*time.Second, func() {
				for _, n := range s.Members() {
					if got := s.Check.of(n).policy.Mode; got != m {
						t.Errorf("%s is %v; want %v", n.Name, got, m)
					}
				}
			})
		}
		s.Run(5 * time.Minute)
		want(t, s)
		wantAll(t, s)
		wantNoLoss(t, s)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
