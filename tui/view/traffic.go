package view

import (
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/widget"
)

// sparkWidth is how many of the newest values a table draws.
const sparkWidth = 16

// rateCell is the newest value of a series; none before there are two snapshots.
func rateCell(values []float64) widget.Cell {
	r, ok := source.Rate(values)
	if !ok {
		return widget.None()
	}
	return widget.Short(r)
}

// sparkCell draws a series; it compares by its newest value, which is what exports have.
func sparkCell(values []float64) widget.Cell {
	r, ok := source.Rate(values)
	if !ok {
		return widget.Text("")
	}
	return widget.Num(r, widget.Spark(values, sparkWidth))
}

// series is what a node sends and receives under a TEK.
func series(n *source.Node, group, spi string) source.Series {
	if n == nil || !n.Connected {
		return source.Series{}
	}
	return n.Keys[source.KeyName(group, spi)]
}

// both adds up what was sent and received.
func both(s source.Series) []float64 { return source.Sum(s.In, s.Out) }

// series is what all holders of a key send and receive under it, added up once: several columns of a row ask.
func (k *Key) series() source.Series {
	if k.sum == nil {
		var in, out [][]float64
		for i := range k.Holders {
			s := series(k.Holders[i].node, k.Group, k.SPI)
			in, out = append(in, s.In), append(out, s.Out)
		}
		k.sum = &source.Series{In: source.Sum(in...), Out: source.Sum(out...)}
	}
	return *k.sum
}

// trafficLines draws what a member sends, receives and drops, over as much of the past as fits: one line each.
func (f *Frame) trafficLines(n *source.Node) (out []string) {
	if len(n.Out) == 0 || !n.Connected {
		return nil
	}
	const label = 22
	room := max(10, min(f.Width-label-2, 120))
	for _, x := range []struct {
		name   string
		values []float64
	}{{"out", n.Out}, {"in", n.In}, {"drops", n.Drops}} {
		now, _ := source.Rate(x.values)
		style := f.Theme.Accent
		if x.name == "drops" {
			style = f.Theme.Warn
		}
		rate := f.Theme.Dim.Render(widget.Pad(x.name, 6, false)) + f.Theme.Text.Render(widget.Pad(widget.Count(now)+"/s", 8, true))
		peak := f.Theme.Dim.Render(widget.Pad("  most "+widget.Count(most(x.values))+"/s", 16, false))
		spark := widget.Spark(x.values, room-width(peak))
		out = append(out, " "+rate+"  "+style.Render(spark)+peak)
	}
	return out
}

func most(values []float64) (top float64) {
	for _, v := range values {
		top = max(top, v)
	}
	return top
}
