package keyserver

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Change says what a new configuration does to a running group.
type Change struct {
	// Kept, Made and Dropped are the SAs (with PerSelector: the selectors) that go on untouched, that get a first key, and
	// that lose their last one when it ends.
	Kept, Made, Dropped []SAChange
	// Policy says that the access list changes, Mode that the mode does, Delay that the activation delay does; Lifetimes
	// that lifetimes do, which is for the next keys.
	Policy, Mode, Delay, Lifetimes bool
	// Time says that the time window does.
	Time bool
	// KEK says that the KEK is replaced.
	KEK bool
	// Announce says that a PUSH goes out at once.
	Announce bool
	// In is when members act upon it, from now.
	In time.Duration
	// Drain is how long the TEKs of dropped SAs live on; 0 if there are none.
	Drain time.Duration
	// Unauthorised are members on the list that the new configuration does not let in. They keep their keys until they are
	// removed.
	Unauthorised []Peer
}

// SAChange is one SA in a Change.
type SAChange struct {
	SA        string
	Selectors []string
	Suite     suite.ESP
	// Lives is how long the last TEK lives from now.
	Lives time.Duration
}

// Rekeys says whether any key is replaced.
func (c *Change) Rekeys() bool { return c.KEK || len(c.Made) > 0 }

// Compare says what Reconfigure would do, and does nothing. With immediately, what is dropped ends at once.
func (g *Group) Compare(now machine.Now, cfg Config, immediately bool) (Change, error) {
	c, _, _, err := g.compare(now, cfg, immediately)
	return c, err
}

// compare also returns the configuration with defaults and its chains, those that go on among them.
func (g *Group) compare(now machine.Now, cfg Config, immediately bool) (ch Change, full Config, chains []*chain, err error) {
	if err := cfg.Validate(); err != nil {
		return ch, cfg, nil, err
	}
	cfg = cfg.effective()
	cfg.SPIInUse = g.cfg.SPIInUse
	if cfg.SignBase == g.cfg.SignBase && g.signer.base == cfg.SignBase && g.signer.key == g.cfg.SignKey {
		// The configuration was read before a rotation: it names a key that may be destroyed by now.
		cfg.SignKey, cfg.SignPublic = g.cfg.SignKey, g.cfg.SignPublic
	}
	switch {
	case cfg.Name != g.cfg.Name || cfg.ID != g.cfg.ID:
		return ch, cfg, nil, fmt.Errorf("%w %q: its name or id changes: that is another group; restart the key server", ErrConfig, g.cfg.Name)
	case (cfg.Coop == nil) != (g.cfg.Coop == nil) || cfg.Coop != nil && cfg.Coop.ID != g.cfg.Coop.ID:
		return ch, cfg, nil, fmt.Errorf("%w %q: its cooperation with other key servers changes; restart the key server", ErrConfig, g.cfg.Name)
	case cfg.Custody != g.cfg.Custody:
		return ch, cfg, nil, fmt.Errorf("%w %q: where its KEKs are kept changes; restart the key server", ErrConfig, g.cfg.Name)
	case g.unbegun():
		return ch, cfg, nil, fmt.Errorf("it has no keys yet: %w", g.renewable())
	case cfg.SIDBits != g.cfg.SIDBits:
		return ch, cfg, nil, fmt.Errorf("%w %q: sender-ids bits change from %d to %d: members would use IVs twice under the keys that they hold; restart the key server without the group's state",
			ErrConfig, g.cfg.Name, g.cfg.SIDBits, cfg.SIDBits)
	}
	chains = cfg.chains()
	old := slices.Clone(g.chains)
	for i, c := range chains {
		found := g.find(c)
		if found == nil {
			ch.Made = append(ch.Made, SAChange{c.sa, c.permits.Strings(), c.suite, c.lifetime})
			continue
		}
		ch.Lifetimes = ch.Lifetimes || found.lifetime != c.lifetime
		ch.Kept = append(ch.Kept, g.lives(now, found))
		ch.Policy = ch.Policy || found.dropped
		chains[i] = found
		old = slices.DeleteFunc(old, func(o *chain) bool { return o == found })
	}
	left := 4 * g.cfg.ActivationDelay
	for _, t := range g.teks {
		if t.chain.dropped && t.chain.drainAt > now.Mono {
			// A change before this one has not come into force: members still send with what it drops.
			left = min(left, g.newest(t.chain).expires.Sub(now.Mono))
		}
	}
	for _, c := range old {
		s := g.lives(now, c)
		left = min(left, s.Lives)
		s.Lives = min(s.Lives, drain(c, cfg.ActivationDelay))
		if immediately {
			s.Lives = 0
		}
		ch.Drain = max(ch.Drain, s.Lives)
		ch.Dropped = append(ch.Dropped, s)
	}
	ch.Policy = ch.Policy || len(ch.Made)+len(ch.Dropped) > 0 || !cfg.AccessList().Equal(g.cfg.AccessList())
	ch.Mode = cfg.Mode != g.cfg.Mode
	ch.Time = cfg.AntiReplay != g.cfg.AntiReplay
	ch.Delay = cfg.ActivationDelay != g.cfg.ActivationDelay
	ch.Lifetimes = ch.Lifetimes || cfg.KEKLifetime != g.cfg.KEKLifetime
	ch.KEK = cfg.KEK != g.cfg.KEK || cfg.SignKey != g.cfg.SignKey || cfg.SignHash != g.cfg.SignHash || !bytes.Equal(cfg.SignPublic, g.cfg.SignPublic) ||
		cfg.Multicast != g.cfg.Multicast || cfg.Ack != g.cfg.Ack
	ch.Announce = ch.Policy || ch.Mode || ch.Delay || ch.KEK || ch.Time
	if (ch.Policy || ch.Mode) && !immediately {
		ch.In = min(2*cfg.ActivationDelay, left/2)
		for _, t := range g.teks {
			// The message has one ATD, for TEKs that are waiting as well.
			ch.In = max(ch.In, t.sendAfter.Sub(now.Mono))
		}
	}
	for _, m := range g.members.sorted {
		if !cfg.Authorise.Allows(m.peer.policyPeer()) {
			ch.Unauthorised = append(ch.Unauthorised, m.peer)
		}
	}
	if err := g.roomFor(&cfg, chains); err != nil {
		return ch, cfg, nil, fmt.Errorf("group %s: %w", g.cfg.Name, err)
	}
	if (ch.Rekeys() || ch.Lifetimes || ch.Delay) && !g.replica.standby {
		// Keys that only one side of a split has could not be read on the other, nor may they make the same ones at other times.
		err = g.onSchedule()
	}
	return ch, cfg, chains, err
}

// find is the chain of the group that protects the same in the same way, or nil; one that is being dropped comes back.
func (g *Group) find(want *chain) *chain {
	for _, c := range g.chains {
		if c.same(want) {
			return c
		}
	}
	for _, t := range g.teks {
		if t.chain.same(want) {
			return t.chain
		}
	}
	return nil
}

func (g *Group) lives(now machine.Now, c *chain) SAChange {
	s := SAChange{SA: c.sa, Selectors: c.permits.Strings(), Suite: c.suite}
	if t := g.newest(c); t != nil {
		s.Lives = max(0, t.expires.Sub(now.Mono))
	}
	return s
}

// drain is how long a TEK of a chain that is dropped lives on, if it does not end before.
func drain(c *chain, delay time.Duration) time.Duration {
	return max(minOldLife, min(c.lifetime/oldPart, maxOldLife), 4*delay)
}

// Reconfigure gives a running group another configuration. SAs that are the same go on untouched; others get their first
// TEK, which is sent with, as the new access list comes into force, after 2A, while the TEKs of what they replace live on
// for MIN(what remains, MAX(90 s, MIN(5 %, 3600 s))), but no less than 4A. With immediately they end at once, and traffic
// may be lost. Lifetimes are for the next keys. A PUSH announces what members have to know. After an error nothing has
// changed.
func (g *Group) Reconfigure(now machine.Now, cfg Config, immediately bool, out machine.Effects) (Change, machine.Effects, error) {
	out = g.replaceDue(now, out)
	ch, cfg, chains, err := g.compare(now, cfg, immediately)
	if err != nil {
		return ch, g.flush(now, out), err
	}
	public, err := suite.ParseSignatureKey(cfg.SignPublic)
	if err != nil {
		return ch, g.flush(now, out), err // cannot be: Validate has read it
	}
	if g.replica.standby {
		return ch, g.reconfigureStandby(now, cfg, out), nil
	}
	under := g.announceUnder(now)
	for i, c := range cfg.chains() {
		chains[i].sa, chains[i].lifetime = c.sa, c.lifetime
	}
	old := g.chains
	was := pull.Former{AccessList: g.cfg.AccessList(), Mode: g.cfg.Mode}
	g.cfg, g.public, g.digest = cfg, public, [32]byte{}
	g.beginTime(now, false)
	g.endTime()
	g.sidNext = max(g.sidNext, cfg.SIDFirst)
	if ch.Policy || ch.Mode {
		if now.Mono >= g.policyAt {
			g.former = was
		}
		g.policyAt = now.Mono.Add(ch.In)
		g.again.Stop()
		if ch.In > 0 {
			g.again.Set(now.Mono.Add(ch.In / 2))
		}
		g.version++
		g.durable.policy = true
	}
	var r rekeying
	for _, c := range chains {
		c.dropped = false
		if t := g.newest(c); t == nil || now.Mono >= g.rekeyAt(t.expires) {
			r.chains = append(r.chains, c)
		}
	}
	g.chains = chains
	g.pruneRatchets()
	for _, t := range g.teks {
		if t.chain.dropped && t.chain.drainAt > now.Mono {
			t.chain.drainAt = g.policyAt
		}
	}
	var gone []gdoi.SPI
	for _, c := range old {
		if slices.Contains(chains, c) {
			continue
		}
		for _, t := range g.of(c) {
			gone = append(gone, t.spi)
		}
		g.drop(now, c, g.policyAt)
	}
	if immediately {
		for _, spi := range gone {
			i := slices.IndexFunc(g.teks, func(t *tek) bool { return t.spi == spi })
			out = g.retireTEK(i, "replaced", out)
		}
	} else {
		gone = nil
	}
	r.kek = ch.KEK
	out = append(out, g.note(gdoi.NotePolicyChanged, machine.Info, ch.String()))
	out = g.unauthorised(ch, out)
	if !ch.Announce {
		out, _ = g.persist(now, out)
		return ch, out, nil
	}
	return ch, g.rekeyUnder(now, under, r, gone, out), nil
}

// drop begins the end of a chain that the policy has no more.
func (g *Group) drop(now machine.Now, c *chain, at machine.Instant) {
	c.dropped, c.drainAt = true, at
	end := now.Mono.Add(drain(c, g.cfg.ActivationDelay))
	for _, t := range g.of(c) {
		if t.expires > end {
			t.expires = end
			g.durable.tek(t)
		}
	}
}

func (g *Group) unauthorised(ch Change, out machine.Effects) machine.Effects {
	for _, p := range ch.Unauthorised {
		n := g.note(gdoi.NoteNotAuthorised, machine.Warning, fmt.Sprintf("%s is no longer authorised; it keeps its keys until it is removed", p.Identity))
		n.Peer, n.Reason = p.Addr.String(), "not-authorised"
		out = append(out, n)
	}
	return out
}

// String says it in one line.
func (c Change) String() string {
	if !c.Announce {
		if c.Lifetimes {
			return "no rekey; new lifetimes are those of the next keys"
		}
		return "no rekey"
	}
	text := fmt.Sprintf("%d SAs go on, %d get their first TEK, %d are dropped", len(c.Kept), len(c.Made), len(c.Dropped))
	if len(c.Dropped) > 0 {
		text += fmt.Sprintf(" (the last TEK lives %v)", c.Drain.Round(time.Second))
	}
	if c.KEK {
		text += "; new KEK"
	}
	return text + fmt.Sprintf("; in force in %v", c.In.Round(time.Second))
}

// repeatPolicy announces a change once more before it comes into force: members that missed it would not notice, since
// there may be no key that they lack.
func (g *Group) repeatPolicy(now machine.Now, out machine.Effects) machine.Effects {
	g.again.Stop()
	return g.rekey(now, rekeying{}, out)
}

// withdrawals are the DELETE payloads for TEKs.
func withdrawals(spis []gdoi.SPI) []isakmp.Delete {
	if len(spis) == 0 {
		return nil
	}
	return []isakmp.Delete{push.DeleteTEKs(spis...)}
}

// newPolicy treats a configuration that was changed while the key server was down like Reconfigure does.
func (g *Group) newPolicy(now machine.Now) {
	changed, left := !g.told, 4*g.cfg.ActivationDelay
	for _, t := range g.teks {
		if !t.chain.dropped {
			continue
		}
		if t.expires > now.Mono.Add(drain(t.chain, g.cfg.ActivationDelay)) {
			changed = true
		}
		left = min(left, max(0, g.newest(t.chain).expires.Sub(now.Mono)))
	}
	if changed {
		g.policyAt = now.Mono.Add(min(2*g.cfg.ActivationDelay, left/2))
		g.again.Set(now.Mono.Add(g.policyAt.Sub(now.Mono) / 2))
		g.durable.policy = true
	}
	for _, t := range g.teks {
		if t.chain.dropped {
			g.drop(now, t.chain, g.policyAt)
		}
	}
}
