package view

import (
	"fmt"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// Events is the journal of all attached daemons, newest last.
type Events struct{}

// Name implements View.
func (Events) Name() string { return "events" }

// Rows implements View.
func (Events) Rows(*Frame) []string { return nil }

// Draw implements View. Offset scrolls back from the newest event.
func (Events) Draw(f *Frame) []string {
	var keep []*control.Event
	for i := range f.Fleet.Events {
		e := &f.Fleet.Events[i]
		if f.match(e.Node + " " + e.Name + " " + e.Severity + " " + e.Group + " " + e.Peer + " " + e.Reason + " " + e.Text) {
			keep = append(keep, e)
		}
	}
	rows := f.Height - 1
	back := min(f.Offset, max(len(keep)-rows, 0))
	right := fmt.Sprintf("%d shown", len(keep))
	if back > 0 {
		right = fmt.Sprintf("%d newer below · %s", back, right)
	}
	out := []string{f.section("EVENTS", f.Theme.Dim.Render(right))}
	end := len(keep) - back
	for _, e := range keep[max(0, end-rows):end] {
		out = append(out, f.eventLine(e))
	}
	return f.clip(out)
}

// Data implements View.
func (Events) Data(fleet *source.Fleet) any {
	events := fleet.Events
	if events == nil {
		events = []control.Event{}
	}
	return map[string]any{"events": events}
}
