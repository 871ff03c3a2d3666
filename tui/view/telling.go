package view

import (
	"slices"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// lately is how long a warning stays among the newest events of the pulse.
const lately = 5 * time.Minute

// telling draws the newest events, oldest on top, in height lines; half of them are for warnings and errors of the last minutes,
// which members that go about their business would push out otherwise.
func (f *Frame) telling(height int) []string {
	var chosen []*control.Event
	ev := f.Fleet.Events
	take := func(most int, keep func(e *control.Event) bool) {
		for i := len(ev) - 1; i >= 0 && len(chosen) < most; i-- {
			if e := &ev[i]; e.Severity != "debug" && keep(e) && !slices.Contains(chosen, e) {
				chosen = append(chosen, e)
			}
		}
	}
	take((height+1)/2, func(e *control.Event) bool {
		return (e.Severity == "warning" || e.Severity == "error") && f.Fleet.Time.Sub(e.Time) < lately
	})
	take(height, allEvents)
	slices.SortStableFunc(chosen, func(a, b *control.Event) int { return a.Time.Compare(b.Time) })
	var out []string
	for _, e := range chosen {
		out = append(out, f.eventLine(e))
	}
	return out
}
