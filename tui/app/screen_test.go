package app

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
)

// terminal is what a console writes to: an emulator that keeps the screen.
type terminal struct {
	mu   sync.Mutex
	vt   *vt.Emulator
	last string
}

// Write implements io.Writer. The renderer ends with the erasure of its last line, after it has drawn all that there is to be
// drawn: what the screen has then is what people saw.
func (x *terminal) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if string(b) == ansi.EraseEntireLine {
		x.last = x.vt.String()
	}
	_, err := x.vt.Write(bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n")))
	return len(b), err
}

// perform runs the program itself over a terminal of a size, and returns the screen that messages lead to. The clock stands
// still: ticks do not come through.
func perform(t *testing.T, m *Model, w, h int, messages ...tea.Msg) string {
	t.Helper()
	x := &terminal{vt: vt.NewEmulator(w, h)}
	p := tea.NewProgram(m, tea.WithAltScreen(), tea.WithInput(nil), tea.WithOutput(x), tea.WithContext(t.Context()), tea.WithoutSignalHandler(), tea.WithFPS(60),
		tea.WithFilter(func(_ tea.Model, msg tea.Msg) tea.Msg {
			if _, tick := msg.(tickMsg); tick {
				return nil
			}
			return msg
		}))
	go func() {
		for _, msg := range append([]tea.Msg{tea.WindowSizeMsg{Width: w, Height: h}}, messages...) {
			if msg != nil {
				p.Send(msg)
			}
		}
		p.Quit()
	}()
	if _, err := p.Run(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(x.last, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// keys are the messages of keys, by the names that press has for them.
func keys(names ...string) (out []tea.Msg) {
	for _, k := range names {
		out = append(out, keyMsg(k))
	}
	return out
}
