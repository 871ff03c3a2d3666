package app

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/tui/action"
	"github.com/getvpn/getvpn/tui/widget"
)

// help is the list of all keys and commands, filtered by what is typed.
type help struct {
	filter string
	scroll int
}

func newHelp() *help { return &help{} }

// readHelp takes a key while the help is shown: letters filter it.
func (m *Model) readHelp(msg tea.KeyMsg) tea.Cmd {
	h := m.help
	switch msg.String() {
	case "esc", "enter", "?", "q":
		if h.filter == "" || msg.String() != "q" {
			m.help = nil
			return nil
		}
		h.filter += "q"
	case "ctrl+c":
		return tea.Quit
	case "backspace":
		if h.filter != "" {
			h.filter = h.filter[:len(h.filter)-1]
		}
	case "down":
		h.scroll++
	case "up":
		h.scroll = max(0, h.scroll-1)
	case "pgdown":
		h.scroll += page(m)
	case "pgup":
		h.scroll = max(0, h.scroll-page(m))
	default:
		if msg.Type == tea.KeyRunes || msg.Type == tea.KeySpace {
			h.filter += string(msg.Runes)
			h.scroll = 0
		}
	}
	return nil
}

// entry is a line of the help.
type entry struct{ block, key, text string }

// entries lists all keys, as the key map has them, and all commands.
func (m *Model) entries() []entry {
	var out []entry
	for i := range m.keys {
		c := &m.keys[i]
		if c.block == "" || c.block == acting && m.player != nil {
			continue
		}
		text := c.Help().Desc
		switch why := m.may(c); {
		case c.act && !m.write:
			text += " (needs --write)"
		case why != "" && c.lab:
			text += " (lab)"
		}
		out = append(out, entry{c.block, c.Help().Key, text})
	}
	for _, w := range m.words()[len(m.views):] {
		out = append(out, entry{"Commands", ":" + w.usage, w.short})
	}
	for _, v := range action.Verbs() {
		if m.player != nil {
			break
		}
		usage := ":" + v.Usage()
		for _, f := range v.Flags {
			usage += " [--" + f.Name + "]"
		}
		out = append(out, entry{"Commands that act; getvpn-tui has them as verbs", usage, v.Short})
	}
	return out
}

// helpScreen draws the help in as many columns as there is room for.
func (m *Model) helpScreen() []string {
	t, h := m.theme, m.help
	lines := []string{}
	block, half := "", ""
	wide := m.width / 2
	if m.width < 110 {
		wide = m.width
	}
	flush := func() {
		if half != "" {
			lines, half = append(lines, half), ""
		}
	}
	for _, e := range m.entries() {
		if h.filter != "" && !strings.Contains(strings.ToLower(e.block+" "+e.key+" "+e.text), strings.ToLower(h.filter)) {
			continue
		}
		if e.block != block {
			flush()
			block = e.block
			lines = append(lines, " "+t.Title.Render(block))
		}
		if len(e.key) > 1 && e.key[0] == ':' { // commands need the whole line
			flush()
			lines = append(lines, widget.Pad("  "+t.Key.Render(widget.Pad(e.key, max(len(e.key), min(40, m.width/3)), false))+"  "+t.Text.Render(e.text), m.width, false))
			continue
		}
		cell := widget.Pad("  "+t.Key.Render(widget.Pad(e.key, 10, false))+t.Text.Render(e.text), wide, false)
		if half == "" && wide < m.width {
			half = cell
			continue
		}
		lines, half = append(lines, half+cell), ""
	}
	flush()
	room := m.bodyHeight() - 1
	h.scroll = max(0, min(h.scroll, len(lines)-room))
	head := t.Dim.Render(" type to search, ↑ ↓ scroll, esc goes back")
	if h.filter != "" {
		head = t.Dim.Render(" search ") + t.Accent.Render(h.filter+"▏") + t.Dim.Render("  backspace, esc goes back")
	}
	if len(lines) > room {
		head += t.Dim.Render("   more below")
	}
	return append([]string{head}, lines[h.scroll:min(h.scroll+room, len(lines))]...)
}
