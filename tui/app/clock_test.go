package app

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// TestClockOfSimulatedLab: the second that passes here is none of a simulated lab, whose daemons say what time it is.
func TestClockOfSimulatedLab(t *testing.T) {
	fleet := sourcetest.Lab()
	for driver, moves := range map[string]bool{"sim": false, "netns": true} {
		state := *fleet.State
		state.Driver = driver
		m := model(t, 100, 30)
		f := *fleet
		f.State = &state
		m.Update(fleetMsg{&f})
		m.Update(tickMsg(sourcetest.Now.Add(time.Minute)))
		if got := m.shown().Time; got.Equal(sourcetest.Now) == moves {
			t.Errorf("driver %s: it is %v", driver, got)
		}
	}
}
