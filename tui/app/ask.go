package app

import (
	"context"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/action"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// question is a verb that waits for a yes: the key y, or, for the worst, the name of the group.
type question struct {
	verb, text, typed string
	input             textinput.Model
	run               func(context.Context) (action.Result, error)
}

func newQuestion(verb, text, typed string, run func(context.Context) (action.Result, error)) *question {
	q := &question{verb: verb, text: text, typed: typed, run: run, input: textinput.New()}
	q.input.Prompt = ""
	q.input.CharLimit = 64
	q.input.Focus()
	return q
}

// answer takes a key of the answer.
func (m *Model) answer(msg tea.KeyMsg) tea.Cmd {
	q := m.ask
	if q.typed != "" {
		switch msg.String() {
		case "esc", "ctrl+c":
		case "enter":
			if q.input.Value() == q.typed {
				m.ask = nil
				return m.run(q.verb, q.run)
			}
		default:
			q.input, _ = q.input.Update(msg)
			return nil
		}
	} else if msg.String() == "y" || msg.String() == "Y" {
		m.ask = nil
		return m.run(q.verb, q.run)
	}
	m.ask = nil
	m.say("nothing was done", nil)
	return nil
}

// dialog lays a question over the middle of the body.
func (m *Model) dialog(body []string) {
	t, q := m.theme, m.ask
	w := min(m.width-8, 64)
	how := t.Key.Render("y") + " " + t.KeyText.Render("yes, do it") + "    " + t.KeyText.Render("any other key: no")
	if q.typed != "" {
		how = t.KeyText.Render("type the group's name, ") + t.Bad.Render(q.typed) + t.KeyText.Render(", and enter; esc: no") + "\n\n" +
			t.Key.Render("> ") + t.Text.Render(q.input.Value()) + t.Accent.Render("▏")
	}
	text := lipgloss.NewStyle().Width(w - 6).Render(t.Text.Render(q.text) + "\n\n" + how)
	m.over(body, t.Box.Render(text))
}

// over lays a box over the middle of the body.
func (m *Model) over(body []string, rendered string) {
	box := strings.Split(rendered, "\n")
	topLine := max((m.bodyHeight()-len(box))/2, 0)
	left := max((m.width-ansi.StringWidth(box[0]))/2, 0)
	for i, l := range box {
		if topLine+i < len(body) {
			row := widget.Pad(body[topLine+i], m.width, false)
			body[topLine+i] = ansi.Truncate(row, left, "") + l + ansi.TruncateLeft(row, left+ansi.StringWidth(l), "")
		}
	}
}

// planLines colours a plan: what comes and what goes.
func planLines(t *theme.Theme, lines []string) []string {
	var out []string
	for _, l := range lines {
		switch s := strings.TrimSpace(l); {
		case strings.HasPrefix(s, "+ "):
			l = t.OK.Render(l)
		case strings.HasPrefix(s, "- "), strings.HasPrefix(s, "refused"):
			l = t.Bad.Render(l)
		case strings.HasPrefix(s, "warning"), strings.HasPrefix(s, "needs a restart"):
			l = t.Warn.Render(l)
		case strings.HasPrefix(l, "group "):
			l = t.Title.Render(l)
		}
		out = append(out, " "+l)
	}
	return out
}
