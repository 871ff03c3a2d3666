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

// member is who registered.
type member struct {
	key           string
	peer          Peer
	registered    machine.Instant
	registrations uint64
	sids          []gdoi.SID
	slot          int             // in the key tree, or noSlot
	loose         *machine.Secret // its leaf outside of the key tree, by which it acknowledges; nil where it has a slot, or no leaf at all
	left          bool            // it said that it has stopped
	at            coop.ID         // the key server that it registered with, of several
	epoch         uint64          // of the newest TEK that it got there, of several key servers
	rekeysSent    uint64          // datagrams
	rekeys        uint64          // without repeats
	sentSeqs      seqs

	// Acknowledgements, since start.
	asked       push.AckType // by its registration; 0: nothing
	acks        uint64
	rtt         time.Duration // from the last transmission to it
	missed      int           // rekeys in a row that it did not acknowledge
	missedTotal uint64
	ackedSeqs   seqs
}

// memberList is sorted by key: its order reaches the wire.
type memberList struct {
	sorted []*member
	byAddr map[netip.AddrPort]*member
	expiry machine.Timer // not after the first member's end
}

func (l *memberList) len() int { return len(l.sorted) }

func (l *memberList) search(key string) (int, bool) {
	return slices.BinarySearchFunc(l.sorted, key, func(m *member, k string) int { return strings.Compare(m.key, k) })
}

// has says whether this record is still on the list.
func (l *memberList) has(m *member) bool {
	i, ok := l.search(m.key)
	return ok && l.sorted[i] == m
}

// put finds or adds the record of a peer.
func (l *memberList) put(p Peer) *member {
	key := p.key()
	i, ok := l.search(key)
	if !ok {
		l.sorted = slices.Insert(l.sorted, i, &member{key: key, slot: noSlot})
	}
	m := l.sorted[i]
	l.moveTo(m, p)
	return m
}

// moveTo notes where the member is.
func (l *memberList) moveTo(m *member, p Peer) {
	if l.byAddr == nil {
		l.byAddr = map[netip.AddrPort]*member{}
	}
	if l.byAddr[m.peer.Addr] == m {
		delete(l.byAddr, m.peer.Addr)
	}
	m.peer = p
	l.byAddr[p.Addr] = m
}

func (l *memberList) remove(m *member) {
	if i, ok := l.search(m.key); ok {
		l.sorted = slices.Delete(l.sorted, i, i+1)
	}
	if l.byAddr[m.peer.Addr] == m {
		delete(l.byAddr, m.peer.Addr)
	}
}

// forget empties the list and wipes what is secret in it.
func (l *memberList) forget() {
	for _, m := range l.sorted {
		m.holdLeaf(nil)
	}
	*l = memberList{}
}

// addresses are those of all who have not left.
func (l *memberList) addresses() []netip.AddrPort {
	out := make([]netip.AddrPort, 0, len(l.sorted))
	for _, m := range l.sorted {
		if !m.left {
			out = append(out, m.peer.Addr)
		}
	}
	return out
}

// allGetVPN says whether everybody who gets rekeys knows our private attribute.
func (l *memberList) allGetVPN() bool {
	for _, m := range l.sorted {
		if !m.peer.GetVPN && !m.left {
			return false
		}
	}
	return true
}

// find looks for an address, with or without port, or an identity.
func (l *memberList) find(who string) *member {
	for _, m := range l.sorted {
		if m.peer.is(who) {
			return m
		}
	}
	return nil
}

func (p Peer) is(who string) bool {
	return who == p.Identity || who == p.Addr.String() || who == p.Addr.Addr().Unmap().String()
}

// memberLife is how long a member that does not register again stays on the list: see memberEnd.
func (g *Group) memberLife() time.Duration {
	return g.cfg.KEKLifetime + max(4*g.cfg.ActivationDelay, g.cfg.KEKLifetime/20)
}

// memberEnd is when a member that does not register again leaves the list: a KEK lifetime and a margin of 4A, or a
// twentieth of the lifetime if that is more. Members register again before a KEK lifetime is over.
func (g *Group) memberEnd(m *member) machine.Instant {
	return m.registered.Add(g.memberLife())
}

// holdLeaf takes over a leaf outside of the key tree; nil: it has none any more.
func (m *member) holdLeaf(leaf *machine.Secret) {
	m.loose.Destroy()
	m.loose = leaf
}

// giveLeaf hands the leaf over to who takes the place of this record.
func (m *member) giveLeaf() *machine.Secret {
	leaf := m.loose
	m.loose = nil
	return leaf
}

// watch makes the timer cover a member.
func (g *Group) watch(m *member) {
	end := g.memberEnd(m)
	if at, ok := g.members.expiry.Deadline(); !ok || end < at {
		g.members.expiry.Set(end)
	}
}

func (g *Group) expireMembers(now machine.Now, out machine.Effects) machine.Effects {
	if !g.members.expiry.Due(now.Mono) {
		return out
	}
	for _, m := range slices.Clone(g.members.sorted) {
		if g.memberEnd(m) > now.Mono {
			g.watch(m)
			continue
		}
		severity := machine.Warning
		if m.left {
			severity = machine.Info
		}
		n := g.note(gdoi.NoteGMExpired, severity, fmt.Sprintf("%s has not registered for %v and left the list", m.peer.Identity, now.Mono.Sub(m.registered).Truncate(time.Second)))
		n.Peer = m.peer.Addr.String()
		out = g.dropMember(m, append(out, n))
	}
	return out
}

func (g *Group) dropMember(m *member, out machine.Effects) machine.Effects {
	g.vacate(m)
	g.members.remove(m)
	g.durable.deleteMember(m.key)
	g.stopSending(m.peer.Addr)
	return out
}

// stopSending takes an address off what is being transmitted.
func (g *Group) stopSending(a netip.AddrPort) {
	for _, c := range g.campaigns {
		c.settle(a)
	}
	g.stopRepeating(a, g.campaigns)
}

// dropAllMembers empties the list; what is being transmitted goes on.
func (g *Group) dropAllMembers(out machine.Effects) machine.Effects {
	for _, m := range g.members.sorted {
		g.durable.deleteMember(m.key)
	}
	g.members.forget()
	g.clearTree()
	return out
}

// Peers are the members as they registered, in the order of the list.
func (g *Group) Peers() []Peer {
	out := make([]Peer, 0, len(g.members.sorted))
	for _, m := range g.members.sorted {
		out = append(out, m.peer)
	}
	return out
}
