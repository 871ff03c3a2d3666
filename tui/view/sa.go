package view

import (
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
	column(widget.Column{Title: "OUT OCTETS", Key: "out-octets", Right: true}, func(h *Holding) widget.Cell { return widget.Short(h.OutBytes) })
	column(widget.Column{Title: "IN PKT", Key: "in", Right: true}, func(h *Holding) widget.Cell { return widget.Short(h.InPackets) })
	column(widget.Column{Title: "IN OCTETS", Key: "in-octets", Right: true}, func(h *Holding) widget.Cell { return widget.Short(h.InBytes) })
	p.Table = t
	return p
}

// Data implements View.
func (SA) Data(*source.Fleet, string) any { return nil }
