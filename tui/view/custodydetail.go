package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// custodyDetail is one custody: rotations under way, how long calls take, and what the probe found.
func (f *Frame) custodyDetail(n *NodeCustody) []string {
	t := f.Theme
	out := []string{"", f.section("CALLS of "+n.Node, t.Dim.Render(fmt.Sprintf("%s since its start, in milliseconds", widget.Count(float64(n.Queue.Calls)))))}
	for _, s := range n.Signatures {
		if text := rotation(&s); text != "" {
			out = append(out, f.sentence(theme.Caution, text))
		}
	}
	if len(n.Latency) == 0 {
		out = append(out, t.Dim.Render("   none yet"))
	} else {
		lat := f.latencyTable(n.Latency)
		out = append(out, lat.View(t, nil, f.Width, lat.Len+1)...)
	}
	for _, l := range n.Latency {
		if l.Failed > 0 && l.Last != "" {
			out = append(out, t.Warn.Render(ansi.Truncate(fmt.Sprintf("   %s the last %s that failed, at %s: %s", theme.Caution.Glyph(), l.Operation, clock(l.LastAt), l.Last), f.Width, "…")))
		}
	}
	return append(out, f.probe(n.Findings)...)
}

// rotation says what is under way; empty: nothing.
func rotation(s *control.CustodySigning) string {
	switch {
	case s.Next != "":
		return fmt.Sprintf("group %s: %s signs, until members trust %s", s.Group, s.Key, s.Next)
	case len(s.Retiring) > 0:
		return fmt.Sprintf("group %s: %s signs; %s goes when its last KEK has ended", s.Group, s.Key, strings.Join(s.Retiring, ", "))
	}
	return ""
}

// latencyTable lists operations, those with the most calls first: what does not fit is rare.
func (f *Frame) latencyTable(all []control.CustodyLatency) *widget.Table {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b control.CustodyLatency) int { return cmp.Compare(b.Count+b.Failed, a.Count+a.Failed) })
	t := &widget.Table{Len: len(all), ID: func(i int) string { return all[i].Operation }}
	column := columns(t, all)
	ms := func(v float64) widget.Cell { return widget.Num(v, milliseconds(v)) }
	column(widget.Column{Title: " CALL"}, func(l *control.CustodyLatency) widget.Cell { return widget.Text(" " + l.Operation) })
	column(widget.Column{Title: "DONE", Right: true}, func(l *control.CustodyLatency) widget.Cell { return widget.Short(l.Count) })
	column(widget.Column{Title: "FAILED", Right: true}, func(l *control.CustodyLatency) widget.Cell {
		c := widget.Short(l.Failed)
		if l.Failed > 0 {
			c.Level, c.Glyph = theme.Caution, true
		}
		return c
	})
	column(widget.Column{Title: "MEAN", Right: true}, func(l *control.CustodyLatency) widget.Cell { return ms(l.Mean) })
	column(widget.Column{Title: "P50", Right: true, Drop: 1}, func(l *control.CustodyLatency) widget.Cell { return ms(l.P50) })
	column(widget.Column{Title: "P99", Right: true}, func(l *control.CustodyLatency) widget.Cell { return ms(l.P99) })
	column(widget.Column{Title: "MAX", Right: true}, func(l *control.CustodyLatency) widget.Cell { return ms(l.Max) })
	column(widget.Column{Title: histogramScale(), Key: "histogram"}, func(l *control.CustodyLatency) widget.Cell { return widget.Text(histogram(l.Buckets)) })
	return t
}

// histogramCell is how many columns a bucket has.
const histogramCell = 2

// histogramScale is over the buckets: where some of them end.
func histogramScale() string {
	var b strings.Builder
	for i, bound := range control.CustodyBounds {
		label := ""
		switch {
		case bound == 1 || bound == 10 || bound == 100: // 100 has room for three digits, as the next has no label
			label = fmt.Sprint(bound)
		case bound == 1000:
			label = "1s"
		case bound == 5000:
			label = "5s"
		}
		if room := i*histogramCell - b.Len(); room >= 0 {
			b.WriteString(strings.Repeat(" ", room) + label)
		}
	}
	return widget.Pad(b.String(), (len(control.CustodyBounds)+1)*histogramCell, false)
}

// histogram draws the buckets by height; one that is empty is a dot, so that one call is seen among thousands.
func histogram(buckets []uint64) string {
	var top uint64
	for _, n := range buckets {
		top = max(top, n)
	}
	var b strings.Builder
	for _, n := range buckets {
		r := '·'
		if n > 0 {
			r = widget.Block(float64(n) / float64(top))
		}
		b.WriteString(strings.Repeat(string(r), histogramCell))
	}
	return b.String()
}

// milliseconds are with a digit after the point below ten.
func milliseconds(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// probe says which mechanisms work, and which are not used.
func (f *Frame) probe(findings []control.CustodyFinding) (out []string) {
	short := strings.NewReplacer("CKM_", "", "C_GenerateRandom", "random", "_", " ")
	var work []string
	for _, x := range findings {
		if x.Verdict == "works" {
			work = append(work, short.Replace(x.Mechanism))
		}
	}
	if len(work) > 0 {
		out = append(out, f.sentence(theme.Good, "probe works: "+strings.Join(work, ", ")))
	}
	for _, x := range findings {
		level := map[string]theme.Level{"wrong": theme.Broken, "missing": theme.Caution, "unproven": theme.Neutral}[x.Verdict]
		if x.Verdict != "works" {
			out = append(out, f.sentence(level, fmt.Sprintf("probe %s: %s: %s", x.Verdict, short.Replace(x.Mechanism), x.Detail)))
		}
	}
	return out
}
