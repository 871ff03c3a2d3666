package view

import (
	"sort"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Pulse is the whole group at a glance: how it is and why, keys and their lives, who is here, what just happened.
type Pulse struct{}

// Name implements View.
func (Pulse) Name() string { return "pulse" }

const (
	fullGroups = 3  // so many groups are drawn with their keys; more are rows of the table
	pulseRest  = 10 // lines of a screen that are not rows of the table, besides the head
)

// beat is a row of the pulse: a node, or, where there are many groups, a group.
type beat struct {
	group string
	node  *source.Node
	level theme.Level
	word  string
	why   string
}

// Page implements View.
func (Pulse) Page(f *Frame) *Page {
	if len(f.Fleet.Nodes) == 0 {
		return nothing(f)
	}
	groups := f.groups()
	p := &Page{Title: "NODES", Want: 5}
	if s := f.Fleet.State; s != nil && len(s.Faults) > 0 { // what is broken on purpose explains much of the rest
		p.Head = f.cutLines(topology(f.Fleet, ""))
	}
	var rows []beat
	for _, g := range groups {
		c := f.Fleet.Cooperation(g)
		if len(groups) > fullGroups {
			rows = append(rows, f.groupBeat(g))
			if c != nil {
				p.Head = append(p.Head, f.coopBanners(c, false)...)
			}
			p.Head = append(p.Head, f.removedLines(g)...)
			continue
		}
		head := f.groupHead(g)
		p.Head = append(p.Head, head[0])
		if c != nil {
			p.Head = append(p.Head, f.coopLine(c))
			p.Head = append(p.Head, f.coopBanners(c, false)...)
		}
		p.Head = append(append(p.Head, f.removedLines(g)...), head[1:]...)
	}
	if line := f.dropLine(); line != "" && f.Height >= 30 {
		p.Head = append(p.Head, line)
	}
	rows = append(rows, f.nodeBeats(f.Height-len(p.Head)-len(rows))...)
	if len(groups) > fullGroups {
		p.Title = "GROUPS AND NODES"
	}
	p.Table = f.beatTable(rows, len(groups) > fullGroups)
	p.Subject = func(i int) Subject {
		s := Subject{Group: rows[i].group}
		if n := rows[i].node; n != nil {
			s.Node = n.Name
		}
		return s
	}
	p.Enter = func(i int) Place {
		if rows[i].node == nil {
			return Place{View: Members{}.Name(), Group: rows[i].group}
		}
		return Place{View: Node{}.Name(), Node: rows[i].node.Name}
	}
	p.Foot = func(_, room int) []string {
		if room < 2 {
			return nil
		}
		return append([]string{f.section("EVENTS", "")}, f.telling(room-1)...)
	}
	return p
}

// groupBeat is a group in a row.
func (f *Frame) groupBeat(group string) beat {
	n, g := f.Fleet.KSOf(group)
	if g == nil || !n.Connected {
		return beat{group: group, level: theme.Broken, word: "no key server"}
	}
	level, word := f.groupHealth(g)
	if rest, ok := strings.CutPrefix(word, noPrimary); ok {
		return beat{group: group, level: level, word: noPrimary, why: strings.TrimPrefix(rest, ", ")}
	}
	word, why, _ := strings.Cut(word, " ")
	return beat{group: group, level: level, word: word, why: strings.Trim(why, "()")}
}

// nodeBeats are the nodes, key servers first; if not all fit into room lines, those in trouble before the others.
func (f *Frame) nodeBeats(room int) []beat {
	var out []beat
	gone := map[string]map[string]bool{} // of each group
	for _, g := range f.groups() {
		_, own := f.Fleet.KSOf(g)
		gone[g] = removed(own)
	}
	for i := range f.Fleet.Nodes {
		n := &f.Fleet.Nodes[i]
		b := beat{node: n}
		b.level, b.word = nodeState(f.Fleet, n)
		if own := n.Groups(); len(own) > 0 {
			b.group = own[0]
		}
		if n.Snap != nil && n.Snap.GM != nil {
			for _, g := range n.Snap.GM.Groups {
				if g.Name == f.Group {
					b.group = f.Group
				}
				if g.StateReason != "" {
					b.why = g.StateReason
				}
				if b.level == theme.Good && gone[g.Name][host(n.Snap.MemberAddress(g.Name))] {
					b.level, b.word, b.why = theme.Caution, control.StateRemoved, "is refused, and does not know it yet"
				}
			}
		}
		switch {
		case !n.Connected && n.Snap != nil:
			b.why = n.Problem + ", data " + widget.Clock(n.Age(f.Fleet.Time)) + " old"
		case n.Snap == nil:
			b.why = n.Problem
		case f.Fleet.Hangs(n):
			b.why = silence(f.Fleet, n)
		case b.why == "":
			if w := worst(drops(n.Snap)); w.Count > 0 {
				b.why = reason(w)
			}
		}
		if f.Group == "" || b.group == f.Group {
			out = append(out, b)
		}
	}
	if len(out) > max(room-pulseRest, leastTable-1) {
		sort.SliceStable(out, func(i, j int) bool { return out[i].level > out[j].level })
	}
	return out
}

// dropLine sums up why packets were dropped, over all nodes.
func (f *Frame) dropLine() string {
	sum := map[string]uint64{}
	for i := range f.Fleet.Nodes {
		if s := f.Fleet.Nodes[i].Snap; s != nil {
			for _, c := range drops(s) {
				sum[c.Name] += c.Count
			}
		}
	}
	var all []control.Counter
	for name, n := range sum {
		if n > 0 {
			all = append(all, control.Counter{Name: name, Count: n})
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].Count != all[j].Count {
			return all[i].Count > all[j].Count
		}
		return all[i].Name < all[j].Name
	})
	if len(all) == 0 {
		return ""
	}
	return " " + f.field("DROPS", counters(all[:min(len(all), 6)]))
}

// beatTable lists groups and nodes.
func (f *Frame) beatTable(rows []beat, groups bool) *widget.Table {
	t := &widget.Table{
		Len: len(rows),
		ID: func(i int) string {
			if rows[i].node == nil {
				return "group " + rows[i].group
			}
			return rows[i].node.Name
		},
		Old: func(i int) bool { return rows[i].node != nil && !rows[i].node.Connected },
		More: func(i int) string {
			if rows[i].node == nil {
				return "group"
			}
			return rows[i].node.Role + " " + rows[i].group
		},
	}
	column := columns(t, rows)
	column(widget.Column{Title: " NODE"}, func(b *beat) widget.Cell {
		if b.node == nil {
			return widget.Text(" group " + b.group)
		}
		return widget.Text(" " + b.node.Name)
	})
	column(widget.Column{Title: "STATE"}, func(b *beat) widget.Cell { return widget.State(b.level, b.word) })
	column(widget.Column{Title: "ADDRESS", Drop: 3}, func(b *beat) widget.Cell { return widget.Text(b.address()) })
	column(widget.Column{Title: "SEQ", Right: true, Drop: 4}, func(b *beat) widget.Cell { return f.beatSeq(b) })
	column(widget.Column{Title: "SENDS"}, func(b *beat) widget.Cell { return f.beatSends(b) })
	if groups {
		column(widget.Column{Title: "REKEY IN", Key: "rekey", Right: true}, func(b *beat) widget.Cell { return f.beatNext(b) })
	}
	column(widget.Column{Title: "OUT/s", Key: "out", Right: true}, func(b *beat) widget.Cell { return b.rate(true) })
	column(widget.Column{Title: "IN/s", Key: "in", Right: true, Drop: 1}, func(b *beat) widget.Cell { return b.rate(false) })
	column(widget.Column{Title: "TRAFFIC", Min: 16, Drop: 5}, func(b *beat) widget.Cell {
		if b.node == nil || b.node.Snap == nil || b.node.Snap.GM == nil {
			return widget.Text("")
		}
		return widget.Text(widget.Spark(b.node.Out, 16))
	})
	column(widget.Column{Title: "DROPS", Right: true, Drop: 2}, func(b *beat) widget.Cell { return b.drops() })
	column(widget.Column{Title: "TROUBLE", Flex: true, Min: 20}, func(b *beat) widget.Cell { return widget.Text(b.why) })
	return t
}

// Data implements View.
func (Pulse) Data(fleet *source.Fleet, group string) any {
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
	return map[string]any{"attached": fleet.Title, "groups": limited(fleet, group), "nodes": nodes}
}
