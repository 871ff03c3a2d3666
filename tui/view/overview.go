package view

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Overview is the whole group at a glance: keys and their lives, who is here, what just happened.
type Overview struct{}

// Name implements View.
func (Overview) Name() string { return "overview" }

// Rows implements View.
func (Overview) Rows(f *Frame) []string {
	var names []string
	for _, n := range f.Fleet.Nodes {
		if f.match(nodeText(f.Fleet, &n)) {
			names = append(names, n.Name)
		}
	}
	return names
}

// Draw implements View.
func (v Overview) Draw(f *Frame) []string {
	if len(f.Fleet.Nodes) == 0 {
		return nothing(f)
	}
	var out []string
	for _, g := range f.Fleet.Groups() {
		head := f.groupHead(g)
		out = append(out, head[0])
		if c := f.Fleet.Cooperation(g); c != nil {
			out = append(out, f.coopLine(c))
			out = append(out, f.coopBanners(c, false)...)
		}
		out = append(out, head[1:]...)
	}
	rows := v.Rows(f)
	tableRoom := min(len(rows)+1, max(f.Height-len(out)-5, 4))
	out = append(out, f.section("NODES", ""))
	out = append(out, f.nodeTable(rows).View(f.Theme, f.Width, tableRoom)...)
	if left := f.Height - len(out) - 1; left > 0 {
		out = append(out, f.section("EVENTS", ""))
		out = append(out, f.eventTail(left, allEvents)...)
	}
	return f.clip(out)
}

// groupHead draws a group's line and its keys as the key server has them, or a member while no key server was seen.
func (f *Frame) groupHead(group string) []string {
	t := f.Theme
	here, all := 0, 0
	var lender *source.Node
	var lent *control.GMGroup
	for i := range f.Fleet.Nodes {
		n := &f.Fleet.Nodes[i]
		if n.Snap == nil || n.Snap.GM == nil {
			continue
		}
		for k := range n.Snap.GM.Groups {
			if g := &n.Snap.GM.Groups[k]; g.Name == group {
				all++
				if n.Connected && (g.State == control.StateRegistered || g.State == control.StateReregistering) {
					here++
					lender, lent = n, g
				}
			}
		}
	}
	ks, g := f.Fleet.KSOf(group)
	if g == nil || !ks.Connected {
		right := t.State(theme.Broken, "no key server")
		if ks != nil {
			right = t.State(theme.Broken, ks.Name+" down "+widget.Clock(ks.Age(f.Fleet.Time)))
		}
		out := []string{f.section("GROUP "+group, t.Dim.Render(fmt.Sprintf("%d/%d registered  ", here, all))+right)}
		if lent != nil {
			out = append(out, f.groupKeys(lent.TEKs, lent.KEK, stale(lender, f.Fleet.Time))...)
		}
		return out
	}
	level, word := f.groupHealth(g)
	members := fmt.Sprintf("%d members", g.Present())
	if all > 0 {
		members = fmt.Sprintf("%d/%d registered", here, all)
	}
	rekey := ""
	if g.Transmitting > 0 {
		rekey = t.Warn.Render(fmt.Sprintf("rekey on its way to %d", g.Transmitting)) + "  "
	}
	right := t.Dim.Render(members+"  next rekey ") + t.Text.Render(until(g.NextRekey, f.Fleet.Time)) + "  " + rekey + t.State(level, word)
	out := []string{f.section("GROUP "+group, right)}
	return append(out, f.groupKeys(g.TEKs, g.KEK, stale(ks, f.Fleet.Time))...)
}

// groupHealth is what a key server says of its group, with the names of those that it misses instead of their numbers, and
// these first: a narrow screen cuts the end. The sides of a split say more than whom one of them misses.
func (f *Frame) groupHealth(g *control.KSGroup) (theme.Level, string) {
	c := f.Fleet.Cooperation(g.Name)
	if c != nil && len(c.Sides) > 1 {
		word := "SPLIT " + sides(c)
		if g.Health != "OK" && g.Health != "DEGRADED" {
			word += ", " + g.Health
		}
		return theme.Broken, word
	}
	if g.Health == "OK" {
		return theme.Good, g.Health
	}
	var why []string
	if c != nil && g.Coop != nil && len(g.Coop.Unreachable) > 0 {
		var gone []string
		for _, id := range g.Coop.Unreachable {
			gone = append(gone, c.Name(id))
		}
		why = append(why, strings.Join(gone, " ")+" out of reach")
	}
	for _, r := range strings.Split(g.HealthReason, "; ") {
		if r != "" && (len(why) == 0 || !strings.HasPrefix(r, "out of reach: ")) {
			why = append(why, r)
		}
	}
	if len(why) == 0 {
		return theme.Caution, g.Health
	}
	return theme.Caution, g.Health + " (" + strings.Join(why, "; ") + ")"
}

func nodeText(f *source.Fleet, n *source.Node) string {
	_, word := nodeState(f, n)
	text := n.Name + " " + n.Role + " " + word
	if n.Snap != nil {
		text += " " + n.Snap.Local
	}
	return text
}

func firstGroup(groups []control.GMGroup) string {
	if len(groups) == 0 {
		return ""
	}
	return groups[0].Name
}

// nodeTable lists the nodes by name.
func (f *Frame) nodeTable(names []string) *widget.Table {
	t := &widget.Table{Cursor: f.Cursor, Offset: f.Offset, Columns: []widget.Column{
		{Title: " NODE"}, {Title: "STATE"}, {Title: "ADDRESS", Drop: 1}, {Title: "SEQ", Right: true, Drop: 2}, {Title: "SENDS"},
		{Title: "OUT/s", Right: true}, {Title: "IN/s", Right: true, Drop: 1}, {Title: "TRAFFIC", Min: 16, Drop: 3}, {Title: "DROPS", Flex: true, Min: 8},
	}}
	for _, name := range names {
		n := f.Fleet.Node(name)
		level, word := nodeState(f.Fleet, n)
		row := []string{" " + name, f.Theme.State(level, word)}
		switch {
		case n.Snap == nil:
			row = append(row, "-", "-", "-", "-", "-", "", n.Problem)
		case n.Snap.GM != nil:
			seq, spi := "-", "-"
			for _, g := range n.Snap.GM.Groups {
				if g.KEK != nil {
					seq = fmt.Sprint(g.KEK.Seq)
				}
				if k := sendingKey(g.TEKs); k != nil {
					spi = k.SPI
				}
			}
			drops := append(append([]control.Counter{}, n.Snap.Drops...), n.Snap.GM.DataPath.Drops...)
			row = append(row, n.Snap.MemberAddress(firstGroup(n.Snap.GM.Groups)), seq, spi, rate(n.Out), rate(n.In), widget.Spark(n.Out, 16), top(drops))
		case n.Snap.KS != nil:
			seq, members, own, shared := "-", 0, 0, false
			for _, g := range n.Snap.KS.Groups {
				if g.KEK != nil {
					seq = fmt.Sprint(g.KEK.Seq)
				}
				members += g.Present()
				if g.Coop != nil {
					shared = true
					own += registeredWith(&g, g.Coop.ID)
				}
			}
			count := fmt.Sprintf("%d members", members)
			if shared {
				count = fmt.Sprintf("%d/%d members", own, members) // those that registered here
			}
			row = append(row, n.Snap.LocalTo(""), seq, count, "", "", "", top(n.Snap.Drops))
		}
		if !n.Connected && n.Snap != nil {
			row[5], row[6] = "-", "-"
			row[len(row)-1] = "data " + widget.Clock(n.Age(f.Fleet.Time)) + " old"
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func sendingKey(teks []control.TEK) *control.TEK {
	for i := range teks {
		if teks[i].Phase == control.PhaseSending {
			return &teks[i]
		}
	}
	return nil
}

func nothing(f *Frame) []string {
	t := f.Theme
	return f.clip([]string{
		"", "  " + t.Title.Render("Nothing to show yet: no daemon's socket was found."), "",
		"  " + t.Dim.Render("The console is attached to ") + t.Text.Render(f.Fleet.Title) + t.Dim.Render(" and goes on looking."),
		"  " + t.Dim.Render("Start a lab with ") + t.Accent.Render("getvpn-lab up basic") + t.Dim.Render(", or name a socket: ") + t.Accent.Render("getvpn-tui --socket PATH"),
	})
}

// Data implements View.
func (Overview) Data(fleet *source.Fleet) any {
	type node struct {
		Name      string            `json:"name"`
		Role      string            `json:"role"`
		State     string            `json:"state"`
		Connected bool              `json:"connected"`
		Problem   string            `json:"problem,omitempty"`
		Snapshot  *control.Snapshot `json:"snapshot,omitempty"`
	}
	nodes := []node{}
	for i := range fleet.Nodes {
		n := &fleet.Nodes[i]
		_, word := nodeState(fleet, n)
		nodes = append(nodes, node{n.Name, n.Role, word, n.Connected, n.Problem, n.Snap})
	}
	return map[string]any{"attached": fleet.Title, "groups": fleet.Groups(), "nodes": nodes}
}
