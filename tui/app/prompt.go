package app

import (
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/tui/widget"
)

// promptMode is what is being typed at the bottom of the screen.
type promptMode uint8

const (
	noPrompt promptMode = iota
	filterPrompt
	commandPrompt
)

// prompt is a line that is being typed, and those that were.
type prompt struct {
	mode    promptMode
	input   textinput.Model
	history []string // of commands, oldest first
	at      int      // place in it; len(history): the line being typed
	draft   string   // that line, while another one is shown
	chosen  int      // of the completions; -1: none
	stem    string   // what was typed before completions were walked through
}

// openPrompt begins a line.
func (m *Model) openPrompt(mode promptMode, text string) tea.Cmd {
	p := &m.prompt
	if t, _ := m.table(); mode == filterPrompt && t == nil {
		return nil
	}
	p.mode, p.at, p.draft, p.chosen = mode, len(p.history), "", -1
	p.input.Prompt = map[promptMode]string{filterPrompt: "/", commandPrompt: ":"}[mode]
	p.input.SetValue(text)
	p.input.CursorEnd()
	return p.input.Focus()
}

func (m *Model) closePrompt() {
	m.prompt.mode = noPrompt
	m.prompt.input.Blur()
}

// typed takes a key of the line.
func (m *Model) typed(msg tea.KeyMsg) tea.Cmd {
	p := &m.prompt
	switch msg.String() {
	case "esc", "ctrl+c":
		if p.mode == filterPrompt {
			m.filter("")
		}
		m.closePrompt()
		return nil
	case "enter":
		mode, text := p.mode, strings.TrimSpace(p.input.Value())
		m.closePrompt()
		if mode == commandPrompt && text != "" {
			p.remember(text)
			return m.execute(text)
		}
		return nil
	case "tab", "shift+tab":
		if p.mode == commandPrompt {
			m.completeNext(map[string]int{"tab": 1, "shift+tab": -1}[msg.String()])
		}
		return nil
	case "up", "down":
		step := map[string]int{"up": -1, "down": 1}[msg.String()]
		if p.mode == commandPrompt {
			p.walk(step)
		} else {
			m.move(step) // of the rows that the filter leaves
		}
		return nil
	case "backspace":
		if p.mode == commandPrompt && p.input.Value() == "" {
			m.closePrompt()
			return nil
		}
	}
	p.input, _ = p.input.Update(msg)
	p.chosen = -1
	if p.mode == filterPrompt {
		m.filter(p.input.Value())
	}
	return nil
}

// filter sets the filter of the table on the screen.
func (m *Model) filter(text string) {
	if t, look := m.table(); t != nil {
		look.Filter = text
	}
}

// remember keeps a command; one that is repeated is kept once.
func (p *prompt) remember(text string) {
	if n := len(p.history); n == 0 || p.history[n-1] != text {
		p.history = append(p.history, text)
	}
}

// walk shows an older command, or a newer one.
func (p *prompt) walk(step int) {
	if p.at == len(p.history) {
		p.draft = p.input.Value()
	}
	p.at = max(0, min(p.at+step, len(p.history)))
	text := p.draft
	if p.at < len(p.history) {
		text = p.history[p.at]
	}
	p.input.SetValue(text)
	p.input.CursorEnd()
	p.chosen = -1
}

// completeNext puts the next completion into the line.
func (m *Model) completeNext(step int) {
	p := &m.prompt
	if p.chosen < 0 {
		p.stem = p.input.Value()
	}
	all := m.completions(p.stem)
	if len(all) == 0 {
		return
	}
	head := p.stem[:strings.LastIndexAny(p.stem, " ")+1]
	if p.chosen < 0 {
		if len(all) == 1 {
			p.input.SetValue(head + all[0].text + " ")
			p.input.CursorEnd()
			return
		}
		p.chosen = 0
		if step < 0 {
			p.chosen = len(all) - 1
		}
	} else {
		p.chosen = (p.chosen + step + len(all)) % len(all)
	}
	p.input.SetValue(head + all[p.chosen].text)
	p.input.CursorEnd()
}

const mostCompletions = 10

// suggestions draws what the line can become, best over the line.
func (m *Model) suggestions() []string {
	p := &m.prompt
	stem := p.input.Value()
	if p.chosen >= 0 {
		stem = p.stem
	}
	all := m.completions(stem)
	first := max(0, min(p.chosen-mostCompletions/2, len(all)-mostCompletions))
	var out []string
	for i := first; i < len(all) && i < first+mostCompletions; i++ {
		line := widget.Pad(" "+widget.Pad(all[i].text, 16, false)+" "+all[i].short, m.width, false)
		if i == p.chosen {
			line = m.theme.Cursor.Render("›" + line[1:])
		} else {
			line = m.theme.Text.Render(line)
		}
		out = append(out, line)
	}
	return out
}
