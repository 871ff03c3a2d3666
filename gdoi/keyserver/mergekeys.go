package keyserver

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// merging is a merge under way: foreign keys that are still alive.
type merging struct {
	from coop.ID
	teks []gdoi.SPI
	keks []gdoi.KEKSPI
	// hold is until when nobody is registered: a newcomer would send with a key that some do not have yet.
	hold     machine.Instant
	launched bool // the first message has gone to everybody
}

// maxForeignKEKs of one side are announced under. A side has two while one of them is young.
const maxForeignKEKs = 4

const mergeKey = "merge"

type mergeRecord struct {
	From coop.ID
	TEKs []gdoi.SPI `json:",omitempty"`
	KEKs []string   `json:",omitempty"`
	Hold time.Time
}

// Merging says that keys of several sides are being brought together.
func (g *Group) Merging() bool { return g.merging != nil }

// takeTEKs puts the TEKs of the other side that we do not have between those that both have and those that only we have.
func (m *merger) takeTEKs(now machine.Now) {
	g := m.g
	all := m.foreignTEKs(now)
	for _, c := range g.chains {
		if t := g.newest(c); t != nil && !m.ourKEKs {
			if _, gone := m.in.past.ended[tekKey(t.spi)]; gone {
				// Their members do not take it back.
				m.roll = append(m.roll, c)
			}
		}
	}
	var chains []*chain
	for _, t := range all {
		if !slices.Contains(chains, t.chain) {
			chains = append(chains, t.chain)
		}
	}
	for _, c := range g.chains {
		if !slices.Contains(chains, c) {
			chains = append(chains, c)
		}
	}
	for _, c := range chains {
		m.weave(now, c, all)
	}
}

// foreignTEKs lists those that we do not have and may take, with keys of their own.
func (m *merger) foreignTEKs(now machine.Now) []*tek {
	g := m.g
	var out []*tek
	for _, t := range m.in.teks {
		_, gone := g.past.ended[tekKey(t.spi)]
		if m.void || gone || g.HasSPI(t.spi) || t.expires.Sub(now.Mono) < min(lastMoments, g.cfg.ActivationDelay) {
			continue
		}
		c := t.chain
		if !slices.Contains(g.chains, c) {
			c = g.chainFor(c.sa, c.permits, t.suite)
			if i := slices.IndexFunc(out, func(o *tek) bool { return o.chain.same(c) }); i >= 0 {
				c = out[i].chain
			}
		}
		out = append(out, &tek{
			spi: t.spi, suite: t.suite, key: t.key.Clone(), chain: c, created: min(t.created, now.Mono), sendAfter: t.sendAfter,
			expires: t.expires, stamped: t.stamped && g.cfg.AntiReplay.Demand,
		})
	}
	for len(out) > 0 && g.crowded(out) {
		out[0].key.Destroy() // the oldest is needed least
		out = out[1:]
	}
	return out
}

// crowded says whether a PUSH has no room for these TEKs beside ours and the next.
func (g *Group) crowded(foreign []*tek) bool {
	var all []sized
	count := func(c *chain, n int) {
		if i := slices.IndexFunc(all, func(s sized) bool { return s.chain == c }); i >= 0 {
			all[i].teks += n
		} else {
			all = append(all, sized{c, n})
		}
	}
	for _, c := range g.chains {
		count(c, 1)
	}
	for _, t := range slices.Concat(g.teks, foreign) {
		count(t.chain, 1)
	}
	return g.cfg.fit(all) != nil
}

// weave brings the TEKs of one chain into their order.
func (m *merger) weave(now machine.Now, c *chain, all []*tek) {
	g := m.g
	ours := g.of(c)
	var foreign []*tek
	for _, t := range all {
		if t.chain == c {
			foreign = append(foreign, t)
		}
	}
	last := -1 // of ours, the last that both have
	for i, t := range ours {
		if m.in.tekWith(t.spi) != nil {
			last = i
		}
	}
	older, both, onlyOurs := foreign[:0:0], ours[:last+1], ours[last+1:]
	if last >= 0 {
		// What precedes a key that both have is older than it.
		order := m.in.before(both[last].spi)
		older, foreign = partition(foreign, func(t *tek) bool { return order[t.spi] })
	}
	theirs := m.newestOf(c)
	for _, t := range both {
		if o := m.in.tekWith(t.spi); o != nil && o.expires < t.expires.Add(-time.Second) && (g.merging == nil || !slices.Contains(g.merging.teks, t.spi)) {
			// Their members give it up then, and all others must have gone on; unless a third side still sends with it.
			t.expires = o.expires
			g.durable.tek(t)
			m.keys = true
		}
	}
	if len(onlyOurs) > 0 && theirs != nil {
		if t := g.tekWith(theirs.spi); t != nil && !m.void {
			// They send with it, and go on until all of them have ours.
			if end := min(theirs.expires, now.Mono.Add(4*g.cfg.ActivationDelay)); end > t.expires {
				t.expires = end
				g.durable.tek(t)
				m.keys = true
			}
			if !m.met(onlyOurs) {
				m.foreign.teks = append(m.foreign.teks, t.spi)
			}
		}
	}
	if len(onlyOurs) > 0 && theirs != nil && (len(foreign) > 0 || !m.met(onlyOurs)) {
		// Members that are reached through them may lack ours, and need time to hear of it.
		at := now.Mono.Add(g.activation(theirs.expires.Sub(now.Mono)))
		for _, t := range onlyOurs {
			t.sendAfter = max(t.sendAfter, at)
			g.durable.tek(t)
		}
		m.keys = true
	}
	if len(older)+len(foreign) == 0 {
		return
	}
	m.keys = true
	end := now.Mono.Add(4 * g.cfg.ActivationDelay)
	adopted := len(onlyOurs) == 0 && !m.theirKEKs && !m.ourKEKs && !c.dropped
	for i, t := range slices.Concat(older, foreign) {
		m.foreign.teks = append(m.foreign.teks, t.spi)
		if adopted && i == len(older)+len(foreign)-1 {
			// They are ahead of us, and we follow.
			m.foreign.teks = m.foreign.teks[:len(m.foreign.teks)-1]
			if last >= 0 {
				t.sendAfter = max(t.sendAfter, now.Mono.Add(g.activation(both[last].expires.Sub(now.Mono))))
			}
			continue
		}
		t.expires = min(t.expires, end)
		t.sendAfter = min(t.sendAfter, t.expires)
	}
	if !adopted && len(onlyOurs) == 0 && !m.ourKEKs && !c.dropped && !slices.Contains(m.roll, c) {
		m.roll = append(m.roll, c)
	}
	// New epochs for all that move, so that the order is in the records.
	g.teks = slices.DeleteFunc(g.teks, func(t *tek) bool { return t.chain == c })
	for _, t := range slices.Concat(older, both, foreign, onlyOurs) {
		g.epoch++
		t.epoch = g.epoch
		g.teks = append(g.teks, t)
		g.durable.tek(t)
	}
}

// met says whether members of the other side were told of these TEKs when another key server of it, or this one, came.
func (m *merger) met(list []*tek) bool {
	at, ok := m.g.met[m.in.past.reign.name]
	return ok && !m.rival && !slices.ContainsFunc(list, func(t *tek) bool { return t.created > at })
}

// before names the TEKs of a chain that come before one of it.
func (g *Group) before(spi gdoi.SPI) map[gdoi.SPI]bool {
	out := map[gdoi.SPI]bool{}
	t := g.tekWith(spi)
	for _, o := range g.of(t.chain) {
		if o == t {
			break
		}
		out[o.spi] = true
	}
	return out
}

// newestOf is the newest TEK that the other side has in a chain.
func (m *merger) newestOf(c *chain) (newest *tek) {
	for _, t := range m.in.teks {
		if t.chain.same(c) {
			newest = t
		}
	}
	return newest
}

func partition[E any](s []E, is func(E) bool) (yes, no []E) {
	for _, e := range s {
		if is(e) {
			yes = append(yes, e)
		} else {
			no = append(no, e)
		}
	}
	return yes, no
}

// takeKEKs puts the KEKs under which the other side is reached before ours, and returns those that are only to be ended.
func (m *merger) takeKEKs(now machine.Now) (dead []*kek) {
	g := m.g
	theirs := m.in.announceUnder(now)
	theirs = theirs[max(0, len(theirs)-maxForeignKEKs):]
	var under []*kek
	for _, k := range theirs {
		e := g.past.ended[kekKey(k.spi)]
		ours := g.kekWith(k.spi)
		switch {
		case ours != nil && !ours.key.Equal(k.key):
		case ours != nil && !m.theirKEKs:
			under = append(under, ours)
		case ours != nil && slices.Contains(g.announceUnder(now), ours):
			// Whoever must not have it is shut out by an exclusion.
		default:
			c := m.copyKEK(now, k, e)
			if ours != nil {
				c.seq = max(c.seq, ours.seq)
			}
			m.ownWindow(c)
			if m.theirKEKs {
				c.seq++
				dead = append(dead, c)
				continue
			}
			under = append(under, c)
			m.foreign.keks = append(m.foreign.keks, c.spi)
			m.keys = true
		}
	}
	if len(under) > 0 {
		m.reorder(now, under)
	}
	return dead
}

// copyKEK is a KEK of the other side as we use it.
func (m *merger) copyKEK(now machine.Now, k *kek, e ended) *kek {
	g := m.g
	c := *k
	c.key, c.iv = k.key.Clone(), k.iv.Clone()
	c.sign = signing{g.cfg.SignKey, k.sign.hash, g.cfg.SignPublic, g.public}
	c.seq, c.lost = max(k.seq, e.seq), false
	c.created = min(c.created, now.Mono)
	c.expires = min(c.expires, now.Mono.Add(4*g.cfg.ActivationDelay))
	if c.dst != g.cfg.Multicast {
		c.dst = netip.AddrPort{} // where it would have us send to is not for it to say
	}
	return &c
}

// ownWindow moves a copy of a KEK to numbers that the other side has not used.
func (m *merger) ownWindow(k *kek) {
	m.g.openWindow(k)
	if m.g.kekWith(k.spi) != k {
		delete(m.g.durable.keks, k.spi) // it is not one of ours, or not yet
	}
}

// reorder puts KEKs under which the other side is reached before those under which ours is. Until 2A from now PUSH messages
// go out under all of them.
func (m *merger) reorder(now machine.Now, theirs []*kek) {
	g := m.g
	ours := g.announceUnder(now)
	is := func(list []*kek) func(*kek) bool { return func(k *kek) bool { return slices.Contains(list, k) } }
	_, onlyOurs := partition(ours, is(theirs))
	all := slices.Concat(theirs, onlyOurs)
	if slices.Equal(all, ours) {
		return
	}
	_, rest := partition(g.keks, is(all))
	g.keks = slices.Concat(rest, all)
	at := now.Mono.Add(2 * g.cfg.ActivationDelay)
	all[0].active = min(all[0].active, now.Mono)
	for _, k := range all[1:] {
		k.active = max(k.active, at)
	}
	for i := len(g.keks) - 1; i >= 0; i-- {
		if k := g.keks[i]; i < len(g.keks)-1 {
			// Records are in the order of their making.
			k.created = min(k.created, g.keks[i+1].created-1)
		}
		g.durable.kek(g.keks[i])
	}
	m.keys = true
}

// begin notes that a merge is under way.
func (m *merger) begin(now machine.Now, out machine.Effects) machine.Effects {
	g := m.g
	f := m.foreign
	f.hold = now.Mono.Add(g.cfg.ActivationDelay)
	if old := g.merging; old != nil {
		f.teks, f.keks = append(slices.Clone(old.teks), f.teks...), append(slices.Clone(old.keks), f.keks...)
	}
	g.merging = &f
	g.mustWrite(mergeKey)
	g.version++
	if _, on := g.again.Deadline(); !on {
		g.again.Set(now.Mono.Add(g.cfg.ActivationDelay)) // once more, because nobody would miss it
	}
	severity := machine.Info
	if len(m.foreign.keks) > 0 || m.theirKEKs || m.ourKEKs || len(g.merging.teks) > 0 {
		severity = machine.Warning
	}
	return append(out, g.note(gdoi.NoteCoopMerge, severity, fmt.Sprintf("key server %d: %v", m.from, m), machine.F("from", fmt.Sprint(m.from))))
}

// holdAfter the first message has gone to everybody.
func (g *Group) holdAfter() time.Duration { return min(time.Second, g.cfg.ActivationDelay/8) }

// held says whether registrations wait until all members have been told of all keys.
func (g *Group) held(now machine.Now) error {
	if g.merging == nil || now.Mono >= g.merging.hold {
		return nil
	}
	return fmt.Errorf("%w: keys of two sides are being brought together", ErrStandby)
}

// sentMerge ends the wait when the first message has gone to everybody.
func (g *Group) sentMerge(now machine.Now, out machine.Effects) machine.Effects {
	m := g.merging
	if m == nil || m.launched || !g.Active() || g.exclusion != nil && g.exclusion.pending() ||
		slices.ContainsFunc(g.deliveries, func(d *delivery) bool { return d.tx == nil || d.tx.Round() == 0 }) {
		return out
	}
	m.launched = true
	after := now.Mono
	if len(g.deliveries) > 0 {
		after = after.Add(g.holdAfter())
	}
	m.hold = min(m.hold, after)
	g.mustWrite(mergeKey)
	return g.flush(now, out)
}

// endMerge says when the last foreign key has ended.
func (g *Group) endMerge(now machine.Now, out machine.Effects) machine.Effects {
	m := g.merging
	if m == nil || now.Mono < m.hold || slices.ContainsFunc(m.teks, func(s gdoi.SPI) bool { return g.tekWith(s) != nil }) ||
		slices.ContainsFunc(m.keks, func(s gdoi.KEKSPI) bool { return g.kekWith(s) != nil }) {
		return out
	}
	g.merging = nil
	g.mustWrite(mergeKey)
	return append(out, g.note(gdoi.NoteCoopOneEpoch, machine.Info, "the keys of the other side have ended: all members have one set of keys"))
}

func addresses(list []*member) []netip.AddrPort {
	out := make([]netip.AddrPort, len(list))
	for i, m := range list {
		out[i] = m.peer.Addr
	}
	return out
}

func encodeMerging(now machine.Now, m *merging) []byte {
	if m == nil {
		return nil
	}
	r := mergeRecord{From: m.from, TEKs: m.teks, Hold: now.WallAt(m.hold)}
	for _, s := range m.keks {
		r.KEKs = append(r.KEKs, s.String())
	}
	return encode(r)
}

func (g *Group) restoreMerging(now machine.Now, b []byte) error {
	var r mergeRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	m := &merging{from: r.From, teks: r.TEKs, hold: min(now.MonoAt(r.Hold), now.Mono.Add(g.cfg.ActivationDelay))}
	for _, s := range r.KEKs {
		spi, err := hex.DecodeString(s)
		if err != nil || len(spi) != len(gdoi.KEKSPI{}) {
			return errRecord
		}
		m.keks = append(m.keks, gdoi.KEKSPI(spi))
	}
	g.merging = m
	return nil
}
