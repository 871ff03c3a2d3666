package app

import (
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/daemon/control/record"
	"github.com/getvpn/getvpn/tui/source"
)

// MaxRecording is how large a recording becomes if nothing else is said.
const MaxRecording = 1 << 30

// Recorder is a Source that can be recorded; *source.Source is one.
type Recorder interface {
	Record(path string, o record.Options) (*source.Tape, error)
}

func recordWord() word {
	return word{"record", "record FILE|stop", "keep what happens from now on; .gz compresses; a mark in the header says so", func(m *Model, before []string) []string {
		if len(before) > 0 {
			return []string{"--force"}
		}
		return []string{"stop", m.now().Format("20060102-150405") + ".rec", m.now().Format("20060102-150405") + ".rec.gz"}
	}, (*Model).recordCommand}
}

func (m *Model) recordCommand(args []string) tea.Cmd {
	force := len(args) == 2 && args[1] == "--force"
	r, can := m.src.(Recorder)
	switch {
	case len(args) == 1 && args[0] == "stop":
		if m.tape == nil {
			m.say("", errNothing("nothing is being recorded: begin with :record FILE"))
			return nil
		}
		tape := m.tape
		m.tape = nil
		return func() tea.Msg {
			err := tape.Stop()
			return doneMsg{text: Recorded(tape), err: err}
		}
	case len(args) != 1 && !force:
		m.say("", errNothing("usage: record FILE [--force], and record stop"))
		return nil
	case !can:
		m.say("", errNothing("this cannot be recorded"))
		return nil
	}
	tape, err := r.Record(args[0], record.Options{Max: MaxRecording, Force: force})
	if err != nil {
		m.say("", err)
		return nil
	}
	m.tape = tape
	m.say("recording to "+args[0]+"; :record stop ends it", nil)
	return nil
}

// watchTape says that a recording has ended by itself.
func (m *Model) watchTape() {
	if m.tape == nil || !m.tape.Ended() {
		return
	}
	m.say("", fmt.Errorf("%w: %s", m.tape.Stop(), Recorded(m.tape)))
	m.tape = nil
}

// EndRecording completes the recording that is being made, and says what it has become; empty: there is none.
func (m *Model) EndRecording() (string, error) {
	if m.tape == nil {
		return "", nil
	}
	err := m.tape.Stop()
	return Recorded(m.tape), err
}

// tapeMark is in the header while something is recorded.
func (m *Model) tapeMark() string {
	if m.tape == nil {
		return ""
	}
	s, _ := m.tape.Stats()
	return "  " + m.theme.Bad.Render("● rec "+Octets(s.Size))
}

// Recorded is a sentence on what a recording has come to.
func Recorded(t *source.Tape) string {
	s, nodes := t.Stats()
	return fmt.Sprintf("%s: %v, %d daemons, %d frames, %d events, %s", t.Path, t.Long().Round(time.Second), nodes, s.Frames, s.Events, Octets(s.Size))
}

// Octets is a size as people say it.
func Octets(n int64) string {
	x, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB"} {
		if x < 1000 {
			break
		}
		x, unit = x/1024, u
	}
	if unit == "B" || x >= 100 {
		return fmt.Sprintf("%.0f %s", x, unit)
	}
	return fmt.Sprintf("%.1f %s", x, unit)
}
