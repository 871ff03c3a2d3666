package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// leastColumn is how wide a hub and what hangs on it must be to be read.
const leastColumn = 26

// picture draws hubs side by side, with what hangs on each below it.
func (f *Frame) picture(g *graph) []string {
	n := len(g.hubs)
	if n == 0 || f.Height < 14 {
		return nil
	}
	wide := (f.Width - 1) / n
	if wide < leastColumn {
		return []string{" " + f.Theme.Dim.Render(fmt.Sprintf("%d hubs do not fit side by side in %d columns; the table names all links", n, f.Width))}
	}
	wide = min(wide, 60)
	most := max(3, f.Height/2-3)
	columns := make([][]string, n)
	tallest := 0
	for i, h := range g.hubs {
		columns[i] = f.hanging(g, h, most)
		tallest = max(tallest, len(columns[i]))
	}
	out := []string{f.backbone(g, wide)}
	for line := range tallest {
		var b strings.Builder
		b.WriteByte(' ')
		for _, c := range columns {
			text := ""
			if line < len(c) {
				text = c[line]
			}
			b.WriteString(widget.Pad(text, wide, false))
		}
		out = append(out, ansi.Truncate(b.String(), f.Width, "…"))
	}
	if more := f.farLinks(g); more != "" {
		out = append(out, " "+more)
	}
	return out
}

// backbone draws the hubs, with the links between neighbours.
func (f *Frame) backbone(g *graph, wide int) string {
	t := f.Theme
	var b strings.Builder
	b.WriteByte(' ')
	for i, h := range g.hubs {
		name := f.box(g.vertex(h))
		b.WriteString(name)
		rest := max(wide-width(name), 0)
		if i+1 == len(g.hubs) {
			break
		}
		next := g.hubs[i+1]
		switch {
		case !slices.Contains(g.vertex(h).Links, next):
			b.WriteString(strings.Repeat(" ", rest))
		case g.isBroken(h, next):
			half := max((rest-3)/2, 0)
			b.WriteString(" " + t.Bad.Render(strings.Repeat("╌", half)+"×"+strings.Repeat("╌", max(rest-half-3, 0))) + " ")
		default:
			b.WriteString(" " + t.Dim.Render(strings.Repeat("═", max(rest-2, 0))) + " ")
		}
	}
	return ansi.Truncate(b.String(), f.Width, "…")
}

func (g *graph) isBroken(a, b string) bool {
	return g.broken[[2]string{a, b}] || g.broken[[2]string{b, a}]
}

// farLinks names the links between hubs that are not neighbours in the picture.
func (f *Frame) farLinks(g *graph) string {
	var out []string
	for i, a := range g.hubs {
		for k := i + 2; k < len(g.hubs); k++ {
			b := g.hubs[k]
			switch {
			case !slices.Contains(g.vertex(a).Links, b):
			case g.isBroken(a, b):
				out = append(out, f.Theme.State(theme.Broken, a+" ╌×╌ "+b))
			default:
				out = append(out, f.Theme.Dim.Render(a+" ═ "+b))
			}
		}
	}
	if len(out) == 0 {
		return ""
	}
	return f.Theme.Dim.Render("also ") + strings.Join(out, "  ")
}

// box is a node with its state and the cuts that it is part of.
func (f *Frame) box(v *vertex) string {
	s := f.Theme.Text.Render(v.Name)
	if v.Kind == "core" {
		s = f.Theme.Title.Render("[" + v.Name + "]")
	}
	if v.State != "-" && v.Kind != "core" {
		s += " " + f.Theme.State(v.level, v.State)
	}
	switch {
	case f.Marks[v.Name]:
		s = f.Theme.Accent.Render("✓") + s
	case f.Far[v.Name]:
		s = f.Theme.Warn.Render("≠") + s
	}
	if len(v.Cuts) > 0 {
		s += " " + f.Theme.Bad.Render("✂"+strings.Join(v.Cuts, ","))
	}
	return s
}

// hanging lists what hangs on a hub, in at most most lines: those in trouble first if that is not all.
func (f *Frame) hanging(g *graph, hub string, most int) []string {
	var on []*vertex
	for i := range g.vertices {
		if g.vertices[i].hub == hub {
			on = append(on, &g.vertices[i])
		}
	}
	left := 0
	if len(on) > most {
		slices.SortStableFunc(on, func(a, b *vertex) int { return int(b.level) - int(a.level) })
		left = len(on) - most + 1
		on = on[:most-1]
	}
	var out []string
	for i, v := range on {
		branch := "├─ "
		if i == len(on)-1 && left == 0 {
			branch = "└─ "
		}
		line := f.Theme.Dim.Render(branch) + f.box(v)
		for _, l := range v.Links { // the LAN behind it
			if o := g.vertex(l); o.Kind == "host" {
				line += f.Theme.Dim.Render(" ── ") + f.Theme.Dim.Render(o.Name)
			}
		}
		out = append(out, line)
	}
	if left > 0 {
		out = append(out, f.Theme.Dim.Render(fmt.Sprintf("└─ and %d more", left)))
	}
	return out
}

// cutLines says what is broken on purpose, and for how long.
func (f *Frame) cutLines(g *graph) []string {
	var out []string
	for i := range g.cuts {
		c := &g.cuts[i]
		until := "until it is healed"
		if c.Until != nil {
			until = "for " + widget.Clock(c.Until.Sub(f.Fleet.Time)) + " more"
		}
		text := fmt.Sprintf("%s %s %s", c.Kind, c.Spec, until)
		if a, b := c.Sides(); a != nil {
			only := ""
			if strings.HasSuffix(c.Spec, onlyControl) {
				only = " (control only)"
			}
			left, right := g.sides(a, b)
			text = fmt.Sprintf("CUT %d%s, %s: a) %s  b) %s", i+1, only, until, left, right)
		}
		out = append(out, f.sentence(theme.Broken, text))
	}
	return out
}

// onlyControl ends the words of a cut that lets traffic pass.
const onlyControl = "only control"

// sides names the two sides of a cut; one that is everybody else is not spelt out.
func (g *graph) sides(a, b []string) (left, right string) {
	left, right = strings.Join(a, " "), strings.Join(b, " ")
	if g.allOthers(a, b) {
		return "all others", right
	} else if g.allOthers(b, a) {
		return left, "all others"
	}
	return left, right
}
