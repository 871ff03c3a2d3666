package app

import (
	"fmt"
	"os"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/tui/export"
)

// exportName proposes a file for the page on the screen.
func (m *Model) exportName() string {
	p := m.top().place
	name := strings.NewReplacer("/", "-", " ", "-", ":", "-").Replace(strings.Trim(p.View+"-"+p.Group+"-"+p.Node+p.SPI, "-"))
	return fmt.Sprintf("%s-%s.txt", name, m.now().Format("20060102-150405"))
}

// export writes the page on the screen to a file that does not exist yet.
func (m *Model) export(args []string) tea.Cmd {
	if len(args) != 1 {
		m.say("", errNothing("usage: export FILE.txt|.csv|.json|.svg"))
		return nil
	}
	format, err := export.FormatOf(args[0])
	if err != nil {
		m.say("", err)
		return nil
	}
	p, f, look := m.current(), m.frame(), m.top().look
	return func() tea.Msg {
		err := writeFile(args[0], func(w *os.File) error { return export.Write(w, format, p, f, &look) })
		return doneMsg{text: "written to " + args[0], err: err}
	}
}

func writeFile(path string, write func(*os.File) error) error {
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // who is in a group is not for everybody
	if err != nil {
		return err
	}
	if err = write(w); err != nil {
		_ = w.Close()
		_ = os.Remove(path)
		return err
	}
	return w.Close()
}
