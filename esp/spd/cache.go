package spd

import "github.com/getvpn/getvpn/esp/packet"

// cacheSlots is enough for the flows that one batch after another brings; a collision costs one lookup.
const cacheSlots = 1024

// Cache remembers verdicts by flow for one goroutine, so that the length of the access list does not matter to a flow
// that goes on. The zero value is empty. It follows the table by itself: a new one empties it.
type Cache struct {
	table *Table
	slots [cacheSlots]slot
}

type slot struct {
	flow    packet.Flow
	verdict Verdict
	asked   uint64 // 0: empty; 1: Lookup; 2+group: Permits; Selectors.id: Match
}

func (c *Cache) slot(t *Table, f *packet.Flow) *slot {
	if c.table != t {
		clear(c.slots[:])
		c.table = t
	}
	const k1, k2 = 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f
	h := (f.Src.Lo ^ f.Src.Hi<<7) * k1
	h = (h ^ f.Dst.Lo ^ f.Dst.Hi<<9) * k2
	h = (h>>32 ^ h ^ uint64(f.SrcPort)<<32 ^ uint64(f.DstPort)<<16 ^ uint64(f.Proto)<<8 ^ uint64(f.Ports)) * k1
	return &c.slots[h>>54]
}

// Lookup is Table.Lookup through the cache, counted.
func (c *Cache) Lookup(t *Table, f *packet.Flow) Verdict {
	s := c.slot(t, f)
	if s.asked != 1 || s.flow != *f {
		s.flow, s.asked, s.verdict = *f, 1, t.Lookup(f)
	}
	t.Count(s.verdict)
	return s.verdict
}

// Permits is Table.Permits through the cache.
func (c *Cache) Permits(t *Table, group int, f *packet.Flow) bool {
	s := c.slot(t, f)
	asked := uint64(group) + 2
	if s.asked != asked || s.flow != *f {
		s.remember(f, asked, t.Permits(group, f))
	}
	return s.verdict.Outcome == Protect
}

// Match is Selectors.Match through the cache. The table is the one that the cache follows otherwise.
func (c *Cache) Match(t *Table, x *Selectors, f *packet.Flow) bool {
	s := c.slot(t, f)
	if s.asked != x.id || s.flow != *f {
		s.remember(f, x.id, x.Match(f))
	}
	return s.verdict.Outcome == Protect
}

func (s *slot) remember(f *packet.Flow, asked uint64, yes bool) {
	s.flow, s.asked, s.verdict = *f, asked, Verdict{}
	if yes {
		s.verdict.Outcome = Protect
	}
}
