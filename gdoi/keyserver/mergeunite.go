package keyserver

import (
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/lkh"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// judge says whose KEKs may be in wrong hands.
func (m *merger) judge(now machine.Now) {
	g := m.g
	m.rival = g.past.rival(&m.in.past)
	m.theirKEKs = !m.in.past.knowsCutsOf(&g.past) || m.in.past.origin != g.past.origin
	m.ourKEKs = !g.past.knowsCutsOf(&m.in.past)
	if !m.rival {
		return
	}
	shared := slices.ContainsFunc(g.announceUnder(now), func(k *kek) bool { return m.in.kekWith(k.spi) != nil })
	for _, r := range m.in.members.sorted {
		if g.refused(r.peer) || !g.cfg.Authorise.Allows(r.peer.policyPeer()) {
			m.theirKEKs = true
			m.ourKEKs = m.ourKEKs || shared
		}
	}
}

func (g *Group) kekWith(spi gdoi.KEKSPI) *kek {
	if i := slices.IndexFunc(g.keks, func(k *kek) bool { return k.spi == spi }); i >= 0 {
		return g.keks[i]
	}
	return nil
}

func (g *Group) tekWith(spi gdoi.SPI) *tek {
	if i := slices.IndexFunc(g.teks, func(t *tek) bool { return t.spi == spi }); i >= 0 {
		return g.teks[i]
	}
	return nil
}

// generations: where counting of sender ids has begun anew on one side alone, what the other side has is void, for the same
// ids are given again. All key servers are in step when that begins, so the other side missed the very last moment.
func (m *merger) generations(now machine.Now, in *received, out machine.Effects) machine.Effects {
	g, theirs := m.g, uint64(0)
	for _, r := range in.replica.sids {
		theirs = max(theirs, r.Gen)
	}
	switch ours := g.replica.generation; {
	case theirs < ours && len(in.replica.sids) > 0:
		m.theirKEKs, m.void = true, true
	case theirs > ours:
		for id, r := range in.replica.sids {
			g.putSIDs(id, r)
		}
		out = g.reset(now, out)
		m.theirKEKs, m.void, m.news = true, true, true
	}
	return out
}

// numbers takes over how far the other side has counted: sender ids, and sequence numbers under KEKs that both have.
func (m *merger) numbers(now machine.Now, in *received) {
	g := m.g
	for id, r := range in.replica.sids {
		before := g.replica.sids[id]
		g.learnSIDs(now, id, r, false)
		m.news = m.news || g.replica.sids[id] != before
	}
	g.epoch = max(g.epoch, in.epoch)
	for _, k := range in.keks {
		ours := g.kekWith(k.spi)
		if ours != nil && ours.key.Equal(k.key) && k.seq > ours.seq {
			ours.seq = k.seq
			g.openWindow(ours)
			m.news = true
		}
		if e, gone := g.past.ended[kekKey(k.spi)]; gone && k.seq > e.seq {
			g.remember(kekKey(k.spi), 0, k.seq) // it may come again
			m.news = true
		}
	}
	for _, k := range g.keks {
		if e := in.past.ended[kekKey(k.spi)]; e.seq > k.seq {
			// It has ended over there, and the last words under it had higher numbers.
			k.seq = e.seq
			g.openWindow(k)
			m.news = true
		}
	}
}

// uniteMembers puts members on the list that registered over there, and takes those out of the key tree whose path in it
// may be another one there.
func (m *merger) uniteMembers() {
	g := m.g
	nodes := map[lkh.NodeID]*lkh.Node{}
	for _, n := range m.in.tree.restored {
		nodes[n.ID] = n
	}
	for _, r := range m.in.members.sorted {
		if g.refused(r.peer) || !g.cfg.Authorise.Allows(r.peer.policyPeer()) {
			continue
		}
		i, ok := g.members.search(r.key)
		if !ok && !m.rival && r.at != m.from {
			continue // it left the list here since
		}
		if !ok || g.members.sorted[i].registered < r.registered && !slices.Equal(g.members.sorted[i].sids, r.sids) {
			if a, _ := g.adoptMember(r, r.at); a != nil {
				m.news = true
			}
			continue
		}
		ours := g.members.sorted[i]
		if m.rival && ours.slot != noSlot && !g.tree.Agrees(lkh.Slot(ours.slot), nodes) {
			leaf := g.tree.Leaf(lkh.Slot(ours.slot)) // the member has it still
			g.vacate(ours)
			ours.holdLeaf(leaf)
			g.durable.member(ours)
			m.news = true
		}
	}
}

// uniteRemovals refuses those who were removed over there. Where we know all KEKs that were made for that, we have done so
// before, and have readmitted whom we do not refuse.
func (m *merger) uniteRemovals() {
	g := m.g
	if g.past.knowsCutsOf(&m.in.past) {
		return
	}
	for _, r := range m.in.removed {
		key := r.peer.key()
		if g.removalOf(key) != nil {
			continue
		}
		c := &removal{r.peer, r.at}
		g.removed = append(g.removed, c)
		mark(&g.durable.removed, key, c)
		m.news = true
	}
	sortRemovals(g.removed)
	for _, o := range g.members.sorted {
		if g.refused(o.peer) || g.removalOf(o.key) != nil {
			m.gone = append(m.gone, o)
		}
	}
}

// maxTimeAhead is how far the group's time may go forward for another side. It never goes back.
const maxTimeAhead = time.Hour

// uniteTime goes on with the time that is ahead: members believe no other.
func (m *merger) uniteTime(now machine.Now) {
	g := m.g
	ours, theirs := &g.time, &m.in.time
	if !m.rival || !ours.begun || !theirs.begun {
		return
	}
	d := theirs.now(now.Mono) - ours.now(now.Mono)
	switch {
	case d.Abs() > maxTimeAhead:
		ours.series = max(ours.series, theirs.series) + 1 // registrations tell it
	case d > 0:
		ours.base += d
	}
	ours.series = max(ours.series, theirs.series)
}

// takeRatchets goes on with those that are further, and else the same.
func (m *merger) takeRatchets() {
	g := m.g
	for context, r := range m.in.ratchets {
		ours := g.ratchets[context]
		if ours == nil || ours.seed != r.seed || ours.step >= r.step {
			continue
		}
		ours.secret.Destroy()
		ours.secret, ours.step, ours.ends = r.secret.Clone(), r.step, r.ends
		g.keepRatchet(context)
		m.news = true
	}
}

// unitePast remembers what the other side does.
func (m *merger) unitePast() {
	g, p, o := m.g, &m.g.past, &m.in.past
	for spi, at := range o.cuts {
		if _, ok := p.cuts[spi]; !ok {
			g.putCut(spi, at)
		}
	}
	for key, e := range o.ended {
		if _, ok := p.ended[key]; !ok && len(p.ended) < maxEnded && !g.alive(key) {
			mark(&p.ended, key, e)
			g.mustWrite(endedKind + "/" + key)
		}
	}
	if o.origin != p.origin {
		return
	}
	for _, r := range append(slices.Clone(o.others), o.reign) {
		if p.know(r) {
			g.mustWrite(descentKey)
		}
	}
}

// alive says whether the key of a record is one of ours.
func (g *Group) alive(key string) bool {
	return slices.ContainsFunc(g.teks, func(t *tek) bool { return tekKey(t.spi) == key }) ||
		slices.ContainsFunc(g.keks, func(k *kek) bool { return kekKey(k.spi) == key })
}
