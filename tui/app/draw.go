package app

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/view"
	"github.com/getvpn/getvpn/tui/widget"
)

const chrome = 4 // lines around the body: title, tabs, message, footer

func (m *Model) bodyHeight() int { return max(m.height-chrome, 1) }

func (m *Model) frame() *view.Frame {
	return &view.Frame{
		Theme: m.theme, Fleet: m.shown(), Width: m.width, Height: m.bodyHeight(),
		Cursor: m.cursor[m.tab], Offset: m.offset[m.tab], Filter: m.filter.Value(), Node: m.node,
	}
}

// View implements tea.Model.
func (m *Model) View() string {
	if m.width < 40 || m.height < 10 {
		return "getvpn-tui needs at least 40x10; this terminal is " + fmt.Sprintf("%dx%d", m.width, m.height)
	}
	lines := []string{m.title(), m.tabs()}
	var body []string
	switch {
	case m.help:
		body = m.helpScreen()
	case m.node != "":
		body = view.Node{}.Draw(m.frame())
	default:
		if rows := m.views[m.tab].Rows(m.frame()); m.cursor[m.tab] >= len(rows) {
			m.cursor[m.tab] = max(0, len(rows)-1)
		}
		body = m.views[m.tab].Draw(m.frame())
	}
	if m.ask != nil {
		body = m.dialog(body)
	}
	for i := range m.bodyHeight() {
		l := ""
		if i < len(body) {
			l = body[i]
		}
		lines = append(lines, widget.Pad(l, m.width, false))
	}
	lines = append(lines, m.message(), m.footer())
	return strings.Join(lines, "\n")
}

// title says what the console looks at, and how all of it is.
func (m *Model) title() string {
	t, f := m.theme, m.shown()
	up, down, hang := 0, []string{}, []string{}
	for i := range f.Nodes {
		switch n := &f.Nodes[i]; {
		case !n.Connected:
			down = append(down, n.Name)
		case f.Hangs(n):
			hang = append(hang, n.Name)
		default:
			up++
		}
	}
	state := t.State(theme.Good, fmt.Sprintf("%d up", up))
	if len(down) > 0 {
		state += "  " + t.State(theme.Broken, "down: "+ansi.Truncate(strings.Join(down, " "), 24, "…"))
	}
	if len(hang) > 0 {
		state += "  " + t.State(theme.Broken, "hangs: "+ansi.Truncate(strings.Join(hang, " "), 16, "…"))
	}
	if split := view.SplitGroups(f); len(split) > 0 {
		state = t.State(theme.Broken, "SPLIT: "+ansi.Truncate(strings.Join(split, " "), 16, "…")) + "  " + state
	}
	if len(f.Nodes) == 0 {
		state = t.State(theme.Neutral, "looking")
	}
	left := " " + t.Brand.Render("getvpn") + t.Dim.Render("  ") + t.Text.Render(f.Title)
	right := state + t.Dim.Render("  "+m.now().Format("15:04:05")+" ")
	return spread(left, right, m.width)
}

func spread(left, right string, width int) string {
	space := width - ansi.StringWidth(left) - ansi.StringWidth(right)
	if space < 1 {
		return widget.Pad(left+" "+right, width, false)
	}
	return left + strings.Repeat(" ", space) + right
}

func (m *Model) tabs() string {
	var b strings.Builder
	for i, v := range m.views {
		name := fmt.Sprintf("%d %s", i+1, v.Name())
		if i == m.tab {
			b.WriteString(m.theme.TabOn.Render(name))
		} else {
			b.WriteString(m.theme.Tab.Render(name))
		}
	}
	if m.node != "" {
		b.WriteString(m.theme.Dim.Render(" › ") + m.theme.Accent.Render(m.node))
	}
	return widget.Pad(b.String(), m.width, false)
}

// message is the line above the footer: the filter being typed, a frozen screen, or what the last action said.
func (m *Model) message() string {
	t := m.theme
	s := ""
	switch {
	case m.filtering:
		s = " " + m.filter.View()
	case m.flash != "" && m.now().Before(m.flashUntil):
		style, glyph := t.OK, theme.Good.Glyph()
		if m.flashBad {
			style, glyph = t.Bad, theme.Broken.Glyph()
		}
		s = " " + style.Render(glyph+" "+strings.ReplaceAll(m.flash, "\n", " "))
	case m.frozen != nil:
		s = " " + t.State(theme.Caution, "frozen at "+m.frozen.Time.Format("15:04:05")+" (space goes on)")
	case m.filter.Value() != "":
		s = " " + t.Dim.Render("filter ") + t.Accent.Render(m.filter.Value()) + t.Dim.Render("  (esc clears)")
	}
	return widget.Pad(s, m.width, false)
}

func (m *Model) footer() string {
	k := m.keys
	show := []key.Binding{k.Next, k.Open, k.Rekey, k.Filter, k.Freeze, k.Help, k.Quit}
	_, coop := m.views[m.tab].(view.Coop)
	switch lab := m.fleet.Lab != ""; {
	case coop && lab:
		show = []key.Binding{k.Next, k.Open, k.Handover, k.Rekey, k.Kill, k.Help, k.Quit}
	case coop:
		show = []key.Binding{k.Next, k.Open, k.Handover, k.Rekey, k.Help, k.Quit}
	case lab:
		show = []key.Binding{k.Next, k.Open, k.Rekey, k.Kill, k.Start, k.Filter, k.Help, k.Quit}
	}
	if m.node != "" {
		show = append([]key.Binding{k.Back}, show[2:]...)
	}
	if m.width < 78 { // help and quit must not be what is cut
		show = []key.Binding{k.Next, k.Open, k.Rekey, k.Help, k.Quit}
	}
	short := map[string]string{"tab": "view", "r": "rekey", "K": "kill", "S": "start", "H": "primary", "/": "filter", "space": "freeze"}
	var parts []string
	for _, b := range show {
		h := b.Help()
		text := h.Desc
		if s := short[h.Key]; s != "" {
			text = s
		}
		parts = append(parts, m.theme.Key.Render(h.Key)+" "+m.theme.KeyText.Render(text))
	}
	return widget.Pad(" "+strings.Join(parts, "   "), m.width, false)
}

func (m *Model) helpScreen() []string {
	t := m.theme
	out := []string{""}
	for _, g := range m.keys.groups() {
		out = append(out, " "+t.Title.Render(g.title))
		for i := 0; i < len(g.keys); i += 2 {
			l := ""
			for _, b := range g.keys[i:min(i+2, len(g.keys))] {
				l += widget.Pad("  "+t.Key.Render(widget.Pad(b.Help().Key, 10, false))+t.Text.Render(b.Help().Desc), min(m.width/2, 40), false)
			}
			out = append(out, l)
		}
	}
	out = append(out, "", " "+t.Dim.Render("any key goes back; getvpn-tui show VIEW prints a view"))
	return out
}

// dialog lays a question over the middle of the body.
func (m *Model) dialog(body []string) []string {
	w := min(m.width-8, 64)
	text := lipgloss.NewStyle().Width(w - 6).Render(m.theme.Text.Render(m.ask.text) + "\n\n" +
		m.theme.Key.Render("y") + " " + m.theme.KeyText.Render("yes, do it") + "    " + m.theme.KeyText.Render("any other key: no"))
	box := strings.Split(m.theme.Box.Render(text), "\n")
	for len(body) < m.bodyHeight() {
		body = append(body, "")
	}
	topLine := max((m.bodyHeight()-len(box))/2, 0)
	left := max((m.width-ansi.StringWidth(box[0]))/2, 0)
	for i, l := range box {
		if topLine+i < len(body) {
			row := widget.Pad(body[topLine+i], m.width, false)
			body[topLine+i] = ansi.Truncate(row, left, "") + l + ansi.TruncateLeft(row, left+ansi.StringWidth(l), "")
		}
	}
	return body
}
