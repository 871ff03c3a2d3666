package app

import (
	"math/rand/v2"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// TestMonkey presses whatever keys, on screens of whatever size, while nodes come and go: every frame fills the screen exactly, and
// nothing is done that was not asked for first.
func TestMonkey(t *testing.T) {
	fleets := []func() *source.Fleet{
		sourcetest.Fleet, sourcetest.Coop, sourcetest.Split, sourcetest.Gone, sourcetest.Cut, sourcetest.Custody, groups,
		func() *source.Fleet { return sourcetest.Large(700) }, func() *source.Fleet { return &source.Fleet{Title: "nobody"} },
	}
	keys := strings.Fields("1 2 3 4 5 6 7 8 9 0 tab enter enter esc esc down down up pgdown pgup g G / : < > o v space T m ? r R X C H A p K S P D U W e b l u e y n = ! ~ 3 backspace space")
	for seed := range uint64(3) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		m := model(t, 80, 24)
		w, h := 80, 24
		var pressed []string
		for range 500 {
			switch rnd.IntN(20) {
			case 0:
				w, h = 40+rnd.IntN(180), 10+rnd.IntN(60)
				m.Update(tea.WindowSizeMsg{Width: w, Height: h})
			case 1:
				m.Update(fleetMsg{fleets[rnd.IntN(len(fleets))]()})
			case 2:
				m.Update(tickMsg(sourcetest.Now))
			default:
				k := keys[rnd.IntN(len(keys))]
				pressed = append(pressed, k)
				asked := m.ask
				press(m, k) // what it would run is not run
				if asked == nil && m.flash.text == "working…" && k != "p" && k != "enter" {
					t.Fatalf("seed %d: %q did something unasked, after %q", seed, k, pressed)
				}
				m.flash = flash{}
			}
			lines := strings.Split(m.View(), "\n")
			if len(lines) != h {
				t.Fatalf("seed %d: %d lines on %dx%d after %q", seed, len(lines), w, h, pressed)
			}
			for i, l := range lines {
				if n := ansi.StringWidth(l); n != w {
					t.Fatalf("seed %d: line %d has %d cells on %dx%d after %q:\n%s", seed, i, n, w, h, pressed, ansi.Strip(l))
				}
			}
		}
	}
}
