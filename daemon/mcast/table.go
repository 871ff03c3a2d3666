package mcast

import (
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Times of RFC 2236 §8 and RFC 3376 §8.
const (
	queryInterval = 30 * time.Second
	queryWait     = 5 * time.Second
	memberFor     = 2*queryInterval + queryWait // without a report
	leaveWait     = time.Second                 // for somebody else to say that he stays
)

// Permit is what a policy has encrypted: multicast from sources to groups.
type Permit struct{ Src, Dst netip.Prefix }

// maxMembers bounds what hosts can make this system remember.
const maxMembers = 4096

// member is a group on an interface (by its place in the list of LANs).
type member struct {
	lan   int
	group netip.Addr
}

// table knows who has joined what. It has no clock: now is given.
type table struct {
	permits []Permit
	members map[member]time.Time // until when
}

// hear takes a report; it returns whether that is news.
func (t *table) hear(now time.Time, lan int, r report) bool {
	m := member{lan, r.group}
	old, known := t.members[m]
	switch {
	case r.leave && known && old.After(now.Add(leaveWait)):
		t.members[m] = now.Add(leaveWait)
	case r.leave || !known && len(t.members) >= maxMembers:
	default:
		t.members[m] = now.Add(memberFor)
	}
	return !known && !r.leave
}

// expire forgets who has not been heard for long; it returns whether there were any.
func (t *table) expire(now time.Time) bool {
	n := len(t.members)
	maps.DeleteFunc(t.members, func(_ member, until time.Time) bool { return !until.After(now) })
	return len(t.members) != n
}

// wanted lists the groups to join on the WAN, sorted: somebody behind us is in them, and a policy protects them.
func (t *table) wanted() []netip.Addr {
	var out []netip.Addr
	for m := range t.members {
		if slices.ContainsFunc(t.permits, func(p Permit) bool { return p.Dst.Contains(m.group) }) {
			out = append(out, m.group)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// lans lists the LANs on which somebody is in a group, sorted.
func (t *table) lans(group netip.Addr) (out []int) {
	for m := range t.members {
		if m.group == group {
			out = append(out, m.lan)
		}
	}
	slices.Sort(out)
	return out
}

// outward says whether what a LAN sends to a group goes into the TUN.
func (t *table) outward(src, group netip.Addr) bool {
	return slices.ContainsFunc(t.permits, func(p Permit) bool { return p.Src.Contains(src) && p.Dst.Contains(group) })
}
