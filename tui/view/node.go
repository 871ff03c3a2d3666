package view

import (
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// Node is everything about one node; enter opens it from a list, esc leaves it.
type Node struct{}

// Name implements View.
func (Node) Name() string { return "node" }

// Rows implements View.
func (Node) Rows(*Frame) []string { return nil }

// Draw implements View.
func (Node) Draw(f *Frame) []string {
	n := f.Fleet.Node(f.Node)
	if n == nil {
		return []string{f.Theme.Warn.Render(" " + f.Node + " is not known any more; esc goes back")}
	}
	out := f.nodeDetail(n, f.Height)
	if left := f.Height - len(out) - 2; left > 0 {
		out = append(out, "", f.section("EVENTS of "+n.Name, ""))
		out = append(out, f.eventTail(left, func(e *control.Event) bool { return e.Node == n.Name })...)
	}
	return f.clip(out)
}

// Data implements View.
func (Node) Data(*source.Fleet) any { return nil }
