package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// trouble is something that is broken on purpose.
type trouble struct {
	what, by string
	since    time.Time
	until    *time.Time
	ends     string // what ends it, if time does not
}

// troubles lists the faults of the lab, and the daemons that somebody ended or paused, the oldest first.
func troubles(fleet *source.Fleet) []trouble {
	var out []trouble
	g := topology(fleet, "")
	for _, x := range fleet.State.Faults {
		if !x.Lasts(fleet.Time) {
			continue
		}
		what, ends := x.Kind+" "+x.Spec, ":heal"
		if a, b := x.Sides(); a != nil {
			left, right := g.sides(a, b)
			what = "cut " + left + " / " + right
			if strings.HasSuffix(x.Spec, onlyControl) {
				what += " (control only)"
			}
		}
		out = append(out, trouble{what, x.By, x.Since, x.Until, ends})
	}
	for i := range fleet.State.Nodes {
		n := &fleet.State.Nodes[i]
		if !n.Ended() {
			continue
		}
		ends, since := ":start "+n.Name, n.Since
		if n.Paused() {
			ends = ":resume " + n.Name
		}
		if node := fleet.Node(n.Name); node != nil && since.IsZero() {
			since = node.Seen // a lab that does not say: when it was heard last
		}
		out = append(out, trouble{what: n.Wanted + " " + n.Name, since: since, ends: ends})
	}
	slices.SortStableFunc(out, func(a, b trouble) int { return a.since.Compare(b.since) })
	return out
}

// mostTroubles is how many faults a small screen shows.
const mostTroubles = 4

// faultLines draws what is broken over one time axis: since when, and until when.
func (f *Frame) faultLines() []string {
	t, now := f.Theme, f.Fleet.Time
	all := troubles(f.Fleet)
	if c := f.Fleet.Course; len(all) == 0 && c != nil && len(c.Tasks) > 0 {
		return nil // something is, in files and daemons, and to find it is the task
	}
	if len(all) == 0 {
		return []string{" " + t.Dim.Render("FAULTS ") + t.State(theme.Good, "nothing is broken on purpose")}
	}
	label, end := 0, 0
	from, to := now, now.Add(10*time.Second)
	ends := make([]string, len(all))
	for i := range all {
		x := &all[i]
		label = max(label, width(x.what))
		if !x.since.IsZero() && x.since.Before(from) {
			from = x.since
		}
		ends[i] = "until " + x.ends
		if x.until != nil {
			ends[i] = widget.Clock(x.until.Sub(now)) + " more"
			if x.until.After(to) {
				to = *x.until
			}
		}
		if x.by != "" {
			ends[i] += ", by " + x.by
		}
		end = max(end, width(ends[i]))
	}
	label, end = min(label, max(16, f.Width/3)), min(end, max(14, f.Width/3))
	cells := min(f.Width-label-end-7, 80)
	shown := all
	if f.Height < 30 && len(all) > mostTroubles {
		shown = all[:mostTroubles-1]
	}
	since := ""
	if from.Before(now) { // else nobody knows
		since = t.Dim.Render("since " + clock(from))
	}
	out := []string{f.section("FAULTS", since)}
	for i := range shown {
		x := &all[i]
		line := " " + t.Bad.Render(theme.Broken.Glyph()+" "+widget.Pad(x.what, label, false)) + " "
		if cells >= 10 {
			line += f.faultBar(x, from, to, cells) + " "
		}
		out = append(out, line+t.Text.Render(widget.Cut(ends[i], end)))
	}
	if n := len(all) - len(shown); n > 0 {
		out = append(out, " "+t.Dim.Render(fmt.Sprintf("and %d more", n)))
	}
	return out
}

// faultBar is a fault's time: what has passed, now, and what is left, with an arrow if nothing but somebody ends it.
func (f *Frame) faultBar(x *trouble, from, to time.Time, cells int) string {
	t := f.Theme
	at := func(when time.Time) int {
		return max(0, min(cells-1, int(float64(when.Sub(from))/float64(to.Sub(from))*float64(cells))))
	}
	begin, now, end := at(f.Fleet.Time), at(f.Fleet.Time), cells-1
	if !x.since.IsZero() {
		begin = min(at(x.since), now) // clocks differ
	}
	tip := "→"
	if x.until != nil {
		end, tip = at(*x.until), "┤"
	}
	end = max(end, now+1)
	return strings.Repeat(" ", begin) + t.Bad.Render(strings.Repeat("━", now-begin)) + t.Accent.Render("│") +
		t.Dim.Render(strings.Repeat("╌", max(0, end-now-1))+tip) + strings.Repeat(" ", max(0, cells-1-end))
}
