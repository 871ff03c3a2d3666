package widget

import (
	"fmt"
	"strings"
	"time"

	"github.com/getvpn/getvpn/tui/theme"
)

// Bar draws how much of something is left: full and empty blocks, width cells in all. The colour follows the level.
func Bar(th *theme.Theme, l theme.Level, part float64, width int) string {
	part = max(0, min(1, part))
	full := int(part*float64(width) + 0.5)
	if part > 0 && full == 0 {
		full = 1
	}
	style := th.BarFull
	if l != theme.Neutral {
		style = th.Level(l)
	}
	return style.Render(strings.Repeat("━", full)) + th.BarEmpty.Render(strings.Repeat("╌", width-full))
}

// blocks leave a gap to the line above: rows stand apart.
var blocks = []rune("▁▂▃▄▅▆▇")

// Block is a block as high as a part of a whole.
func Block(part float64) rune {
	return blocks[min(len(blocks)-1, int(part*float64(len(blocks)-1)+0.5))]
}

// Spark draws the newest width values, scaled to the largest.
func Spark(values []float64, width int) string {
	if len(values) > width {
		values = values[len(values)-width:]
	}
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", width-len(values)))
	for _, v := range values {
		if top == 0 {
			b.WriteRune(Block(0))
			continue
		}
		b.WriteRune(Block(v / top))
	}
	return b.String()
}

// Clock prints a duration as operators read countdowns: 00:42, 12:03, 5:01:00, 3d04h.
func Clock(d time.Duration) string {
	s := int(d.Round(time.Second) / time.Second)
	sign := ""
	if s < 0 {
		sign, s = "-", -s
	}
	switch {
	case s >= 48*3600:
		return fmt.Sprintf("%s%dd%02dh", sign, s/86400, s%86400/3600)
	case s >= 3600:
		return fmt.Sprintf("%s%d:%02d:%02d", sign, s/3600, s%3600/60, s%60)
	default:
		return fmt.Sprintf("%s%02d:%02d", sign, s/60, s%60)
	}
}

// Count prints a number short: 999, 12.3k, 4.56M.
func Count(n float64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2fG", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.2fM", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.1fk", n/1e3)
	default:
		return fmt.Sprintf("%.0f", n)
	}
}
