package keyserver

import (
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

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
