package view

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// TestFaultOfAnotherClock: a fault that begins later than the console's clock says, and ends before it began, is drawn all the same.
func TestFaultOfAnotherClock(t *testing.T) {
	for _, begin := range []time.Duration{-time.Hour, 0, time.Second, time.Hour, 1e6 * time.Hour} {
		fleet := sourcetest.Cut()
		for i := range fleet.State.Faults {
			x := &fleet.State.Faults[i]
			x.Since = fleet.Time.Add(begin)
			if x.Until != nil {
				until := fleet.Time.Add(time.Second)
				x.Until = &until
			}
		}
		for _, width := range []int{60, 80, 132, 200} {
			f := frame(t, fleet)
			f.Width, f.Height = width, 60
			if text := ansi.Strip(strings.Join(drawn(Lab{}, f), "\n")); !strings.Contains(text, "FAULTS") || !strings.Contains(text, "ks1") {
				t.Errorf("begins %v from now, %d columns:\n%s", begin, width, text)
			}
		}
	}
}
