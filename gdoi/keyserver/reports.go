package keyserver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// reportable says whether a standby group reports a record that it has written by itself.
func (g *Group) reportable(key string) bool {
	return strings.HasPrefix(key, "member/") || key == sidsKey(g.cfg.Coop.ID)
}

// Reports lists what a standby group did by itself, and the primary does not have yet: members that it registered, its
// sender ids. n names the last of them for Reported.
func (g *Group) Reports(now machine.Now) (records []machine.Record, n uint64) {
	keys := make([]string, 0, len(g.replica.reports))
	for key := range g.replica.reports {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		records = append(records, g.record(key, g.encodeKey(now, key)))
	}
	return records, g.replica.reported
}

// Reported says that the primary has the reports up to n.
func (g *Group) Reported(n uint64) {
	for key, at := range g.replica.reports {
		if at <= n {
			delete(g.replica.reports, key)
		}
	}
	if g.replica.unvouched <= n {
		g.replica.unvouched = 0
	}
	if g.replica.standby {
		g.sidsConfirmed(n)
	}
}

// Adopt takes the reports of a secondary into the active group.
func (g *Group) Adopt(now machine.Now, ahead time.Duration, from coop.ID, records []machine.Record, out machine.Effects) (machine.Effects, error) {
	if g.replica.standby || g.cfg.Coop == nil || from == g.cfg.Coop.ID || g.withdrawn {
		return out, fmt.Errorf("group %s: this key server takes no reports of key server %d", g.cfg.Name, from)
	}
	for _, r := range records {
		if !strings.HasPrefix(r.Key, "member/") && r.Key != sidsKey(from) {
			return out, fmt.Errorf("group %s: key server %d reports a record %q, which is not its own", g.cfg.Name, from, r.Key)
		}
	}
	in, err := g.parse(now, ahead, records)
	if err != nil {
		return out, err
	}
	defer in.forget()
	if r, ok := in.replica.sids[from]; ok {
		g.learnSIDs(now, from, r, true)
	}
	for _, key := range in.dead {
		if i, ok := g.members.search(strings.TrimPrefix(key, "member/")); ok && g.members.sorted[i].at == from {
			out = g.dropMember(g.members.sorted[i], out)
		}
	}
	var gone, late []*member
	for _, r := range in.members.sorted {
		m, news := g.adoptMember(r, from)
		if m == nil {
			continue
		}
		switch {
		case !g.cfg.Authorise.Allows(m.peer.policyPeer()) || g.refused(m.peer):
			gone = append(gone, m)
			continue
		case news:
			n := g.note(gdoi.NoteGMRegistered, machine.Info, fmt.Sprintf("%s registered at key server %d", m.peer.Identity, from))
			n.Peer = m.peer.Addr.String()
			out = append(out, n)
			late = append(late, m)
		}
	}
	if len(gone) > 0 {
		// The secondary had not heard of their removal when it gave them the keys.
		for _, m := range gone {
			n := g.note(gdoi.NoteGMRemoved, machine.Warning, fmt.Sprintf("%s was removed, or is not authorised, and got keys from key server %d: it is removed again", m.peer.Identity, from))
			n.Peer = m.peer.Addr.String()
			out = append(out, n)
		}
		_, out = g.exclude(now, gone, false, out)
	}
	if g.exhausted() && g.cannotReset() == nil {
		out = g.sidsUsedUp(now, out)
	}
	out = g.tellLate(now, late, out)
	return g.flush(now, out), nil
}

// adoptMember puts a member on the list that has registered with another key server, unless it has registered here since.
func (g *Group) adoptMember(r *member, from coop.ID) (m *member, news bool) {
	if i, ok := g.members.search(r.key); ok {
		if old := g.members.sorted[i]; old.registered > r.registered && old.at != from {
			return nil, false
		}
	}
	if old := g.members.byAddr[r.peer.Addr]; old != nil && old.key != r.key {
		g.vacate(old)
		g.members.remove(old)
		g.durable.deleteMember(old.key)
	}
	m = g.members.put(r.peer)
	g.vacate(m) // it has no path from there
	news = m.registered != r.registered && !r.left
	m.registered, m.registrations, m.sids, m.left, m.asked, m.at, m.epoch, m.missed = r.registered, r.registrations, r.sids, r.left, r.asked, from, r.epoch, 0
	m.holdLeaf(r.giveLeaf())
	if m.left {
		g.stopSending(m.peer.Addr)
	}
	g.watch(m)
	g.durable.member(m)
	return m, news
}

// refused says whether somebody was removed, a member or not.
func (g *Group) refused(p Peer) bool {
	return slices.ContainsFunc(g.removed, func(r *removal) bool {
		return r.peer.Identity == p.Identity && r.peer.IDType == p.IDType
	})
}

// tellLate announces the keys to members that were given those of before by a secondary which did not have the new ones yet:
// they were not on the list when these were announced. While somebody is being excluded they register again by themselves.
func (g *Group) tellLate(now machine.Now, late []*member, out machine.Effects) machine.Effects {
	late = slices.DeleteFunc(late, func(m *member) bool {
		return m.left || g.shunned(m) || m.epoch >= g.epoch || g.members.byAddr[m.peer.Addr] != m
	})
	if len(late) == 0 || g.exclusion != nil {
		return out
	}
	if g.cfg.multicast() {
		return g.rekey(now, rekeying{}, out)
	}
	under := g.announceUnder(now)
	for _, k := range under {
		g.nextSeq(k)
		g.durable.kek(k)
	}
	out, after := g.persist(now, out)
	var to []netip.AddrPort
	for _, m := range late {
		to = append(to, m.peer.Addr)
	}
	c := g.campaignFor(late)
	for _, k := range under {
		out = g.announceTo(now, c, k, push.Message{Seq: k.seq, Offer: g.announcement(now, k)}, slices.Clone(to), after, out)
	}
	return out
}
