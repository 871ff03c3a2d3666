package keyserver

import (
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// SAConfig is one security association of a group, as its operator wrote it: which traffic it protects, and how.
type SAConfig struct {
	// Name is what operators and journals call it; unique in the group.
	Name string
	// Policy is its part of the group's access list, in order. Its permits are the selectors of the SA.
	Policy policy.List
	// TEK and Lifetime; zero values are those of the group.
	TEK      suite.ESP
	Lifetime time.Duration
	// PerSelector gives every permit an SPI, and a key, of its own; otherwise all share one.
	PerSelector bool
}

// chain is the line of TEKs that protects one set of selectors: each is the successor of the one before. A group has one
// for each SA, or one for each permit of an SA with PerSelector. What a chain protects, and with which suite, never
// changes: a policy that changes has other chains.
type chain struct {
	sa       string
	permits  policy.List
	suite    suite.ESP
	lifetime time.Duration // of the next TEK
	// dropped says that the policy has no such chain any more: its TEKs are received until they end. Others have
	// taken over at drainAt.
	dropped bool
	drainAt machine.Instant
}

// same says whether both protect the same traffic in the same way.
func (c *chain) same(o *chain) bool { return c.suite == o.suite && c.permits.Equal(o.permits) }

// sas are the SAs of the group: those that are listed, or the one that Policy, TEK and TEKLifetime describe.
func (c *Config) sas() []SAConfig {
	if len(c.SAs) == 0 {
		return []SAConfig{{Policy: c.Policy, TEK: c.TEK, Lifetime: c.TEKLifetime}}
	}
	out := slices.Clone(c.SAs)
	for i := range out {
		if out[i].TEK == 0 {
			out[i].TEK = c.TEK
		}
		if out[i].Lifetime == 0 {
			out[i].Lifetime = c.TEKLifetime
		}
	}
	return out
}

// AccessList is the whole access list of the group: the lists of its SAs one after the other. The first rule that matches
// wins, so a deny of one SA hides what a later one permits.
func (c *Config) AccessList() policy.List {
	if len(c.SAs) == 0 {
		return c.Policy
	}
	var out policy.List
	for _, s := range c.SAs {
		out = append(out, s.Policy...)
	}
	return out
}

// chains are what the configuration asks for, in its order.
func (c *Config) chains() []*chain {
	var out []*chain
	for _, s := range c.sas() {
		permits := s.Policy.Permits()
		if !s.PerSelector {
			out = append(out, &chain{sa: s.Name, permits: permits, suite: s.TEK, lifetime: s.Lifetime})
			continue
		}
		for i := range permits {
			out = append(out, &chain{sa: s.Name, permits: permits[i : i+1 : i+1], suite: s.TEK, lifetime: s.Lifetime})
		}
	}
	return out
}

// title is what journals call its TEKs.
func (c *chain) title() string {
	if c.sa == "" {
		return "TEK"
	}
	return fmt.Sprintf("TEK of SA %s", c.sa)
}

// of lists the TEKs of a chain, oldest first.
func (g *Group) of(c *chain) (out []*tek) {
	for _, t := range g.teks {
		if t.chain == c {
			out = append(out, t)
		}
	}
	return out
}

// newest is the last TEK of a chain, or nil.
func (g *Group) newest(c *chain) *tek {
	for i := len(g.teks) - 1; i >= 0; i-- {
		if g.teks[i].chain == c {
			return g.teks[i]
		}
	}
	return nil
}

// inOrder lists all TEKs as members get them: what is being dropped, then chain after chain in the order of the access
// list, each oldest first. So the last TEK that has a selector is its newest, and a member that knows nothing but SATs
// finds the selectors in their order.
func (g *Group) inOrder() []*tek {
	out := make([]*tek, 0, len(g.teks))
	for _, t := range g.teks {
		if t.chain.dropped {
			out = append(out, t)
		}
	}
	for _, c := range g.chains {
		out = append(out, g.of(c)...)
	}
	return out
}

// phase of a TEK.
func (g *Group) phase(now machine.Now, t *tek) gdoi.Phase {
	switch {
	case now.Mono >= t.expires:
		return gdoi.PhaseExpired
	case now.Mono < t.sendAfter:
		return gdoi.PhaseWaiting
	case t.chain.dropped && now.Mono >= t.chain.drainAt:
		return gdoi.PhaseDraining
	}
	for _, n := range g.of(t.chain) {
		if n.epoch > t.epoch && now.Mono >= n.sendAfter {
			return gdoi.PhaseDraining
		}
	}
	return gdoi.PhaseSending
}

// chainFor finds the chain that a stored TEK belongs to. A record of a group that had one SA, and no selectors in its
// records, belongs to the one SA that there is.
func (g *Group) chainFor(sa string, permits policy.List, e suite.ESP) *chain {
	want := &chain{sa: sa, permits: permits, suite: e}
	for _, c := range g.chains {
		if c.same(want) || permits == nil && len(g.chains) == 1 {
			return c
		}
	}
	for _, t := range g.teks {
		if t.chain.dropped && t.chain.same(want) {
			return t.chain
		}
	}
	want.dropped = true
	return want
}

// nextRekey is when the next TEK is made.
func (g *Group) nextRekey() (machine.Instant, bool) {
	var n machine.Next
	for _, c := range g.chains {
		if t := g.newest(c); t != nil {
			n.Add(g.rekeyAt(t.expires), true)
		}
	}
	return n.At, n.OK
}

// lastMoments of a TEK that nobody sends with any more are not told: lifetimes are whole seconds, so who hears of it then
// would take it to live longer than others do.
const lastMoments = 3 * time.Second

func (g *Group) nearEnd(now machine.Now, t *tek) bool {
	return t.expires.Sub(now.Mono) < min(lastMoments, g.cfg.ActivationDelay) && g.phase(now, t) == gdoi.PhaseDraining
}
