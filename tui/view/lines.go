package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

func width(s string) int { return widget.Width(s) }

// phaseLevel says how a TEK's phase reads.
func phaseLevel(phase string) theme.Level {
	switch phase {
	case control.PhaseSending:
		return theme.Good
	case control.PhaseExpired:
		return theme.Broken
	default:
		return theme.Neutral
	}
}

// phaseWidth has room for the sequence number of a KEK, whose high half names who sends under it.
const phaseWidth = 15

// keyLine draws one key's life: name, phase, bar, remaining of lifetime.
func (f *Frame) keyLine(kind, spi string, l theme.Level, phase string, remaining, lifetime int) string {
	t := f.Theme
	remaining = max(remaining, 0)
	left := fmt.Sprintf(" %s %s  %s  ", t.Dim.Render(kind), t.Text.Render(short(spi)), widget.Pad(t.State(l, phase), max(phaseWidth, width(t.State(l, phase))), false))
	right := t.Text.Render(widget.Clock(time.Duration(remaining)*time.Second)) + t.Dim.Render(" of "+widget.Clock(time.Duration(lifetime)*time.Second))
	right = widget.Pad(right, max(width(right)+1, 22), true) // TEKs and KEKs in one column
	room := f.Width - width(left) - width(right)
	return left + f.lifeBar(remaining, lifetime, max(room, 5)).Text + right
}

// groupKeys draws the keys of a group: TEKs by age, then the KEK.
func (f *Frame) groupKeys(teks []control.TEK, kek *control.KEK, lag int) []string {
	var out []string
	for _, k := range teks {
		out = append(out, f.keyLine("TEK", k.SPI, phaseLevel(k.Phase), k.Phase, k.Remaining-lag, k.Lifetime))
	}
	if kek != nil {
		out = append(out, f.keyLine("KEK", kek.SPI, theme.Good, "seq "+seqText(kek.Seq), kek.Remaining-lag, kek.Lifetime))
	}
	return out
}

func severityLevel(s string) theme.Level {
	switch s {
	case "error":
		return theme.Broken
	case "warning":
		return theme.Caution
	case "info":
		return theme.Good
	default:
		return theme.Neutral
	}
}

// eventLine draws one journal entry.
func (f *Frame) eventLine(e *control.Event) string {
	t := f.Theme
	l := severityLevel(e.Severity)
	head := " " + t.Dim.Render(clock(e.Time)) + " " + t.Level(l).Render(l.Glyph()) + " " +
		t.Accent.Render(widget.Pad(e.Node, 5, false)) + " " + t.Level(l).Render(widget.Pad(e.Name, 17, false)) + " "
	text := spoken(e.Text)
	if strings.HasPrefix(e.Name, "coop-") && e.Group != "" && len(f.Fleet.Groups()) > 1 {
		text = e.Group + ": " + text // each group has roles of its own
	}
	if e.Peer != "" && !strings.Contains(text, host(e.Peer)) {
		text += " · " + host(e.Peer)
	}
	if e.Reason != "" && !strings.Contains(e.Text, e.Reason) {
		text += " · " + e.Reason
	}
	return head + t.Text.Render(ansi.Truncate(text, max(f.Width-width(head), 1), "…"))
}

// eventTail draws the newest events, oldest on top, in height lines.
func (f *Frame) eventTail(height int, keep func(*control.Event) bool) []string {
	var lines []string
	ev := f.Fleet.Events
	for i := len(ev) - 1; i >= 0 && len(lines) < height; i-- {
		if ev[i].Severity != "debug" && keep(&ev[i]) {
			lines = append(lines, f.eventLine(&ev[i]))
		}
	}
	for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
		lines[i], lines[j] = lines[j], lines[i]
	}
	return lines
}

func allEvents(*control.Event) bool { return true }

// banner tells what is wrong with a node's data.
func (f *Frame) banner(n *source.Node) string {
	if n.Connected {
		return ""
	}
	if n.Snap == nil {
		return f.Theme.Bad.Render(ansi.Truncate(fmt.Sprintf(" × %s has not been reached: %s", n.Name, n.Problem), f.Width, "…"))
	}
	return f.Theme.Bad.Render(ansi.Truncate(fmt.Sprintf(" × %s is down, data is %s old: %s", n.Name, widget.Clock(n.Age(f.Fleet.Time)), n.Problem), f.Width, "…"))
}

// sentence is a line that says how something is, cut where the screen ends.
func (f *Frame) sentence(l theme.Level, text string) string {
	return " " + f.Theme.State(l, ansi.Truncate(text, max(1, f.Width-3), "…"))
}

// wrap breaks a text into lines that leave margin cells of the screen.
func (f *Frame) wrap(text string, margin int) []string {
	return strings.Split(ansi.Wordwrap(text, max(20, f.Width-margin), ""), "\n")
}

// clip cuts a screen to its height.
func (f *Frame) clip(lines []string) []string {
	if len(lines) > f.Height {
		lines = lines[:f.Height]
	}
	return lines
}

// seconds are whole from ten on; a fast profile has fractions.
func seconds(s float64) string {
	if s >= 10 {
		return fmt.Sprintf("%.0f", s)
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", s), "0"), ".")
}

// short is as much of an SPI as people compare: a KEK has 32 digits.
func short(spi string) string {
	if len(spi) > 8 {
		return spi[:8]
	}
	return spi
}

// left is a key's remaining life in seconds.
func left(remaining int) widget.Cell {
	remaining = max(remaining, 0)
	return widget.Num(float64(remaining), widget.Clock(time.Duration(remaining)*time.Second))
}

// lifeBar draws the part of a key's life that is left; it compares by that part.
func (f *Frame) lifeBar(remaining, lifetime, cells int) widget.Cell {
	part := 0.0
	if lifetime > 0 {
		part = float64(max(remaining, 0)) / float64(lifetime)
	}
	return widget.Num(part, widget.Bar(f.Theme, lifeLevel(remaining, lifetime), part, cells))
}
