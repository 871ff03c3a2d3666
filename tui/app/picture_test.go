package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/getvpn/getvpn/tui/export"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/view"
)

// TestPictures keeps the pictures that documents show, made by the program itself, in step with it.
func TestPictures(t *testing.T) {
	lipgloss.SetColorProfile(termenv.TrueColor)
	defer lipgloss.SetColorProfile(termenv.Ascii)
	fleet := sourcetest.Fleet
	for _, p := range []struct {
		name, theme string
		keys        []string
		fleet       func() *source.Fleet
		w, h        int
		answer      tea.Msg
	}{
		{"pulse", "dark", []string{"down"}, fleet, 100, 24, nil}, {"members", "dark", []string{"2", "down"}, fleet, 100, 26, nil},
		{"rekey", "dark", []string{"3"}, fleet, 100, 24, nil}, {"coop", "dark", []string{"4"}, sourcetest.Coop, 100, 26, nil}, {"split", "dark", []string{"4", "down", "down"}, sourcetest.Split, 100, 26, nil},
		{"sas", "dark", []string{"5"}, sourcetest.Coop, 100, 24, nil}, {"windows", "dark", []string{"5", "enter"}, fleet, 100, 20, nil},
		{"policy", "dark", []string{"6", "down", "down", "down"}, sourcetest.Linted, 100, 24, pendingMsg{&view.Pending{Plans: sourcetest.Changed()}}},
		{"events", "dark", []string{"7"}, fleet, 100, 14, nil}, {"topology", "dark", []string{"8"}, sourcetest.Cut, 100, 26, nil},
		{"custody", "dark", []string{"9"}, sourcetest.Custody, 110, 40, nil}, {"node", "dark", []string{"down", "enter"}, fleet, 100, 26, nil},
		{"lab", "dark", []string{"0", "down"}, sourcetest.Exercise, 100, 30, nil},
		{"palette", "dark", []string{":", "r", "e"}, fleet, 100, 24, nil}, {"columns", "dark", []string{"2", "f", "down", "down"}, fleet, 100, 28, nil},
		{"ask", "dark", []string{"2", "down", "X", "b", "l"}, fleet, 100, 24, nil}, {"light", "light", []string{"3"}, fleet, 100, 24, nil}, {"contrast", "contrast", nil, sourcetest.Gone, 100, 24, nil},
	} {
		t.Run(p.name, func(t *testing.T) {
			m := bare(t)
			m.Update(tea.WindowSizeMsg{Width: p.w, Height: p.h})
			th, err := theme.New(p.theme)
			if err != nil {
				t.Fatal(err)
			}
			m.theme = th
			m.Update(fleetMsg{p.fleet()})
			press(m, p.keys...)
			m.Update(p.answer)
			var b bytes.Buffer
			if err := export.SVG(&b, strings.Split(m.View(), "\n"), p.w, th); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("..", "pictures", p.name+".svg")
			if *update {
				if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, b.Bytes()) {
				t.Errorf("%s is not what the console looks like any more (rewrite with -update after a look)", golden)
			}
		})
	}
}
