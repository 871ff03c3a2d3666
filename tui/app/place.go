package app

import (
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/tui/view"
	"github.com/getvpn/getvpn/tui/widget"
)

// show goes to a view, as it was left.
func (m *Model) show(p view.Place) {
	l := m.roots[p.View]
	if l == nil || l.place != p {
		l = &level{place: p}
		if p.View == (view.Events{}).Name() {
			l.look.Follow = true
		}
		m.roots[p.View] = l
	}
	m.stack = []*level{l}
}

// visit shows a view of what it was left at; of all if it is on the screen already.
func (m *Model) visit(name string) {
	p := view.Place{View: name}
	if l := m.roots[name]; l != nil && m.stack[0] != l {
		p = l.place
	}
	m.show(p)
}

// enter goes deeper.
func (m *Model) enter(p view.Place) {
	if p.View != "" {
		m.stack = append(m.stack, &level{place: p})
	}
}

// open goes to where the row under the cursor leads. While something is played, an event leads to its moment.
func (m *Model) open() {
	if !m.jump() {
		m.enter(m.current().Place(m.row()))
	}
}

// read shows a text until esc.
func (m *Model) read(title string, lines []string) {
	m.stack = append(m.stack, &level{place: view.Place{View: title}, fixed: &view.Page{Head: lines}})
}

// back takes a filter away, or goes where we came from.
func (m *Model) back() {
	switch l := m.top(); {
	case l.look.Filter != "":
		l.look.Filter = ""
	case len(m.stack) > 1:
		m.stack = m.stack[:len(m.stack)-1]
	case l.place.Group != "":
		m.show(view.Place{View: l.place.View})
	}
}

func (m *Model) top() *level {
	l := m.stack[len(m.stack)-1]
	l.look.Columns = m.columns[l.place.View] // those of a view are the same wherever it is shown
	return l
}

// tab is the number of the view at the bottom of the stack.
func (m *Model) tab() int {
	return slices.IndexFunc(m.views, func(v view.View) bool { return v.Name() == m.stack[0].place.View })
}

// turn shows the next view, or the previous with -1.
func (m *Model) turn(step int) {
	m.visit(m.views[(m.tab()+step+len(m.views))%len(m.views)].Name())
}

// frame is what the page of the top level is drawn on.
func (m *Model) frame() *view.Frame {
	return &view.Frame{Theme: m.theme, Fleet: m.shown(), Width: m.width, Height: m.bodyHeight(), Place: m.top().place, Scroll: m.top().scroll, Pending: m.pending.known,
		Marks: m.top().look.Marks, Far: m.top().look.Far}
}

// current is the page of the top level. It is made anew when what it shows has changed; keys that only move do not.
func (m *Model) current() *view.Page {
	l, f := m.top(), m.frame()
	if l.fixed != nil {
		return l.fixed
	}
	d := &m.page
	sides := "" // that are marked, in the drawing, too
	if l.place.View == (view.Topology{}).Name() && len(f.Marks)+len(f.Far) > 0 {
		sides = fmt.Sprint(f.Marks, f.Far)
	}
	if d.page == nil || d.fleet != f.Fleet || d.place != f.Place || d.theme != f.Theme || d.width != f.Width || d.height != f.Height || d.pending != f.Pending || d.sides != sides {
		v, err := view.ByName(l.place.View)
		if err != nil {
			return &view.Page{Head: []string{err.Error()}}
		}
		*d = drawn{v.Page(f), f.Fleet, f.Place, f.Theme, f.Width, f.Height, f.Pending, sides}
	}
	return d.page
}

// table is the table of the page and how it is looked at; both are nil on a page without one.
func (m *Model) table() (*widget.Table, *widget.Look) {
	if p := m.current(); p.Table != nil {
		return p.Table, &m.top().look
	}
	return nil, nil
}

// move walks in a table, or scrolls a text.
func (m *Model) move(step int) {
	if t, look := m.table(); t != nil {
		look.Move(t, step)
		return
	}
	l := m.top()
	l.scroll = max(0, min(l.scroll+step, len(m.current().Head)-1))
}

// row is the row under the cursor; -1: none.
func (m *Model) row() int {
	t, look := m.table()
	if t == nil {
		return -1
	}
	return look.Row(t)
}

// subject is what an action means: the row under the cursor, or the node whose page this is.
func (m *Model) subject() view.Subject {
	place := m.top().place
	s := view.Subject{Group: place.Group, Node: place.Node, Task: place.TaskName()}
	if p, i := m.current(), m.row(); p.Subject != nil && i >= 0 {
		s = p.Subject(i)
	}
	if s.Group == "" {
		s.Group = m.groupOf(s.Node)
	}
	return s
}

// groupOf is the first group of a node, or the first of all.
func (m *Model) groupOf(node string) string {
	if n := m.fleet.Node(node); n != nil {
		if own := n.Groups(); len(own) > 0 {
			return own[0]
		}
	}
	if all := m.fleet.Groups(); len(all) > 0 {
		return all[0]
	}
	return ""
}
