package node

import (
	"sort"

	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
)

// KSSnapshot is a key server for operators; a value.
type KSSnapshot struct {
	Groups []keyserver.Snapshot // in the order of the configuration
	// Sessions are established phase-1 SAs, HalfOpen negotiations under way.
	Sessions, HalfOpen int
	Drops              []Drop // sorted by reason
}

// GMSnapshot is a group member for operators; a value.
type GMSnapshot struct {
	Groups             []member.Snapshot // in the order of the configuration
	Sessions, HalfOpen int
	Drops              []Drop // sorted by reason
}

// Drop counts control-plane datagrams that were dropped for one reason.
type Drop struct {
	Reason string
	Count  uint64
}

// Snapshot returns the state at now.
func (n *KeyServer) Snapshot(now machine.Now) KSSnapshot {
	s := KSSnapshot{Drops: n.drops.list(), HalfOpen: n.halfOpen.len(), Sessions: n.established}
	for _, g := range n.groups {
		one := g.Snapshot(now)
		one.Coop = n.coopInfo(now, g)
		s.Groups = append(s.Groups, one)
	}
	return s
}

// Snapshot returns the state at now.
func (n *GroupMember) Snapshot(now machine.Now) GMSnapshot {
	s := GMSnapshot{Drops: n.drops.list()}
	for _, l := range n.links {
		if l.established() {
			s.Sessions++
		} else if l.session != nil {
			s.HalfOpen++
		}
	}
	for _, g := range n.groups {
		s.Groups = append(s.Groups, g.Snapshot(now))
	}
	return s
}

// list returns the counters in order.
func (d *dropCounter) list() []Drop {
	out := make([]Drop, 0, len(d.counts))
	for r, n := range d.counts {
		out = append(out, Drop{r, n})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Reason < out[j].Reason })
	return out
}
