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
	lead          string // before the first column, where that has no room for the sign of the cursor
	hidden        int    // columns that are wanted and not shown
}

// fit chooses columns. Widths follow the rows on the screen, and what was there before: they do not shrink while somebody
// scrolls.
func (t *Table) fit(s *Look, rows []int, width int) layout {
	if s.widths == nil {
		s.widths = map[string]int{}
	}
	wanted := t.Chosen(s)
	natural := make([]int, len(t.Columns))
	for _, i := range wanted {
		c := &t.Columns[i]
		w := max(Width(c.Title), c.Min, s.widths[c.Name()])
		for _, r := range rows {
			w = max(w, c.Cell(r).width())
		}
		natural[i], s.widths[c.Name()] = max(w, Width(t.title(s, c))), w
	}
	l := layout{width: width, marks: len(s.Marks)+len(s.Far) > 0, shown: wanted}
	if wanted[0] != 0 {
		l.lead = " "
	}
	room := width - len(l.lead)
	if s.Wide {
		l.wide(s, natural, room)
	} else {
		t.narrow(&l, s, natural, room)
	}
	l.hidden = len(wanted) - len(l.shown)
	return l
}

// wide shows columns as wide as they need to be, the first always, as many of the others as begin on the screen.
func (l *layout) wide(s *Look, natural []int, room int) {
	wanted := l.shown
	s.Side = max(0, min(s.Side, len(wanted)-2))
	l.shown = nil
	for k, i := range wanted {
		if k > 0 && k <= s.Side {
			continue
		}
		if room < 1 {
			break
		}
		l.shown, l.widths = append(l.shown, i), append(l.widths, min(natural[i], room))
		room -= natural[i] + gap
	}
}

// narrow leaves out columns until all fit: of those that somebody has chosen the last, else those that matter least.
func (t *Table) narrow(l *layout, s *Look, natural []int, room int) {
	for t.total(l.shown, natural) > room {
		worst := -1
		for k, i := range l.shown {
			if d := t.Columns[i].Drop; d > 0 && (worst < 0 || d >= t.Columns[l.shown[worst]].Drop) {
				worst = k
			}
		}
		if len(s.Columns) > 0 {
			worst = len(l.shown) - 1
		}
		if worst < 0 || len(l.shown) == 1 {
			break
		}
		l.shown = append(l.shown[:worst:worst], l.shown[worst+1:]...)
	}
	left := room - gap*(len(l.shown)-1)
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
	b.WriteString(l.lead)
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
