package keyserver

// Epoch is that of the newest TEK.
func (g *Group) Epoch() uint64 { return g.epoch }

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
