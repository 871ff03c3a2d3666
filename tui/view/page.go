package view

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/widget"
)

// Page is what a view shows of a fleet: lines, a table under them, and lines about the row that is chosen.
type Page struct {
	Head  []string
	Title string // over the table
	Right string // beside it
	Table *widget.Table
	// Foot is about a row, -1 for none, in at most room lines.
	Foot func(row, room int) []string
	Want int // lines that the foot would like to have
	All  int // lines that it has when all is printed; 0: as it likes
	// Subject is what actions on a row are about, and Enter where the row leads: to its node if it is nil.
	Subject func(row int) Subject
	Enter   func(row int) Place
	// Command is a line for the palette that goes with a row, -1 for none; nil: no row has one.
	Command func(row int) string
	Event   func(row int) *control.Event // of a journal: what a row tells
}

// Subject is what a row is about.
type Subject struct {
	Group string
	Node  string // a node's name, or the address of one that is not attached
	Task  string // of the lab
}

// columns returns what adds columns to a table, with cells that are made of its rows.
func columns[T any](t *widget.Table, rows []T) func(c widget.Column, cell func(row *T) widget.Cell) {
	return func(c widget.Column, cell func(row *T) widget.Cell) {
		c.Cell = func(i int) widget.Cell { return cell(&rows[i]) }
		t.Columns = append(t.Columns, c)
	}
}

// leastTable is how many lines of a table stay, header included, when a page has more than its screen.
const leastTable = 6

// Draw lays a page out on a frame, in at most f.Height lines.
func (p *Page) Draw(f *Frame, s *widget.Look) []string {
	if p.Table == nil {
		out := append([]string{}, p.Head...)
		if len(out) > f.Height { // to be scrolled through
			out = out[min(f.Scroll, len(out)-f.Height):]
		}
		return f.clip(append(out, p.foot(-1, f.Height-len(out))...))
	}
	head, height := p.layout(f, s)
	body := p.Table.View(f.Theme, s, f.Width, height) // which says what part of it is seen
	if p.nothingFits(s) {
		body = append(body[:1], " "+f.Theme.Dim.Render(widget.Cut("nothing fits /"+s.Filter, f.Width-1)))
	}
	out := append([]string{}, p.Head[:head]...)
	out = append(append(out, f.section(p.Title, f.Theme.Dim.Render(p.position(s, height, f.Width-width(p.Title)-3)))), body...)
	return f.clip(append(out, p.foot(s.Row(p.Table), f.Height-len(out))...))
}

// nothingFits says whether all rows that there are have been filtered out.
func (p *Page) nothingFits(s *widget.Look) bool {
	return p.Table.Len > 0 && len(s.Rows(p.Table)) == 0 && s.Filter != "" && !s.Still
}

// layout says how many lines the head and the table have, the line between them not counted.
func (p *Page) layout(f *Frame, s *widget.Look) (head, height int) {
	rows := len(s.Rows(p.Table))
	head = len(p.Head) // the table needs some lines, whatever is said above it
	if over := head + 1 + min(rows+1, leastTable) - f.Height; over > 0 {
		head = max(0, head-over)
	}
	if p.nothingFits(s) {
		rows = 1 // that says so
	}
	height = min(rows+1, f.Height-head-1)
	if left := f.Height - head - 1 - height; p.Foot != nil && left < p.Want {
		height = max(min(leastTable, height), height-(p.Want-left))
	}
	return head, height
}

// Height is how many lines a page has when all of it is printed.
func (p *Page) Height(s *widget.Look) int {
	n := len(p.Head) + max(p.Want, p.All)
	if p.Table != nil {
		n += 2 + len(s.Rows(p.Table))
	}
	return n
}

// Top is the line of the table's header.
func (p *Page) Top(f *Frame, s *widget.Look) int {
	head, _ := p.layout(f, s)
	return head + 1
}

func (p *Page) foot(row, room int) []string {
	if p.Foot == nil || room <= 0 {
		return nil
	}
	lines := p.Foot(row, room)
	for len(lines) > 0 && width(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	return lines[:min(len(lines), room)]
}

// position says which part of a table is shown, and how, in at most room cells: what matters least goes first.
func (p *Page) position(s *widget.Look, height, room int) string {
	var parts []string
	if n := s.Hidden(); n > 0 && !s.Still {
		parts = append(parts, fmt.Sprintf("+%d columns (w)", n))
	}
	if p.Right != "" {
		parts = append(parts, p.Right)
	}
	if s.Sort != "" {
		order := "by " + s.Sort
		if s.Desc {
			order += ", reversed"
		}
		parts = append(parts, order)
	}
	if n := len(s.Marked(p.Table)); n > 0 {
		parts = append(parts, fmt.Sprintf("%d marked", n))
	}
	if n := len(s.MarkedFar(p.Table)); n > 0 {
		parts = append(parts, fmt.Sprintf("%d on the other side", n))
	}
	first, last, all := s.Visible(p.Table, height)
	shown := fmt.Sprintf("%d shown", all)
	if all < p.Table.Len {
		shown = fmt.Sprintf("%d of %d shown", all, p.Table.Len)
	}
	if last-first+1 < all {
		shown = fmt.Sprintf("%d–%d of ", first, last) + shown
	}
	parts = append(parts, shown)
	for len(parts) > 1 && width(strings.Join(parts, " · ")) > room {
		parts = parts[1:]
	}
	return strings.Join(parts, " · ")
}

// Place is where a row leads.
func (p *Page) Place(row int) Place {
	if p.Table == nil || row < 0 {
		return Place{}
	}
	if p.Enter != nil {
		return p.Enter(row)
	}
	if p.Subject != nil {
		if s := p.Subject(row); s.Node != "" {
			return Place{View: Node{}.Name(), Group: s.Group, Node: s.Node}
		}
	}
	return Place{}
}
