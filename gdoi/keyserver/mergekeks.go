package keyserver

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// maxForeignKEKs of one side are announced under. A side has two while one of them is young.
const maxForeignKEKs = 4

// takeKEKs puts the KEKs under which the other side is reached before ours, and returns those that are only to be ended.
func (m *merger) takeKEKs(now machine.Now) (dead []*kek) {
	g := m.g
	theirs := m.in.announceUnder(now)
	theirs = theirs[max(0, len(theirs)-maxForeignKEKs):]
	var under []*kek
	for _, k := range theirs {
		e, gone := g.past.ended[kekKey(k.spi)]
		ours := g.kekWith(k.spi)
		switch {
		case ours != nil && !ours.key.Equal(k.key):
		case gone && m.met(nil): // it has ended since all of them were told of ours
		case ours == nil && k.name != "" && g.ownCopy(k) == nil:
			// Our custody cannot have it. Their members hear of ours by messages under it, which they do not know.
			m.keys = true
		case ours != nil && !m.theirKEKs:
			under = append(under, ours)
		case ours != nil && slices.Contains(g.announceUnder(now), ours):
			// Whoever must not have it is shut out by an exclusion.
		default:
			c := m.copyKEK(now, k, e)
			// It may have been ours too, before we lost our records, and they need not know how far we were.
			c.floor = g.floorOf(now, k)
			if ours != nil {
				c.seq, c.floor = max(c.seq, ours.seq), ours.floor
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
	c.wrapped, c.wraps, c.coming, c.missing, c.fetches = maps.Clone(k.wrapped), nil, nil, false, 0
	us := g.cfg.Coop.ID
	c.sign = g.signingTrusted(k.sign, m.in.replica.trust[us], m.in.replica.formers[us]) // as its members know us
	c.seq, c.floor = max(k.seq, e.seq), 0
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
