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

// Rekey is the rollover of each group: the lives of its keys over time, who has acknowledged the last rekey, and who would
// be lost if the old key ended now.
type Rekey struct{}

// Name implements View.
func (Rekey) Name() string { return "rekey" }

// Page implements View.
func (Rekey) Page(f *Frame) *Page {
	groups := rekeyGroups(f.Fleet, f.Group)
	if len(groups) == 0 {
		if len(f.Fleet.Nodes) == 0 {
			return nothing(f)
		}
		return &Page{Head: []string{" " + f.Theme.State(theme.Neutral, strings.TrimSpace("no key server here sends rekeys of a group "+f.Group))}}
	}
	p := &Page{Title: "GM REKEY STATUS", Want: 6}
	var members []*RekeyMember
	for i := range groups {
		g := &groups[i]
		if len(groups) <= fullGroups {
			p.Head = append(p.Head, f.rekeyHead(g, f.Height/max(1, len(groups)))...)
		} else if word := f.lostLine(g); len(g.Lost) > 0 {
			p.Head = append(p.Head, " "+f.Theme.Text.Render(g.Group)+word)
		}
		for m := range g.Members {
			members = append(members, &g.Members[m])
		}
	}
	p.Table = f.rekeyTable(members, len(groups) > 1)
	p.Subject = func(i int) Subject { return Subject{Group: members[i].group, Node: members[i].Name} }
	p.Foot = func(_, room int) []string {
		if room < 3 {
			return nil
		}
		return append([]string{f.section("REKEYS", "")}, f.eventTail(room-1, func(e *control.Event) bool {
			return strings.Contains(e.Name, "rekey") || strings.Contains(e.Name, "register")
		})...)
	}
	return p
}

// rekeyHead is the rollover of one group, in at most height lines or little more.
func (f *Frame) rekeyHead(g *RekeyGroup, height int) []string {
	t := f.Theme
	how := orNone(g.Transport)
	if g.Multicast != "" {
		how += " " + g.Multicast
	}
	right := t.Dim.Render(fmt.Sprintf("%s, acks %s, seq %s, %d ejected", how, orNone(g.Acknowledge), f.seqOf(g.Group, g.Seq), g.Ejected))
	title := "ROLLOVER of group " + g.Group
	if g.group.Coop != nil { // on each side of a split there is one
		title += " by " + g.KeyServer
	}
	out := []string{f.section(title, right)}
	if b := f.banner(g.node); b != "" {
		out = append(out, b)
	}
	next := time.Time{}
	if g.node.Connected {
		next = g.group.NextRekey
	}
	out = append(out, widget.Timeline(t, f.spans(g), f.Fleet.Time, next, f.Width)...)
	if height >= 20 {
		out = append(out, " "+widget.Legend(t))
	}
	return append(append(out, f.ackStrip(g, max(1, min(height/8, 6)))...), f.lostLine(g))
}

// spans are the lives of a group's TEKs. What a key server does not say follows from what is left of them.
func (f *Frame) spans(g *RekeyGroup) []widget.Span {
	lag := stale(g.node, f.Fleet.Time)
	if !g.node.Connected {
		lag = int(g.node.Age(f.Fleet.Time) / time.Second)
	}
	second := func(n int) time.Duration { return time.Duration(n) * time.Second }
	var out []widget.Span
	for i := range g.group.TEKs {
		k := &g.group.TEKs[i]
		end := f.Fleet.Time.Add(second(k.Remaining - lag))
		s := widget.Span{
			Label: "TEK " + short(k.SPI), Level: phaseLevel(k.Phase), Word: k.Phase + " " + widget.Clock(max(0, second(k.Remaining-lag))),
			Start: end.Add(-second(k.Lifetime)), Send: k.SendAfter, End: end,
		}
		if !k.Created.IsZero() {
			s.Start = k.Created
		}
		if s.Send.IsZero() && k.Phase != control.PhaseWaiting {
			s.Send = s.Start
		}
		for back := len(out) - 1; back >= 0 && g.group.TEKs[back].SA == k.SA; back-- {
			if out[back].Drain.IsZero() && !s.Send.IsZero() {
				out[back].Drain = s.Send // this one takes over from it
			}
			break
		}
		out = append(out, s)
	}
	return out
}

// ackStrip is a glyph for each member: how it stands to the last rekey.
func (f *Frame) ackStrip(g *RekeyGroup, lines int) []string {
	var levels []theme.Level
	words, order := map[string]int{}, []string{}
	level := map[string]theme.Level{}
	for i := range g.Members {
		l, w := g.Members[i].ack()
		w, _, _ = strings.Cut(w, " ")
		levels = append(levels, l)
		if words[w] == 0 {
			order = append(order, w)
		}
		words[w]++
		level[w] = l
	}
	if len(levels) == 0 {
		return []string{" " + f.Theme.Dim.Render("no member has registered yet")}
	}
	strip, per := widget.Strip(f.Theme, levels, f.Width-2, lines)
	line := " " + f.Theme.Dim.Render(fmt.Sprintf("ACKS of rekey %s  ", seqText(g.Seq)))
	for _, w := range order {
		text := map[string]string{"waited": "waited for", "not": "not asked", "none": "none yet"}[w]
		if text == "" {
			text = w
		}
		line += f.Theme.State(level[w], fmt.Sprintf("%s %d", text, words[w])) + "  "
	}
	if per > 1 {
		line += f.Theme.Faint.Render(fmt.Sprintf("a sign is about %d", per))
	}
	out := []string{ansi.Truncate(line, f.Width, "…")}
	for _, s := range strip {
		out = append(out, " "+s)
	}
	return out
}

// lostLine says who would be lost if the old TEK ended now.
func (f *Frame) lostLine(g *RekeyGroup) string {
	when := "if the old TEK ended now"
	if !g.Rollover {
		when = "without the TEK of now"
	}
	unknown := ""
	if g.Unknown > 0 {
		unknown = fmt.Sprintf("; of %d that are not attached and do not acknowledge nobody knows", g.Unknown)
	}
	if len(g.group.TEKs) == 0 {
		return f.sentence(theme.Neutral, "there are no keys yet")
	}
	if len(g.Lost) == 0 {
		if !g.Rollover {
			return f.sentence(theme.Good, "everybody has the TEK of now"+unknown)
		}
		return f.sentence(theme.Good, "nobody would be lost "+when+unknown)
	}
	level := theme.Broken
	if g.group.Transmitting > 0 {
		level = theme.Caution // it is still being sent to them
		when += ", rekey on its way"
	}
	return f.sentence(level, fmt.Sprintf("LOST %s: %s%s", when, some(g.Lost, 12), unknown))
}

// rekeyTable lists members by what they have answered.
func (f *Frame) rekeyTable(members []*RekeyMember, groups bool) *widget.Table {
	t := &widget.Table{
		Len: len(members), ID: func(i int) string { return members[i].group + "/" + members[i].Name },
		Old: func(i int) bool { return members[i].State == stateDown }, More: func(i int) string { return members[i].Identity },
	}
	column := func(c widget.Column, cell func(m *RekeyMember) widget.Cell) {
		c.Cell = func(i int) widget.Cell { return cell(members[i]) }
		t.Columns = append(t.Columns, c)
	}
	column(widget.Column{Title: " MEMBER"}, func(m *RekeyMember) widget.Cell { return widget.Text(" " + m.Name) })
	if groups {
		column(widget.Column{Title: "GROUP"}, func(m *RekeyMember) widget.Cell { return widget.Text(m.group) })
	}
	column(widget.Column{Title: "ADDRESS", Drop: 3}, func(m *RekeyMember) widget.Cell { return widget.Text(m.Address) })
	column(widget.Column{Title: "STATE", Drop: 2}, func(m *RekeyMember) widget.Cell { return widget.State(StateLevel(m.State), m.State) })
	column(widget.Column{Title: "LAST REKEY", Key: "ack"}, func(m *RekeyMember) widget.Cell { return widget.State(m.ack()) })
	column(widget.Column{Title: "SENT", Right: true}, func(m *RekeyMember) widget.Cell { return seqCell(m.Sent) })
	column(widget.Column{Title: "ACKED", Right: true}, func(m *RekeyMember) widget.Cell {
		if !m.Acks {
			return widget.None()
		}
		return seqCell(m.Acked)
	})
	column(widget.Column{Title: "LATE", Right: true}, func(m *RekeyMember) widget.Cell { return widget.Int(m.late()) })
	column(widget.Column{Title: "MISSED", Right: true, Drop: 1}, func(m *RekeyMember) widget.Cell { return widget.Int(m.MissedTotal) })
	column(widget.Column{Title: "RTT", Right: true}, func(m *RekeyMember) widget.Cell { return rtt(m.RekeyState) })
	column(widget.Column{Title: "HOLDS"}, func(m *RekeyMember) widget.Cell {
		level := map[string]theme.Level{"both": theme.Good, "new": theme.Good, "current": theme.Good, "old": theme.Caution, "none": theme.Broken}[m.Holds]
		if m.Holds == "" {
			return widget.None()
		}
		return widget.State(level, m.Holds)
	})
	column(widget.Column{Title: "IDENTITY", Flex: true, Min: 10, Drop: 4}, func(m *RekeyMember) widget.Cell { return widget.Text(m.Identity) })
	return t
}

// Data implements View.
func (Rekey) Data(fleet *source.Fleet, group string) any {
	return map[string]any{"groups": rekeyGroups(fleet, group)}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// missed is the number of rekeys in a row without an answer; three eject a member.
func missed(r control.RekeyState) widget.Cell {
	switch {
	case !r.Acks:
		return widget.None()
	case r.Missed == 0:
		return widget.Int(0)
	}
	c := widget.Int(r.Missed)
	c.Level, c.Glyph = theme.Caution, true
	return c
}

func rtt(r control.RekeyState) widget.Cell {
	if r.AckCount == 0 {
		return widget.None()
	}
	return widget.Num(r.RTT/1000, fmt.Sprintf("%.1f ms", r.RTT))
}
