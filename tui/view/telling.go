package view

import (
	"slices"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// lately is how long a warning stays among the newest events of the pulse.
const lately = 5 * time.Minute

// telling draws the newest events in the order of the journal, the latest at the bottom, in height lines; half of them are for warnings
// and errors of the last minutes, which members that go about their business would push out otherwise.
func (f *Frame) telling(height int) []string {
	var chosen []int // of the journal: events of one moment have no other order
	ev := f.Fleet.Events
	take := func(most int, keep func(e *control.Event) bool) {
		for i := len(ev) - 1; i >= 0 && len(chosen) < most; i-- {
			if ev[i].Severity != "debug" && keep(&ev[i]) && !slices.Contains(chosen, i) {
				chosen = append(chosen, i)
			}
		}
	}
	take(min((height+1)/2, height-1), func(e *control.Event) bool {
		return (e.Severity == "warning" || e.Severity == "error") && f.Fleet.Time.Sub(e.Time) < lately
	})
	take(height, allEvents)
	slices.Sort(chosen)
	var out []string
	for _, i := range chosen {
		out = append(out, f.eventLine(&ev[i]))
	}
	return out
}
