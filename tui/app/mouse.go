package app

import (
	tea "github.com/charmbracelet/bubbletea"
)

// toggleMouse catches the mouse or lets the terminal have it, which is needed to mark and copy text.
func (m *Model) toggleMouse() tea.Cmd {
	m.mouse = !m.mouse
	if m.mouse {
		m.say("mouse on: wheel, click, click again to open; m gives it back to the terminal", nil)
		return tea.EnableMouseCellMotion
	}
	m.say("mouse off: the terminal marks and copies text", nil)
	return tea.DisableMouse
}

// click handles the mouse: the wheel scrolls, a click chooses a row and a second one opens it, a click on a header sorts.
func (m *Model) click(msg tea.MouseMsg) tea.Cmd {
	if m.ask != nil || m.help != nil || m.prompt.mode != noPrompt {
		return nil
	}
	switch {
	case msg.Button == tea.MouseButtonWheelUp:
		m.move(-3)
	case msg.Button == tea.MouseButtonWheelDown:
		m.move(3)
	case msg.Button == tea.MouseButtonLeft && msg.Action == tea.MouseActionPress:
		m.clickAt(msg.X, msg.Y-2) // under the title and the places
	}
	return nil
}

func (m *Model) clickAt(x, y int) {
	t, look := m.table()
	if t == nil {
		return
	}
	p := m.current()
	line := y - p.Top(m.frame(), look)
	switch {
	case line == 0:
		if key := look.ColumnAt(t, x); key != "" {
			look.Desc = look.Sort == key && !look.Desc
			look.Sort = key
		}
	case line > 0:
		if at, ok := look.At(t, line-1); ok {
			if at == look.Cursor(t) {
				m.open()
				return
			}
			look.To(t, at)
		}
	}
}
