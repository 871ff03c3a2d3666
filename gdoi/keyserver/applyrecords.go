package keyserver

import (
	"bytes"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/gdoi/lkh"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// missing lists records that there are and that a complete list does not have. What is to be reported stays.
func (g *Group) missing(in *received) (out []string) {
	for _, key := range g.keys() {
		kind, _, _ := strings.Cut(key, "/")
		_, unreported := g.replica.reports[key]
		if !in.has[key] && !unreported && kind != sidsKind && kind != trustKind && kind != transportKind && kind != countersKey && g.exists(key) {
			out = append(out, key)
		}
	}
	return out
}

// removeRecord does what its deletion means.
func (g *Group) removeRecord(key string, out machine.Effects) machine.Effects {
	kind, name, _ := strings.Cut(key, "/")
	switch kind {
	case "tek":
		if t := g.tekOf(name); t != nil {
			return g.retireTEK(slices.Index(g.teks, t), "replicated", out)
		}
	case "kek":
		if k := g.kekOf(name); k != nil {
			return g.retireKEK(slices.Index(g.keks, k), "replicated", out)
		}
	case "member":
		if i, ok := g.members.search(name); ok {
			m := g.members.sorted[i]
			m.slot = noSlot // the tree comes by itself
			return g.dropMember(m, out)
		}
	case "removed":
		if r := g.removalOf(name); r != nil {
			g.removed = slices.DeleteFunc(g.removed, func(o *removal) bool { return o == r })
			mark(&g.durable.removed, name, nil)
		}
	case ratchetKey:
		g.takeRatchet(name, nil)
	case descentKey, reignKey, endedKind, cutKind, mergeKey:
		g.removePast(key)
	case "lkh":
		if id, err := parseNode(name); err == nil {
			g.tree.Set(lkh.Node{ID: id})
		}
	case staleKey:
		g.tree.SetStale(nil)
	case exclusionKey:
		g.endExclusion()
	case timeKey:
		g.time = pseudotime{ended: g.time.begun || g.time.ended}
	}
	return out
}

// takeTEKs puts what was received in the place of what there was, and says whether there is a new one.
func (g *Group) takeTEKs(in *received) (news bool) {
	for _, t := range in.teks {
		if t.chain.dropped {
			t.chain = g.chainFor(t.chain.sa, t.chain.permits, t.suite)
		}
		if i := slices.IndexFunc(g.teks, func(o *tek) bool { return o.spi == t.spi }); i >= 0 {
			g.teks[i].key.Destroy()
			g.teks[i] = t
		} else {
			g.teks = append(g.teks, t)
			news = true
		}
		g.durable.tek(t)
	}
	in.teks = nil
	g.sortKeys()
	return news
}

// takeKEKs does the same.
func (g *Group) takeKEKs(now machine.Now, in *received) (news bool) {
	for _, k := range in.keks {
		k.floor = g.floorOf(now, k)
		if i := slices.IndexFunc(g.keks, func(o *kek) bool { return o.spi == k.spi }); i >= 0 {
			old := g.keks[i]
			k.seq, k.floor = max(k.seq, old.seq), old.floor
			k.coming, k.missing, k.fetches = old.coming, old.missing, old.fetches
			if old.missing || !bytes.Equal(g.ownCopy(k), g.ownCopy(old)) {
				in.arrived = append(in.arrived, k)
			}
			old.key.Destroy()
			old.iv.Destroy()
			g.keks[i] = k
		} else {
			g.keks = append(g.keks, k)
			in.arrived = append(in.arrived, k)
			news = true
		}
		g.durable.kek(k)
	}
	in.keks = nil
	g.sortKeys()
	return news
}

func (g *Group) takeMembers(in *received) {
	for _, r := range in.members.sorted {
		if _, ours := g.replica.reports[memberKey(r.key)]; ours {
			if i, ok := g.members.search(r.key); ok && g.members.sorted[i].registered > r.registered {
				continue // it has registered here meanwhile
			}
		}
		if old := g.members.byAddr[r.peer.Addr]; old != nil && old.key != r.key {
			old.slot = noSlot
			old.holdLeaf(nil)
			g.members.remove(old)
			g.durable.deleteMember(old.key)
		}
		m := g.members.put(r.peer)
		m.registered, m.registrations, m.sids, m.left, m.asked, m.slot, m.at = r.registered, r.registrations, r.sids, r.left, r.asked, r.slot, r.at
		m.epoch = r.epoch
		m.holdLeaf(r.giveLeaf())
		g.watch(m)
		g.durable.member(m)
	}
	in.members.forget() // those that were not taken
}

// takeRatchet puts a ratchet in the place of the one that there was; nil: there is none any more.
func (g *Group) takeRatchet(context string, r *ratchet) {
	if old := g.ratchets[context]; old != nil {
		old.secret.Destroy()
		delete(g.ratchets, context)
	}
	if r != nil {
		mark(&g.ratchets, context, r)
	}
	mark(&g.durable.ratchets, context, r)
}

// takeRest takes what is neither key nor member.
func (g *Group) takeRest(now machine.Now, in *received) {
	if in.has[countersKey] {
		g.epoch = max(g.epoch, in.epoch)
		g.tree.Raise(in.tree.restoredHandle)
	}
	for _, r := range in.removed {
		key := r.peer.key()
		g.removed = slices.DeleteFunc(g.removed, func(o *removal) bool { return o.peer.key() == key })
		g.removed = append(g.removed, r)
		mark(&g.durable.removed, key, r)
	}
	sortRemovals(g.removed)
	for _, n := range in.tree.restored {
		g.tree.Set(*n)
	}
	in.tree.restored = nil
	if in.tree.stale != nil {
		g.tree.SetStale(in.tree.stale)
	}
	for context, r := range in.ratchets {
		g.takeRatchet(context, r)
	}
	in.ratchets = nil
	g.takePast(in.Group)
	if in.exclusion != nil {
		g.exclusion = in.exclusion
		g.durable.exclusion = true
	}
	if in.time.begun {
		in.time.again = g.time.again
		g.time = in.time
	}
	if p := in.replica.policy; p != nil {
		g.replica.policy, g.replica.policyAt = p, in.replica.policyAt
		g.told, g.policyAt, g.former = in.told, in.policyAt, in.former
		g.durable.policy = true
	}
	for id, r := range in.replica.sids {
		g.learnSIDs(now, id, r, true)
	}
	for id, der := range in.replica.trust {
		mark(&g.replica.trust, id, der)
		delete(g.replica.formers, id)
		delete(g.replica.untold, id)
		if in.replica.untold[id] {
			mark(&g.replica.untold, id, true)
		}
		if former := in.replica.formers[id]; former != nil {
			mark(&g.replica.formers, id, former)
		}
		mark(&g.durable.trust, id, true)
	}
	for id, key := range in.replica.transports {
		mark(&g.replica.transports, id, key)
		mark(&g.durable.transports, id, true)
	}
}
