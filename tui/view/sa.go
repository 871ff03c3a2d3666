package view

import (
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/widget"
)

// SA is one key at every member that is attached: who has it, and what went through it.
type SA struct{}

// Name implements View.
func (SA) Name() string { return "sa" }

// Page implements View.
func (SA) Page(f *Frame) *Page {
	var key *Key
	for _, g := range f.groups() {
		keys := keysOf(f.Fleet, g)
		for i := range keys {
			if keys[i].SPI == f.SPI {
				key = &keys[i]
			}
		}
	}
	if key == nil {
		return &Page{Head: []string{f.Theme.Warn.Render(" key " + f.SPI + " has ended; esc goes back")}}
	}
	level, word := phaseLevel(key.Phase), key.Phase
	if key.Kind == "KEK" {
		level, word = phaseLevel("sending"), "in use"
	}
	p := &Page{
		Head: []string{
			f.section(key.Kind+" "+key.SPI+" of group "+key.Group, f.Theme.Dim.Render(key.Suite)),
			f.keyLine(key.Kind, key.SPI, level, word, key.Remaining, key.Lifetime),
		},
		Title:   "MEMBERS with this key",
		Subject: func(i int) Subject { return Subject{Group: key.Group, Node: key.Holders[i].Node} },
	}
	h := key.Holders
	t := &widget.Table{Len: len(h), ID: func(i int) string { return h[i].Node }, Old: func(i int) bool { return h[i].Phase == stateDown }}
	column := columns(t, h)
	column(widget.Column{Title: " MEMBER"}, func(h *Holding) widget.Cell { return widget.Text(" " + h.Node) })
	column(widget.Column{Title: "PHASE"}, func(h *Holding) widget.Cell { return widget.State(h.word(key)) })
	column(widget.Column{Title: "OUT PKT", Key: "out", Right: true}, func(h *Holding) widget.Cell { return widget.Short(h.OutPackets) })
	column(widget.Column{Title: "OUT OCTETS", Key: "out-octets", Right: true, Drop: 3}, func(h *Holding) widget.Cell { return widget.Short(h.OutBytes) })
	column(widget.Column{Title: "IN PKT", Key: "in", Right: true}, func(h *Holding) widget.Cell { return widget.Short(h.InPackets) })
	column(widget.Column{Title: "IN OCTETS", Key: "in-octets", Right: true, Drop: 3}, func(h *Holding) widget.Cell { return widget.Short(h.InBytes) })
	if key.Kind == "TEK" {
		column(widget.Column{Title: "OUT/s", Key: "out-rate", Right: true}, func(h *Holding) widget.Cell { return rateCell(series(h.node, key.Group, key.SPI).Out) })
		column(widget.Column{Title: "IN/s", Key: "in-rate", Right: true}, func(h *Holding) widget.Cell { return rateCell(series(h.node, key.Group, key.SPI).In) })
		column(widget.Column{Title: "TRAFFIC", Min: sparkWidth, Drop: 1}, func(h *Holding) widget.Cell { return sparkCell(both(series(h.node, key.Group, key.SPI))) })
		column(widget.Column{Title: "MAY SEND", Key: "left", Right: true, Drop: 4}, func(h *Holding) widget.Cell {
			if h.PacketsLeft == 0 {
				return widget.None()
			}
			return widget.Short(h.PacketsLeft)
		})
		p.Want, p.Foot = 8, func(i, room int) []string {
			if i < 0 || room < 3 {
				return nil
			}
			n := h[i].node
			return append([]string{""}, f.windowLines(n, key.Group, heldTEK(n, key.Group, key.SPI), room-1)...)
		}
	}
	p.Table = t
	return p
}

// heldTEK is a TEK as a member has it; an empty one if it has not.
func heldTEK(n *source.Node, group, spi string) *control.TEK {
	if n != nil && n.Snap != nil {
		for _, k := range keysHeld(n.Snap) {
			if k.tek != nil && k.group == group && k.tek.SPI == spi {
				return k.tek
			}
		}
	}
	return &control.TEK{SPI: spi}
}

// Data implements View.
func (SA) Data(*source.Fleet, string) any { return nil }
