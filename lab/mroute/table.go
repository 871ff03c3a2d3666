package mroute

import (
	"net/netip"
	"time"
)

// flow is a pair of source and group.
type flow struct{ source, group netip.Addr }

// entry is a flow's place in the kernel: where it comes from, and where it goes.
type entry struct {
	parent int
	out    map[int]bool
}

// table is what the router knows; it does nothing by itself. Interfaces are numbers.
type table struct {
	life    time.Duration // of what a report or a query said
	members map[netip.Addr]map[int]time.Time
	routers map[int]time.Time
	parents map[flow]int
}

func newTable(life time.Duration) *table {
	return &table{life: life, members: map[netip.Addr]map[int]time.Time{}, routers: map[int]time.Time{}, parents: map[flow]int{}}
}

// report notes what a host or router on an interface wants.
func (t *table) report(now time.Time, on int, c change) {
	if !c.want {
		delete(t.members[c.group], on)
		return
	}
	if t.members[c.group] == nil {
		t.members[c.group] = map[int]time.Time{}
	}
	t.members[c.group][on] = now.Add(t.life)
}

// query notes that another router is on an interface.
func (t *table) query(now time.Time, on int) { t.routers[on] = now.Add(t.life) }

// arrives notes where a flow comes from.
func (t *table) arrives(f flow, parent int) { t.parents[f] = parent }

// expire forgets what nobody has said for long enough.
func (t *table) expire(now time.Time) {
	for g, on := range t.members {
		for i, end := range on {
			if now.After(end) {
				delete(on, i)
			}
		}
		if len(on) == 0 {
			delete(t.members, g)
		}
	}
	for i, end := range t.routers {
		if now.After(end) {
			delete(t.routers, i)
		}
	}
}

// entries is what the kernel should hold.
func (t *table) entries() map[flow]entry {
	out := map[flow]entry{}
	for f, parent := range t.parents {
		e := entry{parent, map[int]bool{}}
		for i := range t.members[f.group] {
			if i != parent {
				e.out[i] = true
			}
		}
		out[f] = e
	}
	return out
}

// joins says which groups to join on an interface: those wanted on another one, if there is a router to hear of it.
func (t *table) joins(on int) map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	if _, ok := t.routers[on]; !ok {
		return out
	}
	for g, members := range t.members {
		for i := range members {
			if i != on && !linkLocal(g) {
				out[g] = true
			}
		}
	}
	return out
}

// linkLocal groups are never forwarded (RFC 5771 §4).
func linkLocal(g netip.Addr) bool { return g.IsLinkLocalMulticast() }
