package app

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/record"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/view"
	"github.com/getvpn/getvpn/tui/widget"
)

// Player is a Source that plays what has been; *source.Replay is one. With it the console has keys and commands to play with, a bar that
// says where it is, and no actions. Its methods do not wait for what they ask for: Next brings it.
type Player interface {
	Source
	Position() source.Position
	Pause(stand bool)
	Speed(x float64)
	Seek(t time.Time)
	Skip(d time.Duration)
	Step(frames int)
	StepEvent(step int, want source.Seeks) bool
	SeekEvent(e control.Event)
	Marks(parts int) []record.Severity
	EventNames() []string
}

// errPast is why nothing can be done.
const errPast = errNothing("a recording cannot be acted on: attach to the daemons themselves")

// speeds that + and - go through.
var speeds = []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}

const (
	shortSkip = 10 * time.Second
	longSkip  = time.Minute
)

// playKeys are there only while something is played.
func playKeys() []command {
	on := func(f func(p Player)) func(*Model) tea.Cmd { return do(func(m *Model) { f(m.player) }) }
	return []command{
		{Binding: bind("space", "play, and pause", " "), block: playing, foot: "play/pause", run: on(func(p Player) { p.Pause(p.Position().Playing) })},
		{Binding: bind("n N", "next and previous event that fits the filter of the events view", "n"), block: playing, foot: "event", run: func(m *Model) tea.Cmd { return m.stepFiltered(1) }},
		{Binding: bind("", "", "N"), run: func(m *Model) tea.Cmd { return m.stepFiltered(-1) }},
		{Binding: bind("] [", "next and previous warning or error", "]"), block: playing, foot: "warning", run: func(m *Model) tea.Cmd { return m.stepEvent(1, "warning", source.Seeks{Least: record.Warning}) }},
		{Binding: bind("", "", "["), run: func(m *Model) tea.Cmd { return m.stepEvent(-1, "warning", source.Seeks{Least: record.Warning}) }},
		{Binding: bind(". ,", "a frame on and back: one word of one daemon", "."), block: playing, foot: "frame", run: on(func(p Player) { p.Step(1) })},
		{Binding: bind("", "", ","), run: on(func(p Player) { p.Step(-1) })},
		{Binding: bind("+ -", "faster and slower, from x0.1 to x1000", "+", "="), block: playing, foot: "speed", run: do(func(m *Model) { m.faster(1) })},
		{Binding: bind("", "", "-"), run: do(func(m *Model) { m.faster(-1) })},
		{Binding: bind(") (", "10 s on and back; shift → ← too", ")", "shift+right"), block: playing, run: on(func(p Player) { p.Skip(shortSkip) })},
		{Binding: bind("", "", "(", "shift+left"), run: on(func(p Player) { p.Skip(-shortSkip) })},
		{Binding: bind("ctrl → ←", "a minute on and back", "ctrl+right"), block: playing, run: on(func(p Player) { p.Skip(longSkip) })},
		{Binding: bind("", "", "ctrl+left"), run: on(func(p Player) { p.Skip(-longSkip) })},
		{Binding: bind("^ $", "to the start and to the end", "^"), block: playing, run: on(func(p Player) { p.Seek(p.Position().Start) })},
		{Binding: bind("", "", "$"), run: on(func(p Player) { p.Seek(p.Position().End) })},
	}
}

// faster plays at the next of the speeds, or the one before.
func (m *Model) faster(step int) {
	p := m.player.Position()
	i, found := slices.BinarySearch(speeds, p.Speed)
	if step > 0 && found {
		i++
	} else if step < 0 {
		i--
	}
	m.player.Speed(speeds[max(0, min(i, len(speeds)-1))])
}

// stepEvent goes to an event. It may have to read a lot, so the screen does not wait for it.
func (m *Model) stepEvent(step int, what string, want source.Seeks) tea.Cmd {
	p := m.player
	return func() tea.Msg {
		if p.StepEvent(step, want) {
			return nil
		}
		side := map[int]string{1: "after", -1: "before"}[step]
		return doneMsg{err: errNothing(fmt.Sprintf("the recording has no %s %s this moment", what, side))}
	}
}

// stepFiltered goes to an event that the events view would show.
func (m *Model) stepFiltered(step int) tea.Cmd {
	name := view.Events{}.Name()
	l := m.roots[name]
	if l == nil || l.look.Filter == "" {
		return m.stepEvent(step, "event", source.Seeks{})
	}
	filter, th, place := l.look.Filter, m.theme, l.place
	return m.stepEvent(step, "event that fits "+strconv.Quote(filter), source.Seeks{Fits: func(e *control.Event) bool {
		page := view.Events{}.Page(&view.Frame{Theme: th, Fleet: &source.Fleet{Events: []control.Event{*e}, Time: e.Time}, Place: place})
		look := widget.Look{Filter: filter}
		return len(look.Rows(page.Table)) > 0
	}})
}

// jump goes to the event of the row under the cursor; false: there is none.
func (m *Model) jump() bool {
	p, row := m.current(), m.row()
	if m.player == nil || p.Event == nil || row < 0 {
		return false
	}
	e := *p.Event(row)
	m.player.SeekEvent(e)
	m.say("at "+e.Time.Local().Format("15:04:05")+", "+e.Name+" on "+e.Node+"; space plays on", nil)
	return true
}

// playWords are the commands of a player.
func playWords() []word {
	return []word{
		{"goto", "goto TIME|event NAME", "12:03:17, +5m after the start, -30s before the end, or the next event of a name", func(m *Model, before []string) []string {
			switch {
			case len(before) == 0:
				return []string{"start", "end", "event", "+1m", "-1m", m.player.Position().Time.Local().Format("15:04:05")}
			case before[0] == "event":
				return slices.Clone(m.player.EventNames())
			}
			return nil
		}, (*Model).gotoCommand},
		{"speed", "speed X", "how fast it plays, from 0.1 to 1000", func(*Model, []string) (out []string) {
			for _, s := range speeds {
				out = append(out, number(s))
			}
			return out
		}, (*Model).speedCommand},
		{"about", "about", "what is played, and what of it could not be read", nil, func(m *Model, _ []string) tea.Cmd { m.read("about", m.about()); return nil }},
	}
}

func (m *Model) gotoCommand(args []string) tea.Cmd {
	if len(args) == 2 && args[0] == "event" {
		return m.stepEvent(1, "event "+strconv.Quote(args[1]), source.Seeks{Name: args[1]})
	}
	p := m.player.Position()
	t, err := source.ParseMoment(strings.Join(args, " "), p.Start, p.End)
	if err != nil {
		m.say("", err)
		return nil
	}
	if t.Before(p.Start) || t.After(p.End) {
		m.say("", errNothing(fmt.Sprintf("the recording goes from %s to %s only", p.Start.Local().Format(time.DateTime), p.End.Local().Format(time.DateTime))))
		return nil
	}
	m.player.Seek(t)
	return nil
}

func (m *Model) speedCommand(args []string) tea.Cmd {
	if len(args) == 1 {
		x, err := strconv.ParseFloat(strings.TrimPrefix(args[0], "x"), 64)
		if err == nil && x >= speeds[0] && x <= speeds[len(speeds)-1] {
			m.player.Speed(x)
			return nil
		}
	}
	m.say("", errNothing("usage: speed X, from 0.1 to 1000"))
	return nil
}

// about is what there is to be said of a recording.
func (m *Model) about() []string {
	p, t := m.player.Position(), m.theme
	lines := []string{"", " " + t.Title.Render(p.Name)}
	put := func(name, value string) {
		lines = append(lines, "   "+t.Dim.Render(widget.Pad(name, 12, false))+t.Text.Render(value))
	}
	put("of", m.fleet.Title)
	put("from", p.Start.Local().Format(time.DateTime))
	put("to", p.End.Local().Format(time.DateTime)+"  ("+widget.Clock(p.End.Sub(p.Start))+")")
	put("frames", fmt.Sprint(p.Frames))
	put("events", fmt.Sprint(p.Events))
	put("daemons", fmt.Sprint(len(m.fleet.Nodes))+" by now")
	if len(p.Notes) == 0 {
		put("file", "all of it could be read")
	}
	for _, n := range p.Notes {
		put("file", n)
	}
	return lines
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
