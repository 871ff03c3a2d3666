package driver

import "testing"

// TestWant: since when a daemon is not to run is known until it is to run again.
func TestWant(t *testing.T) {
	var n NodeState
	for _, c := range []struct {
		what  string
		since bool
	}{{WantedRunning, false}, {WantedKilled, true}, {WantedRunning, false}, {WantedPaused, true}} {
		if n.want(c.what); n.Wanted != c.what || n.Since.IsZero() == c.since {
			t.Errorf("%s: %+v", c.what, n)
		}
	}
}
