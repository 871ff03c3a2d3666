package view

import (
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/widget"
)

// Node is everything about one node, or about a member that only its key server knows: its SAs, and what happened to it.
type Node struct{}

// Name implements View.
func (Node) Name() string { return "node" }

// held is one key that a node has.
type held struct {
	group string
	tek   *control.TEK
	kek   *control.KEK
}

// keysHeld lists a node's keys.
func keysHeld(s *control.Snapshot) (out []held) {
	add := func(group string, teks []control.TEK, kek *control.KEK) {
		for i := range teks {
			out = append(out, held{group: group, tek: &teks[i]})
		}
		if kek != nil {
			out = append(out, held{group: group, kek: kek})
		}
	}
	if s.GM != nil {
		for i := range s.GM.Groups {
			add(s.GM.Groups[i].Name, s.GM.Groups[i].TEKs, s.GM.Groups[i].KEK)
		}
	}
	if s.KS != nil {
		for i := range s.KS.Groups {
			add(s.KS.Groups[i].Name, s.KS.Groups[i].TEKs, s.KS.Groups[i].KEK)
		}
	}
	return out
}

// Page implements View.
func (Node) Page(f *Frame) *Page {
	n := f.Fleet.Node(f.Node)
	if n == nil {
		for _, m := range list(f.Fleet, f.Group) {
			if m.Name == f.Node {
				return f.memberPage(&m)
			}
		}
		return &Page{Head: []string{f.Theme.Warn.Render(" " + f.Node + " is not known any more; esc goes back")}}
	}
	_, word := nodeState(f.Fleet, n)
	p := &Page{Head: append([]string{f.section(n.Name, f.Theme.Dim.Render(word))}, f.nodeFacts(n)...)}
	if n.Snap == nil {
		return p
	}
	p.Title, p.Table, p.Want = "KEYS of "+n.Name, f.heldTable(n), 6
	keys := keysHeld(n.Snap)
	p.Subject = func(i int) Subject { return Subject{Group: keys[i].group, Node: n.Name} }
	p.Enter = func(i int) Place {
		if keys[i].tek == nil {
			return Place{}
		}
		return Place{View: SA{}.Name(), Group: keys[i].group, SPI: keys[i].tek.SPI}
	}
	p.Foot = func(row, room int) []string {
		var out []string
		if row >= 0 && keys[row].tek != nil && room > 8 {
			if out = f.windowLines(n, keys[row].group, keys[row].tek, room/2); len(out) > 0 {
				out = append([]string{""}, out...)
			}
		}
		if n.Snap.KS != nil && n.Connected {
			for _, g := range n.Snap.KS.Groups {
				if c := f.Fleet.Cooperation(g.Name); c != nil && g.Coop != nil {
					out = append(out, f.coopDetail(c, c.Server(g.Coop.ID))...)
				}
			}
		}
		if left := room - len(out) - 2; left > 0 {
			out = append(out, "", f.section("EVENTS of "+n.Name, ""))
			out = append(out, f.eventTail(left, func(e *control.Event) bool { return e.Node == n.Name })...)
		}
		return out
	}
	return p
}

// memberPage is about a member that is not attached.
func (f *Frame) memberPage(m *Member) *Page {
	out := append([]string{f.section(m.Name, f.Theme.Dim.Render(m.State))}, f.memberFacts(m)...)
	out = append(out, "", f.section("EVENTS about "+m.Name, ""))
	return &Page{Head: out, Foot: func(_, room int) []string {
		return f.eventTail(room, m.concerns)
	}}
}

// heldTable lists a node's keys with what went through them.
func (f *Frame) heldTable(n *source.Node) *widget.Table {
	keys, lag := keysHeld(n.Snap), stale(n, f.Fleet.Time)
	t := &widget.Table{
		Len: len(keys), ID: func(i int) string { return keys[i].group + "/" + keys[i].spi() },
		Old: func(int) bool { return !n.Connected },
	}
	column := columns(t, keys)
	traffic := func(get func(k *control.TEK) uint64) func(k *held) widget.Cell {
		return func(k *held) widget.Cell {
			if k.tek == nil || n.Snap.GM == nil {
				return widget.None()
			}
			return widget.Short(get(k.tek))
		}
	}
	column(widget.Column{Title: " KEY"}, func(k *held) widget.Cell { return widget.Text(" " + k.kind()) })
	column(widget.Column{Title: "SPI"}, func(k *held) widget.Cell { return widget.Text(short(k.spi())) })
	column(widget.Column{Title: "GROUP", Drop: 3}, func(k *held) widget.Cell { return widget.Text(k.group) })
	column(widget.Column{Title: "PHASE"}, func(k *held) widget.Cell { return k.phase() })
	column(widget.Column{Title: "LEFT", Right: true}, func(k *held) widget.Cell { return k.left(lag) })
	column(widget.Column{Title: "LIFE", Min: 12, Drop: 4}, func(k *held) widget.Cell { return k.bar(f, lag) })
	column(widget.Column{Title: "OUT PKT", Key: "out", Right: true}, traffic(func(k *control.TEK) uint64 { return k.OutPackets }))
	column(widget.Column{Title: "OUT OCTETS", Key: "out-octets", Right: true, Drop: 2}, traffic(func(k *control.TEK) uint64 { return k.OutBytes }))
	column(widget.Column{Title: "IN PKT", Key: "in", Right: true}, traffic(func(k *control.TEK) uint64 { return k.InPackets }))
	column(widget.Column{Title: "IN OCTETS", Key: "in-octets", Right: true, Drop: 2}, traffic(func(k *control.TEK) uint64 { return k.InBytes }))
	if n.Snap.GM != nil {
		rate := func(get func(s source.Series) widget.Cell) func(k *held) widget.Cell {
			return func(k *held) widget.Cell {
				if k.tek == nil {
					return widget.None()
				}
				return get(series(n, k.group, k.tek.SPI))
			}
		}
		column(widget.Column{Title: "OUT/s", Key: "out-rate", Right: true, Drop: 6}, rate(func(s source.Series) widget.Cell { return rateCell(s.Out) }))
		column(widget.Column{Title: "IN/s", Key: "in-rate", Right: true, Drop: 6}, rate(func(s source.Series) widget.Cell { return rateCell(s.In) }))
		column(widget.Column{Title: "TRAFFIC", Min: sparkWidth, Drop: 3}, func(k *held) widget.Cell {
			if k.tek == nil {
				return widget.Text("")
			}
			return sparkCell(both(series(n, k.group, k.tek.SPI)))
		})
	}
	column(widget.Column{Title: "SUITE", Flex: true, Min: 12, Drop: 5}, func(k *held) widget.Cell { return widget.Text(k.suite()) })
	return t
}

// Data implements View.
func (Node) Data(*source.Fleet, string) any { return nil }

func (k *held) kind() string {
	if k.tek != nil {
		return "TEK"
	}
	return "KEK"
}

func (k *held) spi() string {
	if k.tek != nil {
		return k.tek.SPI
	}
	return k.kek.SPI
}

func (k *held) suite() string {
	if k.tek != nil {
		return k.tek.Suite
	}
	return k.kek.Suite
}

func (k *held) phase() widget.Cell {
	if k.tek != nil {
		return widget.State(phaseLevel(k.tek.Phase), k.tek.Phase)
	}
	return widget.State(phaseLevel(control.PhaseSending), "seq "+seqText(k.kek.Seq))
}

func (k *held) life() (remaining, lifetime int) {
	if k.tek != nil {
		return k.tek.Remaining, k.tek.Lifetime
	}
	return k.kek.Remaining, k.kek.Lifetime
}

func (k *held) left(lag int) widget.Cell {
	remaining, _ := k.life()
	return left(remaining - lag)
}

func (k *held) bar(f *Frame, lag int) widget.Cell {
	remaining, lifetime := k.life()
	return f.lifeBar(remaining-lag, lifetime, 12)
}
