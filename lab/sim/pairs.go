package sim

import (
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// pair is whether one member can read another, in a run with several key servers.
type pair struct {
	torn     bool
	reported bool
	// same says that they are on one side, since when; the rest of the time they are on different ones.
	same  bool
	since machine.Instant
}

// judge looks at every ordered pair of members.
func (c *Checker) judge() {
	if c.s.cfg.Coop == nil {
		return
	}
	sides := map[*Node]string{}
	for _, n := range c.s.Members() {
		name, clear := c.s.side(n)
		if !clear {
			name = "" // between two sides, or on none
		}
		sides[n] = name
	}
	for _, from := range c.s.Members() {
		for _, to := range c.s.Members() {
			if from == to {
				continue
			}
			key := [2]*Node{from, to}
			p := c.pairs[key]
			if p == nil {
				p = &pair{same: true, since: -1 << 62}
				c.pairs[key] = p
			}
			if same := sides[from] != "" && sides[from] == sides[to]; same != p.same {
				p.same, p.since = same, c.s.now
				c.lastParting = c.s.now
			}
			c.judgePair(p, from, to)
		}
	}
}

func (c *Checker) judgePair(p *pair, from, to *Node) {
	a, b := c.plane[from], c.plane[to]
	torn, why := false, ""
	if a != nil && b != nil && a.registered && b.registered && !a.removed && !b.removed {
		for class, spi := range a.sending {
			if !a.uses(class) {
				continue
			}
			if _, ok := b.sas[spi]; !ok {
				torn, why = true, "which sends with "+spi.String()
			} else if late := c.tardy(from, to, spi); late != "" {
				torn, why = true, late
			}
		}
	}
	if !torn {
		p.torn, p.reported = false, false
		return
	}
	p.torn = true
	if reason := c.mayBeApart(p); reason != "" && !p.reported {
		p.reported = true
		c.violate(to, "apart", "cannot read %s, %s: %s", from.Name, why, reason)
	}
}

// mayBeApart says why two members must be able to read each other; empty if they need not.
func (c *Checker) mayBeApart(p *pair) string {
	switch {
	case !c.s.cfg.Strict:
		return ""
	case c.s.cfg.Coop.Split == coop.Continue:
		return "all sides have the same keys"
	case !p.same && c.lastTEK < p.since:
		return "no side has made a key since the split"
	case !p.same:
		return ""
	case c.s.now.Sub(p.since) < c.s.merging():
		return ""
	case c.s.now.Sub(c.lastParting) < c.s.merging():
		return "" // somebody may have registered with the other side in the moment before the sides found each other
	}
	return "they have been on one side for " + min(c.s.now.Sub(p.since), 24*time.Hour).String()
}
