package app

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/theme"
)

var update = flag.Bool("update", false, "rewrite the golden screens")

type noSource struct{}

func (noSource) Next(ctx context.Context) (*source.Fleet, bool) { <-ctx.Done(); return nil, false }

func model(t *testing.T, w, h int) *Model {
	t.Helper()
	time.Local = time.UTC
	th, err := theme.New("dark")
	if err != nil {
		t.Fatal(err)
	}
	m := New(t.Context(), noSource{}, th)
	m.now = func() time.Time { return sourcetest.Now }
	m.Update(tea.WindowSizeMsg{Width: w, Height: h})
	m.Update(fleetMsg{sourcetest.Fleet()})
	return m
}

func press(m *Model, keys ...string) tea.Cmd {
	var cmd tea.Cmd
	for _, k := range keys {
		msg := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
		switch k {
		case "enter":
			msg = tea.KeyMsg{Type: tea.KeyEnter}
		case "esc":
			msg = tea.KeyMsg{Type: tea.KeyEsc}
		case "down":
			msg = tea.KeyMsg{Type: tea.KeyDown}
		case "tab":
			msg = tea.KeyMsg{Type: tea.KeyTab}
		case "space":
			msg = tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}}
		}
		_, cmd = m.Update(msg)
	}
	return cmd
}

func TestScreens(t *testing.T) {
	lipgloss.SetColorProfile(termenv.Ascii)
	for _, size := range []struct {
		name string
		w, h int
	}{{"80x24", 80, 24}, {"60x20", 60, 20}, {"160x48", 160, 48}} {
		for _, screen := range []struct {
			name  string
			keys  []string
			fleet func() *source.Fleet
		}{
			{"overview", nil, nil}, {"members", []string{"2", "down"}, nil}, {"keys", []string{"3"}, nil}, {"policy", []string{"4"}, nil}, {"events", []string{"5"}, nil},
			{"node", []string{"down", "enter"}, nil}, {"help", []string{"?"}, nil}, {"ask", []string{"R"}, nil}, {"filter", []string{"/", "g", "m", "3", "enter"}, nil},
			{"alone", []string{"6"}, nil}, {"coop", []string{"6"}, sourcetest.Coop}, {"coop-overview", nil, sourcetest.Coop}, {"coop-node", []string{"enter"}, sourcetest.Coop},
			{"coop-ask", []string{"6", "down", "H"}, sourcetest.Coop},
			{"gone", []string{"6"}, sourcetest.Gone}, {"gone-overview", nil, sourcetest.Gone},
			{"split", []string{"6", "down", "down"}, sourcetest.Split}, {"split-overview", nil, sourcetest.Split}, {"split-keys", []string{"3"}, sourcetest.Split},
		} {
			t.Run(size.name+"-"+screen.name, func(t *testing.T) {
				m := model(t, size.w, size.h)
				if screen.fleet != nil {
					m.Update(fleetMsg{screen.fleet()})
				}
				press(m, screen.keys...)
				got := m.View()
				lines := strings.Split(got, "\n")
				if len(lines) != size.h {
					t.Errorf("%d lines, want %d", len(lines), size.h)
				}
				for i, l := range lines {
					if w := ansi.StringWidth(l); w != size.w {
						t.Errorf("line %d is %d cells wide, want %d: %q", i, w, size.w, l)
					}
				}
				golden := filepath.Join("testdata", size.name+"-"+screen.name+".txt")
				text := trimmed(got)
				if *update {
					if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if string(want) != text {
					t.Errorf("screen differs from %s (rewrite with -update after a look):\n%s", golden, text)
				}
			})
		}
	}
}

func trimmed(s string) string {
	lines := strings.Split(ansi.Strip(s), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestKillAsksFirst(t *testing.T) {
	m := model(t, 100, 30)
	if cmd := press(m, "down", "K"); cmd != nil || m.ask == nil {
		t.Fatal("kill did not ask")
	}
	if !strings.Contains(ansi.Strip(m.View()), "Kill gm1") {
		t.Errorf("the question does not name the node:\n%s", ansi.Strip(m.View()))
	}
	if cmd := press(m, "n"); cmd != nil || m.ask != nil {
		t.Error("no was not taken as no")
	}
	ran := ""
	press(m, "K")
	m.ask.run = func(context.Context) (string, error) { ran = "kill"; return "", errors.New("lab says no") }
	cmd := press(m, "y")
	if cmd == nil {
		t.Fatal("yes did nothing")
	}
	m.Update(cmd())
	if ran != "kill" || !strings.Contains(m.View(), "lab says no") {
		t.Errorf("ran %q; the failure is not on the screen:\n%s", ran, m.View())
	}
}

func TestKillOutsideALab(t *testing.T) {
	m := model(t, 100, 30)
	f := sourcetest.Fleet()
	f.Lab = ""
	m.Update(fleetMsg{f})
	press(m, "K")
	if m.ask != nil || !strings.Contains(m.View(), "--lab") {
		t.Errorf("killing outside a lab must say what to do:\n%s", m.View())
	}
}

func TestFreezeKeepsTheScreen(t *testing.T) {
	m := model(t, 100, 30)
	press(m, "space")
	m.Update(fleetMsg{&source.Fleet{Title: "other"}})
	if !strings.Contains(m.View(), "gm1") || !strings.Contains(m.View(), "frozen") {
		t.Error("the frozen screen changed")
	}
	press(m, "space")
	if strings.Contains(m.View(), "gm1") {
		t.Error("the screen stayed frozen")
	}
}

func TestCursorSurvivesFewerRows(t *testing.T) {
	m := model(t, 80, 24)
	press(m, "down", "down", "down", "down")
	f := sourcetest.Fleet()
	f.Nodes = f.Nodes[:1]
	m.Update(fleetMsg{f})
	_ = m.View()
	if got := m.selected(); got != "ks1" {
		t.Errorf("cursor stands on %q", got)
	}
}

func TestTinyAndEmpty(t *testing.T) {
	m := model(t, 20, 5)
	if !strings.Contains(m.View(), "40x10") {
		t.Error("a tiny terminal is not told what is needed")
	}
	m = model(t, 80, 24)
	m.Update(fleetMsg{&source.Fleet{Title: "/run/getvpn"}})
	for _, tab := range []string{"1", "2", "3", "4", "5", "6"} {
		press(m, tab, "enter", "down", "r", "esc")
		_ = m.View()
	}
}

func TestKeysInOneRead(t *testing.T) {
	m := model(t, 100, 30)
	if cmd := press(m, "Ky"); cmd == nil || m.ask != nil {
		t.Error("the answer that came with the question's key was lost")
	}
}
