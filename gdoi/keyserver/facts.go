package keyserver

import (
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Epoch is that of the newest TEK.
func (g *Group) Epoch() uint64 { return g.epoch }

// Pseudotime is the group's time, 0 if it has none, and its window.
func (g *Group) Pseudotime(now machine.Now) (is, window time.Duration) {
	i := g.timeInfo(now)
	return i.Now, i.Window
}

// MemberCount is how many members registered with this key server; all, if it is alone.
func (g *Group) MemberCount() int {
	if g.cfg.Coop == nil {
		return g.members.len()
	}
	n := 0
	for _, m := range g.members.sorted {
		if m.at == g.cfg.Coop.ID {
			n++
		}
	}
	return n
}
