package widget

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/theme"
)

// TestStrip: of many each kind is seen, and most signs are those of the many.
func TestStrip(t *testing.T) {
	levels := make([]theme.Level, 10_000)
	for i := range levels {
		levels[i] = theme.Good
	}
	levels[7777] = theme.Broken
	out, per := Strip(mono(t), levels, 70, 2)
	text := ansi.Strip(strings.Join(out, ""))
	if per != 72 || strings.Count(text, "×") != 1 || strings.Count(text, "●") < 100 || len(out) > 2 {
		t.Errorf("%d each: %s", per, text)
	}
	out, per = Strip(mono(t), levels[:5], 70, 2)
	if per != 1 || ansi.Strip(out[0]) != "●●●●●" {
		t.Errorf("five: %q", out)
	}
}

// TestTimeline: the phases of two keys are where their times are.
func TestTimeline(t *testing.T) {
	now := time.Date(2026, 3, 14, 15, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	lines := Timeline(mono(t), []Span{
		{Label: "A", Word: "sending", Start: at(-50), Send: at(-40), Drain: at(10), End: at(30)},
		{Label: "B", Word: "waiting", Start: at(-10), Send: at(10), End: at(50)},
	}, now, at(40), 1+1+2+100+2+10)
	a, b, axis := []rune(lines[0])[4:104], []rune(lines[1])[4:104], lines[2]
	for _, want := range []struct {
		line []rune
		at   int
		r    rune
	}{{a, 5, '░'}, {a, 20, '█'}, {a, 49, '█'}, {a, 50, '│'}, {a, 62, '▒'}, {a, 90, ' '}, {b, 30, ' '}, {b, 45, '░'}, {b, 55, '░'}, {b, 70, '█'}} {
		if got := want.line[want.at]; got != want.r {
			t.Errorf("cell %d is %q, want %q in\n%s\n%s", want.at, got, want.r, string(a), string(b))
		}
	}
	if !strings.Contains(axis, "now") || !strings.Contains(axis, "rekey in 00:40") {
		t.Errorf("axis %q", axis)
	}
	for _, l := range lines {
		if ansi.StringWidth(l) > 116 {
			t.Errorf("%d cells: %q", ansi.StringWidth(l), l)
		}
	}
}
