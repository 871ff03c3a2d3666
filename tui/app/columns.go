package app

import (
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/tui/widget"
)

// chooser is the list in which columns are chosen and moved; the table behind it follows.
type chooser struct {
	view   string
	keys   []string // all columns: those that are shown first, in their order
	shown  map[string]bool
	at     int
	before widget.Columns
}

// chooseColumns opens the list for the table on the screen.
func (m *Model) chooseColumns() {
	t, look := m.table()
	if t == nil {
		return
	}
	c := &chooser{view: m.top().place.View, shown: map[string]bool{}, before: look.Columns}
	for _, i := range t.Chosen(look) {
		c.keys = append(c.keys, t.Columns[i].Name())
		c.shown[t.Columns[i].Name()] = true
	}
	for _, k := range t.Keys() {
		if !c.shown[k] {
			c.keys = append(c.keys, k)
		}
	}
	m.chooser = c
}

// choose takes a key while the list is shown.
func (m *Model) choose(msg tea.KeyMsg) tea.Cmd {
	c := m.chooser
	switch msg.String() {
	case "ctrl+c":
		return tea.Quit
	case "esc", "q":
		m.setColumns(c.view, c.before)
		m.chooser = nil
		return nil
	case "enter", "f":
		m.chooser = nil
		return nil
	case "up", "k":
		c.at = max(0, c.at-1)
		return nil
	case "down", "j":
		c.at = min(len(c.keys)-1, c.at+1)
		return nil
	case " ", "x":
		if k := c.keys[c.at]; !c.shown[k] || len(c.columns()) > 1 {
			c.shown[k] = !c.shown[k]
		}
	case "shift+up", "K", "shift+left", "<":
		c.move(-1)
	case "shift+down", "J", "shift+right", ">":
		c.move(1)
	case "d":
		m.setColumns(c.view, nil)
		m.chooseColumns()
		m.chooser.before = c.before
		return nil
	default:
		return nil
	}
	m.setColumns(c.view, c.columns())
	return nil
}

// move takes the column under the cursor along.
func (c *chooser) move(step int) {
	if to := c.at + step; to >= 0 && to < len(c.keys) {
		c.keys[c.at], c.keys[to] = c.keys[to], c.keys[c.at]
		c.at = to
	}
}

func (c *chooser) columns() (out widget.Columns) {
	for _, k := range c.keys {
		if c.shown[k] {
			out = append(out, k)
		}
	}
	return out
}

// setColumns chooses the columns of a view's table, wherever it is shown; what the table has by itself is no choice.
func (m *Model) setColumns(view string, c widget.Columns) {
	if t, _ := m.table(); t != nil && slices.Equal(c, t.Keys()) {
		c = nil
	}
	if len(c) == 0 {
		delete(m.columns, view)
		return
	}
	m.columns[view] = c
}

// columnsCommand is `:columns`.
func (m *Model) columnsCommand(args []string) tea.Cmd {
	t, look := m.table()
	switch {
	case t == nil:
		m.say("", errNothing("there is no table here"))
	case len(args) == 0:
		m.chooseColumns()
	default:
		c, err := widget.ParseColumns(strings.Join(args, ","), look.Columns, t)
		if err != nil {
			m.say("", err)
			return nil
		}
		m.setColumns(m.top().place.View, c)
	}
	return nil
}

// completeColumns completes the last of several names.
func (m *Model) completeColumns() (out []string) {
	t, _ := m.table()
	if t == nil {
		return nil
	}
	last := m.prompt.input.Value()
	if m.prompt.chosen >= 0 {
		last = m.prompt.stem
	}
	last = last[strings.LastIndexByte(last, ' ')+1:]
	cut := strings.LastIndexAny(last, ",+-") + 1
	for _, k := range append(t.Keys(), "all") {
		out = append(out, last[:cut]+k)
	}
	return out
}

// chooserBox draws the list.
func (m *Model) chooserBox(height int) string {
	t, c := m.theme, m.chooser
	wide := 0
	for _, k := range c.keys {
		wide = max(wide, widget.Width(k))
	}
	room := max(1, height-5) // the frame of the box, and what stands under the list
	from := max(0, min(c.at-room/2, len(c.keys)-room))
	var lines []string
	for i := from; i < min(from+room, len(c.keys)); i++ {
		k := c.keys[i]
		sign, style := "[ ] ", t.Dim
		if c.shown[k] {
			sign, style = "[x] ", t.Text
		}
		line := widget.Pad("  "+sign+k, max(wide+7, 34), false)
		if i == c.at {
			line = t.Cursor.Render("›" + line[1:])
		} else {
			line = style.Render(line)
		}
		lines = append(lines, line)
	}
	return t.Box.Render(t.Title.Render("COLUMNS of "+c.view) + "\n" + strings.Join(lines, "\n") + "\n" +
		t.Dim.Render("Those that do not fit go from the end."))
}

// sideways moves a wide table.
func (m *Model) sideways(step int) {
	if t, look := m.table(); t != nil {
		if !look.Wide {
			m.say("only a wide table is moved sideways: w makes it wide", nil)
			return
		}
		look.Side = max(0, min(look.Side+step, len(t.Chosen(look))-2))
	}
}
