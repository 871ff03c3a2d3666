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
	Right bool // right-aligned
	Min   int  // least width before the column is dropped from a narrow screen; 0 = the width of its content
	Drop  int  // columns with the highest Drop go first when the screen is narrow; 0 stays to the end
	Flex  bool // takes what width is left, and is cut first
}

// Table draws rows under a header. Cells may hold styled text; widths are those that a terminal shows.
type Table struct {
	Columns []Column
	Rows    [][]string
	Cursor  int // selected row, -1 none
	Offset  int // first row shown
}

const gap = 2

// fit decides which columns are shown and how wide.
func (t *Table) fit(width int) (shown []int, widths []int) {
	natural := make([]int, len(t.Columns))
	for i, c := range t.Columns {
		natural[i] = max(ansi.StringWidth(c.Title), c.Min)
		for _, r := range t.Rows {
			if i < len(r) {
				natural[i] = max(natural[i], ansi.StringWidth(r[i]))
			}
		}
	}
	shown = make([]int, len(t.Columns))
	for i := range shown {
		shown[i] = i
	}
	total := func() int {
		n := 0
		for _, i := range shown {
			w := natural[i]
			if t.Columns[i].Flex {
				w = min(w, max(t.Columns[i].Min, 8))
			}
			n += w + gap
		}
		return n - gap
	}
	for total() > width {
		worst := -1
		for k, i := range shown {
			if t.Columns[i].Drop > 0 && (worst < 0 || t.Columns[i].Drop >= t.Columns[shown[worst]].Drop) {
				worst = k
			}
		}
		if worst < 0 {
			break
		}
		shown = append(shown[:worst], shown[worst+1:]...)
	}
	left := width - gap*(len(shown)-1)
	for _, i := range shown {
		if !t.Columns[i].Flex {
			left -= natural[i]
		}
	}
	for _, i := range shown {
		w := natural[i]
		if t.Columns[i].Flex {
			w = max(min(w, left), 1)
		}
		widths = append(widths, w)
	}
	return shown, widths
}

// Pad cuts or fills s to exactly w cells.
func Pad(s string, w int, right bool) string {
	n := ansi.StringWidth(s)
	if n > w {
		return ansi.Truncate(s, w, "…")
	}
	if right {
		return strings.Repeat(" ", w-n) + s
	}
	return s + strings.Repeat(" ", w-n)
}

// View returns at most height lines, header included, each exactly width cells wide.
func (t *Table) View(th *theme.Theme, width, height int) []string {
	shown, widths := t.fit(width)
	line := func(cell func(i int) string) string {
		var b strings.Builder
		for k, i := range shown {
			if k > 0 {
				b.WriteString(strings.Repeat(" ", gap))
			}
			b.WriteString(Pad(cell(i), widths[k], t.Columns[i].Right))
		}
		return Pad(b.String(), width, false)
	}
	out := []string{th.Head.Render(line(func(i int) string { return t.Columns[i].Title }))}
	rows := height - 1
	if t.Cursor >= 0 {
		t.Offset = min(t.Offset, t.Cursor)
		t.Offset = max(t.Offset, t.Cursor-rows+1)
	}
	t.Offset = max(0, min(t.Offset, len(t.Rows)-rows))
	for n := t.Offset; n < len(t.Rows) && len(out) <= rows; n++ {
		r := t.Rows[n]
		l := line(func(i int) string {
			if i < len(r) {
				return r[i]
			}
			return ""
		})
		if n == t.Cursor {
			l = th.Cursor.Render(ansi.Strip(l))
		}
		out = append(out, l)
	}
	return out
}
