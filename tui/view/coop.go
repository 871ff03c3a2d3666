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
type Coop struct{ Group string } // empty: all groups

// Name implements View.
func (Coop) Name() string { return "coop" }

// groups are those that several key servers share.
func (v Coop) groups(fleet *source.Fleet) []*source.Cooperation {
	var out []*source.Cooperation
	for _, g := range fleet.Groups() {
		if c := fleet.Cooperation(g); c != nil && (v.Group == "" || v.Group == g) {
			out = append(out, c)
		}
	}
	return out
}

// Rows implements View: a key server of each group.
func (v Coop) Rows(f *Frame) []string {
	names := []string{}
	for _, c := range v.groups(f.Fleet) {
		for i := range c.Servers {
			names = append(names, c.Servers[i].Name)
		}
	}
	return names
}

// GroupAt is the group of the row under the cursor.
func (v Coop) GroupAt(f *Frame) string {
	row := f.Cursor
	for _, c := range v.groups(f.Fleet) {
		if row < len(c.Servers) {
			return c.Group
		}
		row -= len(c.Servers)
	}
	return ""
}

// Draw implements View.
func (v Coop) Draw(f *Frame) []string {
	groups := v.groups(f.Fleet)
	if len(groups) == 0 {
		return f.clip([]string{
			"", "  " + f.Theme.Title.Render("Every key server here is alone."), "",
			"  " + f.Theme.Dim.Render("Several that run a group together are named"),
			"  " + f.Theme.Dim.Render("in each other's configuration: cooperation."),
		})
	}
	var out []string
	var chosen *source.Server
	var of *source.Cooperation
	first := 0
	for _, c := range groups {
		out = append(out, f.coopHead(c))
		out = append(out, f.coopBanners(c, true)...)
		t := f.coopTable(c)
		if t.Cursor = f.Cursor - first; t.Cursor < 0 || t.Cursor >= len(c.Servers) {
			t.Cursor = -1
		} else {
			chosen, of = &c.Servers[t.Cursor], c
		}
		first += len(c.Servers)
		out = append(out, t.View(f.Theme, f.Width, len(t.Rows)+1)...)
	}
	if chosen != nil {
		out = append(out, f.coopDetail(of, chosen)...)
	}
	return f.clip(out)
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
	return f.section("KEY SERVERS of group "+c.Group, t.Dim.Render("split: "+c.Split+"  ")+right)
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

// coopTable lists the key servers of a group.
func (f *Frame) coopTable(c *source.Cooperation) *widget.Table {
	t := &widget.Table{Cursor: -1, Columns: []widget.Column{
		{Title: " KEY SERVER"}, {Title: "ROLE"}, {Title: "STATE"}, {Title: "ADDRESS", Drop: 4}, {Title: "PRIO", Right: true, Drop: 2}, {Title: "TERM", Right: true},
		{Title: "EPOCH", Right: true}, {Title: "MEMBERS", Right: true, Drop: 1}, {Title: "HAS", Right: true, Drop: 5}, {Title: "HEARS", Flex: true, Min: 12},
	}}
	for i := range c.Servers {
		s := &c.Servers[i]
		level, word := serverState(s)
		row := []string{" " + s.Name, "-", f.Theme.State(level, word), s.Address, "-", "-", "-", "-", "-", ""}
		number := func(at int, n any) { row[at] = fmt.Sprint(n) }
		if self := s.Self(); self != nil {
			row[1] = f.coopRole(self.Role)
			number(4, self.Priority)
			number(5, self.Term)
			number(6, self.Epoch)
			number(7, registeredWith(s.Group, self.ID))
			row[8] = fmt.Sprintf("%d/%d", self.Version.Term, self.Version.N)
			row[9] = f.hears(c, self)
		} else if p := s.Told; s.Lives() {
			row[1] = f.coopRole(p.Role)
			number(4, p.Priority)
			number(5, p.Term)
			number(6, p.Epoch)
			number(7, p.Members)
			row[8] = fmt.Sprintf("%d/%d", p.Has.Term, p.Has.N)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (f *Frame) coopRole(role string) string {
	if role == control.RolePrimary {
		return f.Theme.Accent.Render(role)
	}
	return role
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
