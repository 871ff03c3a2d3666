// Package widget holds the console's own small widgets: they take data and a width and return lines.
package widget

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/theme"
)

// Column of a Table.
type Column struct {
	Title string
	Key   string // what filters and commands call it; empty: its title in small letters
	Right bool   // right-aligned
	Min   int    // least width; 0 = the width of its content
	Drop  int    // columns with the highest Drop go first when the screen is narrow; 0 stays to the end
	Flex  bool   // takes what width is left, and is cut first

	Cell func(row int) Cell
}

// Table is rows under a header. Its cells are asked for when they are needed: those that are on the screen, those of the
// column that it is sorted by, all only for a search. A Table does not change; Look is how it is looked at.
type Table struct {
	Columns []Column
	Len     int
	ID      func(row int) string // the object of a row
	Old     func(row int) bool   // its data is of the past; nil: none is
	More    func(row int) string // what filters find it by and no column shows; nil: nothing
	Follows bool                 // new rows come at the end, and who looks at the end stays there
}

const gap = 2

// Name is the column's key.
func (c *Column) Name() string {
	if c.Key != "" {
		return c.Key
	}
	return strings.ToLower(strings.TrimSpace(c.Title))
}

// Keys lists the columns by key.
func (t *Table) Keys() []string {
	out := make([]string, len(t.Columns))
	for i := range t.Columns {
		out[i] = t.Columns[i].Name()
	}
	return out
}

func (t *Table) column(key string) *Column {
	if key == "" {
		return nil
	}
	for i := range t.Columns {
		if t.Columns[i].Name() == key {
			return &t.Columns[i]
		}
	}
	return nil
}

func (t *Table) cell(key string, row int) Cell {
	if c := t.column(key); c != nil {
		return c.Cell(row)
	}
	return None()
}

// Width is how many cells a terminal needs for s.
func Width(s string) int {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return ansi.StringWidth(s)
		}
	}
	return len(s) // most texts; the general way is slow
}

// Pad cuts or fills s to exactly w cells.
func Pad(s string, w int, right bool) string {
	n := Width(s)
	if n > w {
		return ansi.Truncate(s, w, "…")
	}
	if right {
		return strings.Repeat(" ", w-n) + s
	}
	return s + strings.Repeat(" ", w-n)
}

// Cut cuts s to at most w cells, and shows that it did.
func Cut(s string, w int) string { return ansi.Truncate(s, max(w, 1), "…") }

// Wrap breaks the lines of a text at words, so that none is wider than w cells.
func Wrap(s string, w int) string { return ansi.Wordwrap(s, w, "") }

// View returns at most height lines, header included, each exactly width cells wide, around the cursor. A nil look is that
// of a table that is printed: all rows in their order, and no cursor.
func (t *Table) View(th *theme.Theme, s *Look, width, height int) []string {
	if s == nil {
		s = &Look{Still: true}
	}
	rows, cursor := s.Rows(t), s.Cursor(t)
	room := max(height-1, 0)
	if cursor >= 0 {
		s.offset = min(s.offset, cursor)
		s.offset = max(s.offset, cursor-room+1)
	}
	s.offset = max(0, min(s.offset, len(rows)-room))
	shown := rows[s.offset:min(s.offset+room, len(rows))]
	l := t.fit(s, shown, width)
	s.last = l
	out := []string{th.Head.Render(l.header(t, s))}
	for n, i := range shown {
		out = append(out, l.row(th, t, s, i, s.offset+n == cursor))
	}
	return out
}

// Visible says which rows of how many View last showed.
func (s *Look) Visible(t *Table, height int) (first, last, all int) {
	rows := s.Rows(t)
	return s.offset + 1, min(s.offset+max(height-1, 0), len(rows)), len(rows)
}

// Hidden says how many columns that are wanted View last left out, for want of room or because they were moved away.
func (s *Look) Hidden() int { return s.last.hidden }

// Marked lists the marked rows that the table still has, in its order.
func (s *Look) Marked(t *Table) (rows []int) { return t.among(s.Marks) }

// MarkedFar lists those that are marked for the other side.
func (s *Look) MarkedFar(t *Table) (rows []int) { return t.among(s.Far) }

func (t *Table) among(ids map[string]bool) (rows []int) {
	if len(ids) == 0 {
		return nil
	}
	for i := range t.Len {
		if ids[t.ID(i)] {
			rows = append(rows, i)
		}
	}
	return rows
}
