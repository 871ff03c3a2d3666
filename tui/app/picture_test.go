package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"github.com/getvpn/getvpn/tui/export"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/theme"
)

// TestPictures keeps the pictures that documents show, made by the program itself, in step with it.
func TestPictures(t *testing.T) {
	lipgloss.SetColorProfile(termenv.TrueColor)
	defer lipgloss.SetColorProfile(termenv.Ascii)
	for _, p := range []struct {
		name, theme string
		keys        []string
		fleet       *source.Fleet
		w, h        int
	}{
		{"pulse", "dark", []string{"down"}, sourcetest.Fleet(), 100, 24}, {"members", "dark", []string{"2", "down"}, sourcetest.Fleet(), 100, 22},
		{"rekey", "dark", []string{"3"}, sourcetest.Fleet(), 100, 24}, {"coop", "dark", []string{"4", "down", "down"}, sourcetest.Split(), 100, 26},
		{"topology", "dark", []string{"8"}, sourcetest.Cut(), 100, 26}, {"palette", "dark", []string{":", "r", "e"}, sourcetest.Fleet(), 100, 24},
		{"light", "light", []string{"3"}, sourcetest.Fleet(), 100, 24},
	} {
		t.Run(p.name, func(t *testing.T) {
			m := model(t, p.w, p.h)
			th, err := theme.New(p.theme)
			if err != nil {
				t.Fatal(err)
			}
			m.theme = th
			m.Update(fleetMsg{p.fleet})
			press(m, p.keys...)
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
