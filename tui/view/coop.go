package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Coop shows the key servers that run groups together: who is primary, who serves, who hears whom, and what is wrong. The
// show verb prints it in the words of existing products (Print).
type Coop struct{}

// Name implements View.
func (Coop) Name() string { return "coop" }

// shared are the groups that several key servers share.
func shared(fleet *source.Fleet, group string) []*source.Cooperation {
	var out []*source.Cooperation
	for _, g := range limited(fleet, group) {
		if c := fleet.Cooperation(g); c != nil {
			out = append(out, c)
		}
	}
	return out
}

// seat is a key server in a group.
type seat struct {
	of *source.Cooperation
	*source.Server
}

// Page implements View: a row for each key server of each group.
func (Coop) Page(f *Frame) *Page {
	groups := shared(f.Fleet, f.Group)
	if len(groups) == 0 {
		return f.empty("Every key server here is alone.", "Several that run a group together are named", "in each other's configuration: cooperation.")
	}
	p := &Page{Title: "KEY SERVERS", Want: 8}
	var seats []seat
	for _, c := range groups {
		p.Head = append(p.Head, f.coopHead(c))
		p.Head = append(p.Head, f.coopBanners(c, true)...)
		for i := range c.Servers {
			seats = append(seats, seat{c, &c.Servers[i]})
		}
	}
	p.Table = f.coopTable(seats)
	p.Subject = func(i int) Subject { return Subject{Group: seats[i].of.Group, Node: seats[i].Name} }
	p.Foot = func(i, _ int) []string {
		if i < 0 {
			return nil
		}
		return f.coopDetail(seats[i].of, seats[i].Server)
	}
	return p
}

// coopHead is the line over a group's key servers.
func (f *Frame) coopHead(c *source.Cooperation) string {
	t := f.Theme
	right := t.State(theme.Broken, "no primary")
	if len(c.Primaries) > 0 {
		var names []string
		for _, p := range c.Primaries {
			self := p.Self()
			age := ", " + since(self.PrimarySince, f.Fleet.Time)
			if len(c.Primaries) > 1 {
				age = "" // they need the room
			}
			names = append(names, fmt.Sprintf("%s (term %d%s)", p.Name, self.Term, age))
		}
		level := theme.Good
		if len(names) > 1 {
			level = theme.Broken
		}
		right = t.State(level, "primary "+strings.Join(names, ", "))
	}
	return f.section("COOPERATION of group "+c.Group, t.Dim.Render("if split: "+c.Split+"  ")+right)
}

// since prints how long ago something was, or a dash.
func since(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return widget.Clock(max(0, now.Sub(t)))
}

// serverState says how a key server is, in a word.
func serverState(s *source.Server) (theme.Level, string) {
	self := s.Self()
	switch {
	case self != nil && self.Ready:
		return theme.Good, "serves"
	case self != nil:
		return theme.Caution, "blocked"
	case s.Hangs:
		return theme.Broken, "hangs"
	case s.Node != nil:
		return theme.Broken, "down"
	case s.Told == nil || s.Told.Heard < 0:
		return theme.Broken, "never heard"
	case s.Told.Link != control.LinkUp:
		return theme.Broken, s.Told.Link
	case !s.Told.Ready:
		return theme.Caution, "blocked"
	}
	return theme.Good, "serves"
}

// coopTable lists key servers.
func (f *Frame) coopTable(seats []seat) *widget.Table {
	t := &widget.Table{
		Len: len(seats), ID: func(i int) string { return seats[i].of.Group + "/" + seats[i].Name },
		Old: func(i int) bool { return !seats[i].Lives() },
	}
	column := columns(t, seats)
	column(widget.Column{Title: " KEY SERVER", Key: "ks"}, func(s *seat) widget.Cell { return widget.Text(" " + s.Name) })
	if len(seats) > 0 && seats[0].of.Group != seats[len(seats)-1].of.Group {
		column(widget.Column{Title: "GROUP"}, func(s *seat) widget.Cell { return widget.Text(s.of.Group) })
	}
	// told is what a key server says of itself, or, if it does not answer, what another one has heard.
	told := func(self func(*control.Coop) widget.Cell, peer func(*control.CoopPeer) widget.Cell) func(s *seat) widget.Cell {
		return func(s *seat) widget.Cell {
			switch c := s.Self(); {
			case c != nil:
				return self(c)
			case s.Lives():
				return peer(s.Told)
			}
			return widget.None()
		}
	}
	column(widget.Column{Title: "ROLE"}, told(func(c *control.Coop) widget.Cell { return f.coopRole(c.Role) }, func(p *control.CoopPeer) widget.Cell { return f.coopRole(p.Role) }))
	column(widget.Column{Title: "STATE"}, func(s *seat) widget.Cell { return widget.State(serverState(s.Server)) })
	column(widget.Column{Title: "ADDRESS", Drop: 4}, func(s *seat) widget.Cell { return widget.Text(s.Address) })
	column(widget.Column{Title: "PRIO", Right: true, Drop: 2}, told(func(c *control.Coop) widget.Cell { return widget.Int(c.Priority) }, func(p *control.CoopPeer) widget.Cell { return widget.Int(p.Priority) }))
	column(widget.Column{Title: "TERM", Right: true}, told(func(c *control.Coop) widget.Cell { return widget.Int(c.Term) }, func(p *control.CoopPeer) widget.Cell { return widget.Int(p.Term) }))
	column(widget.Column{Title: "EPOCH", Right: true}, told(func(c *control.Coop) widget.Cell { return widget.Int(c.Epoch) }, func(p *control.CoopPeer) widget.Cell { return widget.Int(p.Epoch) }))
	column(widget.Column{Title: "MEMBERS", Right: true, Drop: 1}, func(s *seat) widget.Cell {
		switch c := s.Self(); {
		case c != nil:
			return widget.Int(registeredWith(s.Group, c.ID))
		case s.Lives():
			return widget.Int(s.Told.Members)
		}
		return widget.None()
	})
	column(widget.Column{Title: "HAS", Right: true, Drop: 5}, told(func(c *control.Coop) widget.Cell { return has(c.Version) }, func(p *control.CoopPeer) widget.Cell { return has(p.Has) }))
	column(widget.Column{Title: "HEARS", Flex: true, Min: 12}, func(s *seat) widget.Cell {
		if c := s.Self(); c != nil {
			return widget.Text(f.hears(s.of, c))
		}
		return widget.Text("")
	})
	return t
}

func has(v control.CoopVersion) widget.Cell {
	text := fmt.Sprintf("%d/%d", v.Term, v.N)
	return widget.Cell{Text: text, Num: float64(v.Term)*1e12 + float64(v.N), IsNum: true, Out: text}
}

func (f *Frame) coopRole(role string) widget.Cell {
	if role == control.RolePrimary {
		return widget.Text(f.Theme.Accent.Render(role))
	}
	return widget.Text(role)
}

// registeredWith counts the members that registered with a key server itself.
func registeredWith(g *control.KSGroup, id int) (n int) {
	for i := range g.Members {
		if m := &g.Members[i]; m.State != control.StateLeft && m.KeyServer == id {
			n++
		}
	}
	return n
}

// linkLevel says how good a link is.
func linkLevel(link string) theme.Level {
	switch link {
	case control.LinkUp:
		return theme.Good
	case control.LinkNegotiating:
		return theme.Caution
	}
	return theme.Broken
}

// hears lists whom a key server hears.
func (f *Frame) hears(c *source.Cooperation, self *control.Coop) string {
	var out []string
	for i := range self.Peers {
		out = append(out, f.Theme.State(linkLevel(self.Peers[i].Link), c.Name(self.Peers[i].ID)))
	}
	return strings.Join(out, " ")
}
