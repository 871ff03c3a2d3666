package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/view"
	"github.com/getvpn/getvpn/tui/widget"
)

const chrome = 4 // lines around the body: title, places, message, footer

func (m *Model) bodyHeight() int {
	if m.player != nil { // which has a bar of its own
		return max(m.height-chrome-1, 1)
	}
	return max(m.height-chrome, 1)
}

// View implements tea.Model.
func (m *Model) View() string {
	if m.width < 40 || m.height < 10 {
		return "getvpn-tui needs at least 40x10; this terminal is " + fmt.Sprintf("%dx%d", m.width, m.height)
	}
	lines := []string{m.title(), m.places()}
	var body []string
	if m.help != nil {
		body = m.helpScreen()
	} else {
		body = m.current().Draw(m.frame(), &m.top().look)
	}
	for len(body) < m.bodyHeight() {
		body = append(body, "")
	}
	body = body[:m.bodyHeight()]
	if m.ask != nil {
		m.dialog(body)
	}
	if m.chooser != nil {
		m.over(body, m.chooserBox(len(body)))
	}
	if m.prompt.mode == commandPrompt {
		over := m.suggestions()
		over = over[:min(len(over), len(body))]
		copy(body[len(body)-len(over):], over)
	}
	for _, l := range body {
		lines = append(lines, widget.Pad(l, m.width, false))
	}
	if m.player != nil {
		lines = append(lines, m.bar())
	}
	lines = append(lines, m.message(), m.footer())
	return strings.Join(lines, "\n")
}

// title says what the console looks at, how all of it is, and whether it may act.
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
	level := theme.Good
	if up == 0 {
		level = theme.Broken
	}
	state := t.State(level, fmt.Sprintf("%d up", up))
	if len(down) > 0 {
		state += "  " + t.State(theme.Broken, "down: "+ansi.Truncate(strings.Join(down, " "), 24, "…"))
	}
	if len(hang) > 0 {
		state += "  " + t.State(theme.Broken, "hangs: "+ansi.Truncate(strings.Join(hang, " "), 16, "…"))
	}
	if split := view.SplitGroups(f); len(split) > 0 {
		state = t.State(theme.Broken, "SPLIT: "+strings.Join(split, " ")) + "  " + state
	}
	left := ""
	clock := "15:04:05"
	if f.State.Simulated() {
		left = "  " + t.Warn.Render("simulated")
	}
	switch {
	case m.player != nil:
		left += "  " + t.Warn.Render("replay")
		if m.width >= 76 {
			left += t.Dim.Render(" of " + ansi.Truncate(m.player.Position().Name, m.width/4, "…"))
		}
		if m.width >= 100 {
			clock = time.DateTime
		}
	case m.frozen != nil: // nothing can be done then, and other messages hide the one that says so
		left += "  " + t.Warn.Render("frozen")
	case !m.write:
		left += "  " + t.Dim.Render("read-only")
	case !takesCommands(f):
		left += "  " + t.Dim.Render("viewer")
	default:
		left += "  " + t.Warn.Render("write")
	}
	left += m.tapeMark()
	right := state + "  " + t.Dim.Render(f.Time.Local().Format(clock)+" ")
	brand := " " + t.Brand.Render("getvpn") + "  "       // and the name of what it is, as far as there is room
	if ansi.StringWidth(brand+left+right)+10 > m.width { // what is wrong matters more than whose console this is
		brand = " "
	}
	room := max(m.width-ansi.StringWidth(brand+left+right)-1, 8)
	return spread(brand+t.Text.Render(ansi.Truncate(f.Title, room, "…"))+left, right, m.width)
}

// takesCommands says whether some daemon that is there would do what this user asks.
func takesCommands(f *source.Fleet) bool {
	there := false
	for i := range f.Nodes {
		there = there || f.Nodes[i].Connected
		if f.Nodes[i].Connected && f.Nodes[i].Operator {
			return true
		}
	}
	return !there
}

func spread(left, right string, width int) string {
	space := width - ansi.StringWidth(left) - ansi.StringWidth(right)
	if space < 1 {
		return widget.Pad(left+" "+right, width, false)
	}
	return left + strings.Repeat(" ", space) + right
}

// places is the views, or, once something was opened, the way to where we are.
func (m *Model) places() string {
	t := m.theme
	var b strings.Builder
	if len(m.stack) > 1 || m.stack[0].place.Group != "" {
		for i, l := range m.stack {
			if i > 0 {
				b.WriteString(t.Dim.Render(" › "))
			}
			crumb := " " + l.place.Crumb() + " "
			if i == len(m.stack)-1 {
				crumb = t.TabOn.Render(l.place.Crumb())
			}
			b.WriteString(crumb)
		}
		return widget.Pad(b.String(), m.width, false)
	}
	names, tight := m.tabNames()
	on, off := t.TabOn, t.Tab
	if tight {
		on, off = on.Padding(0), off.Padding(0)
	}
	for i, name := range names {
		if tight {
			b.WriteString(" ")
		}
		if i == m.tab() {
			b.WriteString(on.Render(name))
		} else {
			b.WriteString(off.Render(name))
		}
	}
	return widget.Pad(b.String(), m.width, false)
}

// tabNames are the views with their numbers. On a narrow screen they stand closer, then the longest is cut, and if that is not enough,
// those that are not shown are numbers.
func (m *Model) tabNames() (names []string, tight bool) {
	wide := 0
	for i, v := range m.views {
		names = append(names, fmt.Sprintf("%d %s", (i+1)%10, v.Name()))
		wide += len(names[i]) + 2
	}
	if wide <= m.width {
		return names, false
	}
	if wide-len(names) <= m.width {
		return names, true
	}
	const long, short = "topology", "topo"
	if wide-len(names)-len(long)+len(short) <= m.width {
		for i := range names {
			names[i] = strings.ReplaceAll(names[i], long, short)
		}
		return names, true
	}
	for i := range names {
		if i != m.tab() {
			names[i] = names[i][:1]
		}
	}
	return names, false
}

// message is the line above the footer: what is being typed, a filter, a frozen screen, or what the last action said.
func (m *Model) message() string {
	t, look := m.theme, &m.top().look
	s := ""
	switch {
	case m.prompt.mode != noPrompt:
		s = " " + m.prompt.input.View()
		if m.prompt.mode == filterPrompt && look.Wrong != nil {
			s += "  " + t.State(theme.Caution, look.Wrong.Error())
		}
	case m.flash.text != "" && m.now().Before(m.flash.until):
		level := theme.Good
		if m.flash.bad {
			level = theme.Broken
		}
		s = " " + t.State(level, strings.ReplaceAll(m.flash.text, "\n", " "))
	case m.frozen != nil:
		s = " " + t.State(theme.Caution, "frozen at "+m.frozen.Time.Local().Format("15:04:05")+" (space goes on)")
	case look.Filter != "":
		s = " " + t.Dim.Render("filter ") + t.Accent.Render(look.Filter) + t.Dim.Render("  (esc clears)")
		if look.Wrong != nil {
			s += "  " + t.State(theme.Caution, look.Wrong.Error())
		}
	}
	return widget.Pad(s, m.width, false)
}

// footer names the keys that matter here. Help and quit, the last, are never what is cut.
func (m *Model) footer() string {
	var parts []string
	switch {
	case m.prompt.mode == filterPrompt:
		parts = m.hints("enter", "keep", "esc", "clear", "!x", "not x", "a=b", "column is", "a>9", "column is more")
	case m.prompt.mode == commandPrompt:
		parts = m.hints("tab", "complete", "↑ ↓", "history", "enter", "do it", "esc", "leave")
	case m.help != nil:
		parts = m.hints("esc", "back")
	case m.chooser != nil:
		parts = m.hints("space", "show", "J K", "move", "d", "default", "enter", "keep", "esc", "leave as it was")
	default:
		for _, block := range []string{playing, moving, finding, acting, looking} {
			for i := range m.keys {
				c := &m.keys[i]
				if c.foot != "" && c.block == block && (!c.act && !c.lab || m.may(c) == "") && (c.here == nil || c.here(m)) {
					parts = append(parts, m.hints(c.Help().Key, c.foot)...)
				}
			}
		}
	}
	const between = "  "
	for len(parts) > 2 && ansi.StringWidth(" "+strings.Join(parts, between)) > m.width {
		parts = append(parts[:len(parts)-3], parts[len(parts)-2:]...)
	}
	return widget.Pad(" "+strings.Join(parts, between), m.width, false)
}

// hints renders keys with what they do.
func (m *Model) hints(words ...string) (out []string) {
	for i := 0; i+1 < len(words); i += 2 {
		out = append(out, m.theme.Key.Render(words[i])+" "+m.theme.KeyText.Render(words[i+1]))
	}
	return out
}
