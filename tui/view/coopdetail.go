package view

import (
	"fmt"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// coopDetail is what one key server says: of itself, its links, and the primaries that it has seen.
func (f *Frame) coopDetail(c *source.Cooperation, s *source.Server) []string {
	t, self := f.Theme, s.Self()
	if self == nil {
		out := []string{"", ""}
		switch {
		case s.Node == nil:
			out[1] = t.Dim.Render(fmt.Sprintf(" %s is not attached; this is what the others say of it", s.Name))
		case s.Hangs:
			out[1] = t.Bad.Render(fmt.Sprintf(" × %s keeps its connection, and has said nothing for %s", s.Name, widget.Clock(s.Node.Age(f.Fleet.Time))))
		default:
			out[1] = f.banner(s.Node)
		}
		if p := latest(c); p != nil { // the room is there, and who looks at one that is gone asks what became of the rest
			out = append(out, f.coopDetail(c, p)[1:]...)
		}
		return out
	}
	field := func(k, v string) string { return f.field(k, v) + "   " }
	next := field("next announcement", fmt.Sprintf("%.1fs", self.NextAnn))
	if self.Role != control.RolePrimary {
		next = field("asks the primary in", fmt.Sprintf("%.1fs", self.NextCheck)) + field("unanswered", fmt.Sprint(self.Retries))
	}
	out := []string{"", f.section(s.Name+" in group "+c.Group, t.Dim.Render(fmt.Sprintf("timers %s: announce %gs, dead %gs, query %gs x %d", self.Profile,
		self.AnnInterval, self.DeadInterval, self.Query, self.QueryRetries)))}
	out = append(out, " "+field("follows", follows(c, self))+next+field("replicated", fmt.Sprintf("%d/%d", self.Replicated.Term, self.Replicated.N)))
	out = append(out, f.linkTable(c, self).View(t, nil, f.Width, len(self.Peers)+1)...)
	if len(self.History) > 0 {
		out = append(out, f.section("PRIMARIES that "+s.Name+" has seen", ""))
		for i := len(self.History) - 1; i >= 0; i-- { // newest first: what does not fit is old
			e := &self.History[i]
			line := fmt.Sprintf(" %s  term %d  %s  %s", clock(e.At), e.Term, widget.Pad(c.Name(e.Primary), 6, false), e.Reason)
			if e.Text != "" {
				line += ": " + e.Text
			}
			out = append(out, t.Text.Render(ansi.Truncate(line, f.Width, "…")))
		}
	}
	return out
}

// latest is the primary of the latest term, which answers; nil: there is none.
func latest(c *source.Cooperation) (best *source.Server) {
	for _, p := range c.Primaries {
		if best == nil || p.Self().Term > best.Self().Term {
			best = p
		}
	}
	return best
}

func follows(c *source.Cooperation, self *control.Coop) string {
	if self.Primary == self.ID {
		return "itself"
	}
	return c.Name(self.Primary)
}

// linkTable lists the links of a key server.
func (f *Frame) linkTable(c *source.Cooperation, self *control.Coop) *widget.Table {
	t := &widget.Table{Len: len(self.Peers), ID: func(i int) string { return c.Name(self.Peers[i].ID) }}
	column := columns(t, self.Peers)
	column(widget.Column{Title: " PEER"}, func(p *control.CoopPeer) widget.Cell { return widget.Text(" " + c.Name(p.ID)) })
	column(widget.Column{Title: "LINK"}, func(p *control.CoopPeer) widget.Cell { return widget.State(linkLevel(p.Link), p.Link) })
	column(widget.Column{Title: "IKE", Drop: 2}, func(p *control.CoopPeer) widget.Cell { return widget.Text(p.IKE) })
	column(widget.Column{Title: "HEARD", Right: true}, func(p *control.CoopPeer) widget.Cell {
		if p.Heard < 0 {
			return widget.Text("never")
		}
		return widget.Num(p.Heard, fmt.Sprintf("%.1fs", p.Heard))
	})
	column(widget.Column{Title: "RTT", Right: true}, func(p *control.CoopPeer) widget.Cell { return widget.Text(fmt.Sprintf("%.1fms", p.RTT)) })
	column(widget.Column{Title: "CLOCK", Right: true, Drop: 3}, func(p *control.CoopPeer) widget.Cell { return widget.Text(fmt.Sprintf("%+.0fms", p.ClockOffset)) })
	column(widget.Column{Title: "POLICY", Drop: 1}, func(p *control.CoopPeer) widget.Cell {
		switch {
		case p.Heard < 0:
			return widget.None()
		case !p.SamePolicy:
			return widget.State(theme.Broken, "differs")
		}
		return widget.State(theme.Good, "same")
	})
	column(widget.Column{Title: "ANN OUT", Right: true, Drop: 6}, func(p *control.CoopPeer) widget.Cell { return widget.Short(p.AnnSent + p.AnnSentReply) })
	column(widget.Column{Title: "ANN IN", Right: true, Drop: 5}, func(p *control.CoopPeer) widget.Cell { return widget.Short(p.AnnRecv + p.AnnRecvReply) })
	column(widget.Column{Title: "AGAIN", Right: true, Drop: 7}, func(p *control.CoopPeer) widget.Cell { return widget.Short(p.Retransmits) })
	column(widget.Column{Title: "QUEUE", Right: true, Drop: 8}, func(p *control.CoopPeer) widget.Cell { return widget.Short(p.Queue) })
	column(widget.Column{Title: "DROPS", Right: true, Drop: 4}, func(p *control.CoopPeer) widget.Cell { return widget.Short(p.Drops) })
	return t
}
