package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/daemon/control/record"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// marks are those of the bar, which do not change while its width does not.
type marks struct {
	width int
	all   []record.Severity
}

// bar says where a replay is: whether it plays and how fast, how far it is, where warnings and errors lie, and how long it is.
func (m *Model) bar() string {
	t, p := m.theme, m.player.Position()
	state := t.Warn.Render("‖ paused")
	if p.Playing {
		state = t.OK.Render("▶ plays")
	} else if p.Frame == p.Frames {
		state = t.Dim.Render("■ at its end")
	}
	long := p.End.Sub(p.Start)
	left := " " + state + t.Text.Render(fmt.Sprintf(" x%-4s ", number(p.Speed))) + t.Text.Render("+"+playTime(p.Time.Sub(p.Start), long)) + " "
	right := " " + t.Text.Render(playTime(long, long)) + t.Dim.Render(fmt.Sprintf("  event %d/%d", p.Event, p.Events))
	if len(p.Notes) > 0 {
		right += "  " + t.State(theme.Caution, "damaged")
	}
	right += " "
	room := m.width - ansi.StringWidth(left) - ansi.StringWidth(right)
	if room < 16 {
		right = " " + t.Text.Render(playTime(long, long)) + " "
		room = m.width - ansi.StringWidth(left) - ansi.StringWidth(right)
	}
	return widget.Pad(left+m.line(max(room, 1))+right, m.width, false)
}

// line is the time line of the bar.
func (m *Model) line(room int) string {
	t, p := m.theme, m.player.Position()
	if m.marks.width != room {
		m.marks = marks{room, m.player.Marks(room)}
	}
	at := room - 1
	if long := p.End.Sub(p.Start); long > 0 {
		at = min(at, int(float64(p.Time.Sub(p.Start))/float64(long)*float64(room)))
	}
	var b strings.Builder
	for i := range room {
		switch worst := m.marks.all[i]; {
		case i == at:
			b.WriteString(t.Title.Render("┃"))
		case worst == record.Failure:
			b.WriteString(t.Bad.Render(theme.Broken.Glyph()))
		case worst == record.Warning:
			b.WriteString(t.Warn.Render(theme.Caution.Glyph()))
		case i < at:
			b.WriteString(t.Accent.Render("━"))
		default:
			b.WriteString(t.Faint.Render("─"))
		}
	}
	return b.String()
}

// playTime is a time since the start of a recording that is as long as that.
func playTime(d, long time.Duration) string {
	s := int(d.Seconds())
	if long < time.Minute {
		return fmt.Sprintf("%d.%ds", s, d.Milliseconds()/100%10)
	}
	if long < time.Hour {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
