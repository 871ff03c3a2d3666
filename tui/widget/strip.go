package widget

import (
	"strings"

	"github.com/getvpn/getvpn/tui/theme"
)

// Strip draws one glyph for each of many, in at most lines lines of width cells. If they are more than fit it draws their
// shares, the worst first and none left out, and says how many a glyph stands for.
func Strip(th *theme.Theme, levels []theme.Level, width, lines int) (out []string, per int) {
	if len(levels) == 0 || width < 1 || lines < 1 {
		return nil, 1
	}
	glyphs, per := levels, 1
	if room := width * lines; len(levels) > room {
		per = (len(levels) + room - 1) / room
		glyphs = shares(levels, per)
	}
	for i := 0; i < len(glyphs); i += width {
		out = append(out, runs(th, glyphs[i:min(i+width, len(glyphs))]))
	}
	return out[:min(len(out), lines)], per
}

// shares makes one glyph of per that are alike, at least one of each kind.
func shares(levels []theme.Level, per int) (out []theme.Level) {
	count := [4]int{}
	for _, l := range levels {
		count[l]++
	}
	for _, l := range []theme.Level{theme.Broken, theme.Caution, theme.Neutral, theme.Good} {
		if n := count[l]; n > 0 {
			for range max(1, n/per) {
				out = append(out, l)
			}
		}
	}
	return out
}

// runs renders neighbours of one level together.
func runs(th *theme.Theme, glyphs []theme.Level) string {
	var b strings.Builder
	for i := 0; i < len(glyphs); {
		k := i
		for k < len(glyphs) && glyphs[k] == glyphs[i] {
			k++
		}
		b.WriteString(th.Level(glyphs[i]).Render(strings.Repeat(glyphs[i].Glyph(), k-i)))
		i = k
	}
	return b.String()
}
