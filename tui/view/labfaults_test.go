package view

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/source"
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

// TestNothingBrokenOnPurpose: an exercise does not say that all is well, which is what its tasks are about.
func TestNothingBrokenOnPurpose(t *testing.T) {
	exercise := sourcetest.Exercise()
	exercise.State.Faults = nil
	for i := range exercise.State.Nodes {
		exercise.State.Nodes[i].Wanted = ""
	}
	for _, c := range []struct {
		fleet *source.Fleet
		want  bool
	}{{sourcetest.Lab(), true}, {exercise, false}} {
		f := frame(t, c.fleet)
		f.Width, f.Height = 100, 40
		if text := ansi.Strip(strings.Join(drawn(Lab{}, f), "\n")); strings.Contains(text, "nothing is broken on purpose") != c.want {
			t.Errorf("%s:\n%s", c.fleet.Lab, text)
		}
	}
}

// TestSinceWhenItIsKilled: that somebody ended a daemon is as old as the lab says, not as the console.
func TestSinceWhenItIsKilled(t *testing.T) {
	fleet := sourcetest.Lab()
	n := fleet.State.Node("gm2")
	n.Wanted, n.Since = "killed", fleet.Time.Add(-time.Hour)
	f := frame(t, fleet)
	f.Width, f.Height = 100, 40
	if text := ansi.Strip(strings.Join(drawn(Lab{}, f), "\n")); !strings.Contains(text, "since "+clock(n.Since)) {
		t.Errorf("killed at %v:\n%s", n.Since, text)
	}
	if n.Since, fleet.Node("gm2").Seen = (time.Time{}), (time.Time{}); strings.Contains(ansi.Strip(strings.Join(drawn(Lab{}, f), "\n")), "since ") {
		t.Error("nobody knows when, and it says so")
	}
}

// TestNothingToEnter: what the simulator refuses is not suggested.
func TestNothingToEnter(t *testing.T) {
	fleet := sourcetest.Lab()
	for driver, want := range map[string]bool{"netns": true, "sim": false} {
		fleet.State.Driver = driver
		got := false
		for _, x := range tries(fleet) {
			got = got || strings.Contains(x.Shell+x.Also, "getvpn-lab exec")
		}
		if got != want {
			t.Errorf("driver %s: getvpn-lab exec is suggested: %v", driver, got)
		}
	}
}
