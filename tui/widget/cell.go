package widget

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/theme"
)

// Cell is one value of a table: what is shown, and what it is sorted and compared by.
type Cell struct {
	Text  string // may be styled
	Num   float64
	IsNum bool        // Num counts, not Text
	Level theme.Level // of a state, or of a value that is not as it should be
	Glyph bool        // show the level's glyph and colour
	Out   string      // what exports say; empty: the number, or the text
}

// Text is a cell of plain or styled text.
func Text(s string) Cell { return Cell{Text: s} }

// State is a word with the glyph and the colour of its level.
func State(l theme.Level, word string) Cell { return Cell{Text: word, Level: l, Glyph: true} }

// Int is a number that is shown in full.
func Int[T ~int | ~uint | ~uint32 | ~uint64 | ~int64](n T) Cell {
	return Cell{Text: fmt.Sprint(n), Num: float64(n), IsNum: true}
}

// Num is a number that is shown as text.
func Num(n float64, text string) Cell { return Cell{Text: text, Num: n, IsNum: true} }

// Short is a count that is shown short: 12.3k.
func Short[T ~int | ~uint | ~uint32 | ~uint64 | ~float64](n T) Cell {
	return Num(float64(n), Count(float64(n)))
}

// None is a value that is not there; it is last however a table is sorted.
func None() Cell { return Cell{Text: "-"} }

// Left is the time from now to t, "now" when it has come; none for a zero t. It compares in seconds.
func Left(t, now time.Time) Cell {
	if t.IsZero() {
		return None()
	}
	d := t.Sub(now)
	if d <= 0 {
		return Num(d.Seconds(), "now")
	}
	return Num(d.Seconds(), Clock(d))
}

// Ago is the time of day of t; it compares by its age in seconds.
func Ago(t, now time.Time) Cell {
	if t.IsZero() {
		return None()
	}
	return Cell{Text: t.Local().Format("15:04:05"), Num: now.Sub(t).Seconds(), IsNum: true, Out: t.UTC().Format(time.RFC3339)}
}

// plain is the text without styles.
func (c Cell) plain() string {
	if strings.IndexByte(c.Text, '\x1b') < 0 {
		return c.Text
	}
	return ansi.Strip(c.Text)
}

// Plain is what is shown, without styles.
func (c Cell) Plain() string {
	if c.Glyph && c.Text != "" {
		return c.Level.Glyph() + " " + c.plain()
	}
	return c.plain()
}

// Value is what exports say: a float64, a string, or nil for what is not there.
func (c Cell) Value() any {
	switch {
	case c.Out != "":
		return c.Out
	case c.IsNum:
		return c.Num
	case c.missing():
		return nil
	}
	return strings.TrimSpace(c.plain())
}

func (c Cell) missing() bool { return !c.IsNum && (c.Text == "" || c.Text == "-") }

func (c Cell) width() int {
	n := Width(c.Text)
	if c.Glyph && c.Text != "" {
		n += 2
	}
	return n
}

// draw renders a cell.
func (c Cell) draw(th *theme.Theme) string {
	if c.Glyph && c.Text != "" {
		return th.State(c.Level, c.Text)
	}
	return c.Text
}

// drawOld renders a cell of data of the past: what is broken stays in sight.
func (c Cell) drawOld(th *theme.Theme) string {
	if c.Glyph && c.Level == theme.Broken && c.Text != "" {
		return th.State(c.Level, c.Text)
	}
	return th.Old.Render(c.Plain())
}

// compare orders cells: numbers by size, texts as people count them (gm2 before gm10), what is missing last.
func (c Cell) compare(o Cell) int {
	switch a, b := c.missing(), o.missing(); {
	case a && b:
		return 0
	case a:
		return 1
	case b:
		return -1
	}
	if c.IsNum && o.IsNum {
		switch {
		case c.Num < o.Num:
			return -1
		case c.Num > o.Num:
			return 1
		}
		return 0
	}
	if c.Glyph && o.Glyph && c.Level != o.Level {
		return int(o.Level) - int(c.Level) // what is worst first
	}
	return natural(c.plain(), o.plain())
}

// natural compares texts with the numbers in them as numbers.
func natural(a, b string) int {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	for a != "" && b != "" {
		if digit(a[0]) && digit(b[0]) {
			x, restA := number(a)
			y, restB := number(b)
			if x != y {
				if x < y {
					return -1
				}
				return 1
			}
			a, b = restA, restB
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

// number takes the digits at the start of s; one that is too long to be counted is as large as can be.
func number(s string) (n uint64, rest string) {
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		d := uint64(s[i] - '0')
		if n > (math.MaxUint64-d)/10 {
			n = math.MaxUint64
			continue
		}
		n = n*10 + d
	}
	return n, s[i:]
}
