package widget

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/theme"
)

// layout is which columns are shown and how wide.
type layout struct {
	shown, widths []int
	width         int
	marks         bool
}

// fit chooses columns. Widths follow the rows on the screen, and what was there before: they do not shrink while somebody
// scrolls.
func (t *Table) fit(s *Look, rows []int, width int) layout {
	if s.widths == nil {
		s.widths = map[string]int{}
	}
	natural := make([]int, len(t.Columns))
	for i := range t.Columns {
		c := &t.Columns[i]
		w := max(Width(t.title(s, c)), c.Min, s.widths[c.Name()])
		for _, r := range rows {
			w = max(w, c.Cell(r).width())
		}
		natural[i], s.widths[c.Name()] = w, w
	}
	l := layout{width: width, marks: len(s.Marks)+len(s.Far) > 0}
	for i := range t.Columns {
		l.shown = append(l.shown, i)
	}
	for t.total(l.shown, natural) > width {
		worst := -1
		for k, i := range l.shown {
			if d := t.Columns[i].Drop; d > 0 && (worst < 0 || d >= t.Columns[l.shown[worst]].Drop) {
				worst = k
			}
		}
		if worst < 0 {
			break
		}
		l.shown = append(l.shown[:worst], l.shown[worst+1:]...)
	}
	left := width - gap*(len(l.shown)-1)
	for _, i := range l.shown {
		if !t.Columns[i].Flex {
			left -= natural[i]
		}
	}
	for _, i := range l.shown {
		w := natural[i]
		if t.Columns[i].Flex {
			w = max(min(w, left), 1)
		}
		l.widths = append(l.widths, w)
	}
	return l
}

// total is the least width of some columns.
func (t *Table) total(shown, natural []int) int {
	n := -gap
	for _, i := range shown {
		w := natural[i]
		if c := &t.Columns[i]; c.Flex {
			w = min(w, max(c.Min, 8))
		}
		n += w + gap
	}
	return n
}

// title is the head of a column, with an arrow on that which the table is sorted by.
func (t *Table) title(s *Look, c *Column) string {
	switch {
	case s.Sort == "" || s.Sort != c.Name():
		return c.Title
	case s.Desc:
		return c.Title + "↓"
	}
	return c.Title + "↑"
}

func (l *layout) header(t *Table, s *Look) string {
	return l.line(t, func(c *Column) string { return t.title(s, c) })
}

func (l *layout) line(t *Table, cell func(c *Column) string) string {
	var b strings.Builder
	for k, i := range l.shown {
		if k > 0 {
			b.WriteString(strings.Repeat(" ", gap))
		}
		b.WriteString(Pad(cell(&t.Columns[i]), l.widths[k], t.Columns[i].Right))
	}
	return Pad(b.String(), l.width, false)
}

// row draws one row: the cursor and what is old have a style of their own, and a sign in the first column of the screen, which tables leave free; so has a mark.
func (l *layout) row(th *theme.Theme, t *Table, s *Look, i int, cursor bool) string {
	old := t.Old != nil && t.Old(i)
	line := l.line(t, func(c *Column) string {
		switch cell := c.Cell(i); {
		case cursor:
			return cell.Plain()
		case old:
			return cell.drawOld(th)
		default:
			return cell.draw(th)
		}
	})
	sign := ""
	switch marked, far := l.marks && s.Marks[t.ID(i)], l.marks && s.Far[t.ID(i)]; {
	case far && cursor:
		sign = "≠"
	case far:
		sign = th.Warn.Render("≠")
	case marked && cursor:
		sign = "»"
	case marked:
		sign = th.Accent.Render("✓")
	case cursor:
		sign = "›" // terminals without colours show it too
	}
	if sign != "" {
		line = sign + ansi.TruncateLeft(line, 1, "")
	}
	if cursor {
		return th.Cursor.Render(ansi.Strip(line))
	}
	return line
}
