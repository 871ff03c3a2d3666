package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

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
			"  " + f.Theme.Dim.Render("Several that run a group together are named in each other's configuration: cooperation."),
		})
	}
	var out []string
	var chosen *source.Server
	var of *source.Cooperation
	first := 0
	for _, c := range groups {
		out = append(out, f.coopHead(c)...)
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
func (f *Frame) coopHead(c *source.Cooperation) []string {
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
	return []string{f.section("KEY SERVERS of group "+c.Group, t.Dim.Render("split: "+c.Split+"  ")+right)}
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
	field := func(k, v string) string { return t.Dim.Render(k+" ") + t.Text.Render(v) + "   " }
	next := field("next announcement", fmt.Sprintf("%.1fs", self.NextAnn))
	if self.Role != control.RolePrimary {
		next = field("asks the primary in", fmt.Sprintf("%.1fs", self.NextCheck)) + field("unanswered", fmt.Sprint(self.Retries))
	}
	out := []string{"", f.section(s.Name+" in group "+c.Group, t.Dim.Render(fmt.Sprintf("timers %s: announce %gs, dead %gs, query %gs x %d", self.Profile,
		self.AnnInterval, self.DeadInterval, self.Query, self.QueryRetries)))}
	out = append(out, " "+field("follows", follows(c, self))+next+field("replicated", fmt.Sprintf("%d/%d", self.Replicated.Term, self.Replicated.N)))
	out = append(out, f.linkTable(c, self).View(t, f.Width, len(self.Peers)+1)...)
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
	switch self.Primary {
	case 0:
		return "nobody"
	case self.ID:
		return "itself"
	}
	return c.Name(self.Primary)
}

// linkTable lists the links of a key server.
func (f *Frame) linkTable(c *source.Cooperation, self *control.Coop) *widget.Table {
	t := &widget.Table{Cursor: -1, Columns: []widget.Column{
		{Title: " PEER"}, {Title: "LINK"}, {Title: "IKE", Drop: 2}, {Title: "HEARD", Right: true}, {Title: "RTT", Right: true}, {Title: "CLOCK", Right: true, Drop: 3},
		{Title: "POLICY", Drop: 1}, {Title: "ANN OUT", Right: true, Drop: 6}, {Title: "ANN IN", Right: true, Drop: 5}, {Title: "AGAIN", Right: true, Drop: 7},
		{Title: "QUEUE", Right: true, Drop: 8}, {Title: "DROPS", Right: true, Drop: 4},
	}}
	for i := range self.Peers {
		p := &self.Peers[i]
		heard, policy := "never", f.Theme.State(theme.Good, "same")
		if p.Heard >= 0 {
			heard = fmt.Sprintf("%.1fs", p.Heard)
		}
		switch {
		case p.Heard < 0:
			policy = "-"
		case !p.SamePolicy:
			policy = f.Theme.State(theme.Broken, "differs")
		}
		t.Rows = append(t.Rows, []string{" " + c.Name(p.ID), f.Theme.State(linkLevel(p.Link), p.Link), p.IKE, heard, fmt.Sprintf("%.1fms", p.RTT),
			fmt.Sprintf("%+.0fms", p.ClockOffset), policy, widget.Count(float64(p.AnnSent + p.AnnSentReply)), widget.Count(float64(p.AnnRecv + p.AnnRecvReply)),
			widget.Count(float64(p.Retransmits)), widget.Count(float64(p.Queue)), widget.Count(float64(p.Drops))})
	}
	return t
}
