package widget

import (
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"github.com/getvpn/getvpn/tui/theme"
)

// Span is a key's life on a timeline: it is received from Start to End, and sent with from Send to Drain. A zero Send means
// that it is not known when that begins.
type Span struct {
	Label                   string
	Level                   theme.Level
	Word                    string
	Start, Send, Drain, End time.Time
}

// Glyphs of a key's phases on a timeline.
const (
	waiting  = '░'
	sending  = '█'
	draining = '▒'
)

// Timeline draws lives over one time axis, with a rule where now is: a line for each span, then the axis with the times of
// its ends, and marks under it (next, the time of the next rekey, if it is on the axis).
func Timeline(th *theme.Theme, spans []Span, now, next time.Time, width int) []string {
	if len(spans) == 0 {
		return nil
	}
	from, to := now, now
	label, word := 0, 0
	for _, s := range spans {
		if s.Start.Before(from) {
			from = s.Start
		}
		if s.End.After(to) {
			to = s.End
		}
		label, word = max(label, len(s.Label)), max(word, len([]rune(s.Word))+2)
	}
	cells := max(width-label-word-6, 10)
	at := func(t time.Time) int {
		if to.Equal(from) {
			return 0
		}
		return max(0, min(cells-1, int(float64(t.Sub(from))/float64(to.Sub(from))*float64(cells))))
	}
	var out []string
	for _, s := range spans {
		out = append(out, " "+th.Text.Render(Pad(s.Label, label, false))+"  "+draw(th, &s, at, at(now), cells)+"  "+th.State(s.Level, s.Word))
	}
	return append(out, " "+strings.Repeat(" ", label)+"  "+axis(th, from, now, next, to, at, cells))
}

// draw is one life.
func draw(th *theme.Theme, s *Span, at func(time.Time) int, now, cells int) string {
	var b strings.Builder
	style, run := th.Faint, []rune{}
	flush := func() { b.WriteString(style.Render(string(run))); run = run[:0] }
	for i := range cells {
		want, r := th.Faint, ' '
		switch {
		case i == now:
			want, r = th.Accent, '│'
		case i < at(s.Start) || i > at(s.End):
		case !s.Drain.IsZero() && i >= at(s.Drain):
			want, r = th.Warn, draining
		case !s.Send.IsZero() && i >= at(s.Send):
			want, r = th.OK, sending
		default:
			want, r = th.Dim, waiting
		}
		if want.GetForeground() != style.GetForeground() {
			flush()
			style = want
		}
		run = append(run, r)
	}
	flush()
	return b.String()
}

// axis is the line under the lives.
func axis(th *theme.Theme, from, now, next, to time.Time, at func(time.Time) int, cells int) string {
	line := []rune(strings.Repeat(" ", cells))
	put := func(pos int, text string) bool {
		r := []rune(text)
		pos = max(0, min(pos, cells-len(r)))
		if len(r) > cells || strings.TrimSpace(string(line[max(0, pos-1):min(cells, pos+len(r)+1)])) != "" {
			return false // no room
		}
		copy(line[pos:], r)
		return true
	}
	put(at(now)-1, "now")
	if !next.IsZero() && next.After(now) && next.Before(to) {
		text := "▲ rekey in " + Clock(next.Sub(now))
		if !put(at(next), text) {
			put(at(next), "▲")
		}
	}
	put(0, from.Local().Format("15:04:05"))
	put(cells, to.Local().Format("15:04:05"))
	return th.Dim.Render(string(line))
}

// Legend explains the glyphs of a timeline.
func Legend(th *theme.Theme) string {
	say := func(style lipgloss.Style, r rune, what string) string {
		return style.Render(strings.Repeat(string(r), 2)) + th.Dim.Render(" "+what+"   ")
	}
	return say(th.Dim, waiting, "received only") + say(th.OK, sending, "sent with") + say(th.Warn, draining, "still received")
}
