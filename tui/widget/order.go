package widget

import (
	"slices"
	"sort"
	"strings"
)

// Look is how somebody looks at a table: filter, order, cursor and marks. It outlives the table, which is made anew
// whenever what it shows has changed.
type Look struct {
	Filter  string
	Sort    string // key of the column; empty: the order of the table
	Desc    bool
	ID      string          // of the row under the cursor
	Marks   map[string]bool // by ID
	Far     map[string]bool // the same: marked for the other of two sides
	Follow  bool            // the cursor stays on the last row
	Columns Columns         // that are shown; none: all that fit
	Wide    bool            // columns are as wide as they need to be, beyond the screen
	Side    int             // of these so many behind the first are left out: the table is moved sideways
	Still   bool            // there is no cursor: the table is printed
	Wrong   error           // what is wrong with the filter

	index, offset int
	widths        map[string]int
	order         order
	last          layout // as it was drawn
}

// order is which rows are shown, and what it was made for.
type order struct {
	table  *Table
	filter string
	sort   string
	desc   bool
	rows   []int
	texts  []string // of table, by row; nil: not needed yet
	at     map[string]int
}

// Rows returns the rows of t that are shown, in order.
func (s *Look) Rows(t *Table) []int {
	o := &s.order
	if o.table == t && o.filter == s.Filter && o.sort == s.Sort && o.desc == s.Desc {
		return o.rows
	}
	if o.table != t {
		o.texts = nil
	}
	var f *Filter
	f, s.Wrong = ParseFilter(s.Filter, t.Keys())
	o.table, o.filter, o.sort, o.desc, o.at = t, s.Filter, s.Sort, s.Desc, nil
	o.rows = make([]int, 0, t.Len)
	if f.textual() && o.texts == nil {
		o.texts = t.texts()
	}
	for i := range t.Len {
		text := ""
		if o.texts != nil {
			text = o.texts[i]
		}
		if f.Empty() || f.match(text, func(key string) Cell { return t.cell(key, i) }) {
			o.rows = append(o.rows, i)
		}
	}
	s.sort(t)
	return o.rows
}

// sort orders the rows by the cells of one column; rows that are alike stay as they were.
func (s *Look) sort(t *Table) {
	c := t.column(s.Sort)
	if c == nil {
		return
	}
	rows := s.order.rows
	cells := make([]Cell, t.Len)
	for _, i := range rows {
		cells[i] = c.Cell(i)
	}
	sort.SliceStable(rows, func(i, j int) bool {
		a, b := cells[rows[i]], cells[rows[j]]
		if s.Desc && a.missing() == b.missing() {
			return b.compare(a) < 0
		}
		return a.compare(b) < 0
	})
}

// texts returns all of each row in small letters.
func (t *Table) texts() []string {
	out := make([]string, t.Len)
	var b strings.Builder
	for i := range out {
		b.Reset()
		for k := range t.Columns {
			b.WriteString(t.Columns[k].Cell(i).plain())
			b.WriteByte('\n') // a word must not be found across cells
		}
		if t.More != nil {
			b.WriteString(t.More(i))
		}
		out[i] = strings.ToLower(b.String())
	}
	return out
}

// Cursor returns the position of the cursor among the shown rows; -1: there are none. It stays on its object while that is
// shown, wherever it moves to.
func (s *Look) Cursor(t *Table) int {
	rows := s.Rows(t)
	if len(rows) == 0 || s.Still {
		return -1
	}
	if s.Follow {
		s.index = len(rows) - 1
	} else if at, ok := s.find(t, s.ID); ok {
		s.index = at
	}
	s.index = max(0, min(s.index, len(rows)-1))
	s.ID = t.ID(rows[s.index])
	return s.index
}

// find returns the position of a row.
func (s *Look) find(t *Table, id string) (int, bool) {
	if id == "" {
		return 0, false
	}
	if i := s.index; i < len(s.order.rows) && t.ID(s.order.rows[i]) == id {
		return i, true
	}
	if s.order.at == nil {
		s.order.at = make(map[string]int, len(s.order.rows))
		for k, i := range s.order.rows {
			if _, twice := s.order.at[t.ID(i)]; !twice {
				s.order.at[t.ID(i)] = k
			}
		}
	}
	at, ok := s.order.at[id]
	return at, ok
}

// Row returns the row of the table under the cursor; -1: none.
func (s *Look) Row(t *Table) int {
	if t == nil {
		return -1
	}
	c := s.Cursor(t)
	if c < 0 {
		return -1
	}
	return s.Rows(t)[c]
}

// Move moves the cursor by step rows.
func (s *Look) Move(t *Table, step int) {
	c := s.Cursor(t)
	if c < 0 {
		return
	}
	s.To(t, c+step)
}

// To sets the cursor to a position among the shown rows.
func (s *Look) To(t *Table, at int) {
	rows := s.Rows(t)
	if len(rows) == 0 {
		return
	}
	s.index = max(0, min(at, len(rows)-1))
	s.ID = t.ID(rows[s.index])
	s.Follow = t.Follows && s.index == len(rows)-1
}

// SortBy sorts by the next column to the right, or to the left with step -1; past the ends is the table's own order.
func (s *Look) SortBy(t *Table, step int) {
	keys := append([]string{""}, t.Keys()...)
	at := max(slices.Index(keys, s.Sort), 0)
	s.Sort = keys[(at+step+len(keys))%len(keys)]
	s.Desc = false
	s.offset = 0
}

// Mark marks the row under the cursor, or takes its mark away.
func (s *Look) Mark(t *Table) { s.mark(t, &s.Marks, s.Far) }

// MarkFar does so for the other side.
func (s *Look) MarkFar(t *Table) { s.mark(t, &s.Far, s.Marks) }

func (s *Look) mark(t *Table, marks *map[string]bool, other map[string]bool) {
	if s.Cursor(t) < 0 {
		return
	}
	if *marks == nil {
		*marks = map[string]bool{}
	}
	delete(other, s.ID)
	if (*marks)[s.ID] {
		delete(*marks, s.ID)
	} else {
		(*marks)[s.ID] = true
	}
}

// At is the position of a line under the header, as it was last drawn.
func (s *Look) At(t *Table, line int) (at int, ok bool) {
	at = s.offset + line
	return at, line >= 0 && at < len(s.Rows(t))
}

// ColumnAt is the key of the column at a cell of a line, as it was last drawn; empty: there is none.
func (s *Look) ColumnAt(t *Table, x int) string {
	from := len(s.last.lead)
	for k, i := range s.last.shown {
		if x < from+s.last.widths[k]+gap {
			return t.Columns[i].Name()
		}
		from += s.last.widths[k] + gap
	}
	return ""
}
