package view

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/widget"
)

// Events is the journal of all attached daemons, newest last; who stands on the newest follows it.
type Events struct{}

// Name implements View.
func (Events) Name() string { return "events" }

// Page implements View.
func (Events) Page(f *Frame) *Page {
	var all []*control.Event
	for i := range f.Fleet.Events {
		if e := &f.Fleet.Events[i]; f.Group == "" || e.Group == f.Group || e.Group == "" {
			all = append(all, e)
		}
	}
	t := &widget.Table{
		Len: len(all), Follows: true,
		ID: func(i int) string {
			return all[i].Node + "/" + all[i].Time.Format("150405.000000") + "/" + fmt.Sprint(all[i].Seq)
		},
		More: func(i int) string { return all[i].Severity + " " + all[i].Reason + " " + all[i].Peer },
	}
	column := func(c widget.Column, cell func(e *control.Event) widget.Cell) {
		c.Cell = func(i int) widget.Cell { return cell(all[i]) }
		t.Columns = append(t.Columns, c)
	}
	now := f.Fleet.Time
	column(widget.Column{Title: " TIME"}, func(e *control.Event) widget.Cell {
		c := widget.Ago(e.Time, now)
		c.Text = " " + c.Text
		return c
	})
	column(widget.Column{Title: "NODE"}, func(e *control.Event) widget.Cell { return widget.Text(e.Node) })
	column(widget.Column{Title: "EVENT"}, func(e *control.Event) widget.Cell { return widget.State(severityLevel(e.Severity), e.Name) })
	column(widget.Column{Title: "GROUP", Drop: 2}, func(e *control.Event) widget.Cell { return widget.Text(e.Group) })
	column(widget.Column{Title: "PEER", Drop: 1}, func(e *control.Event) widget.Cell { return widget.Text(host(e.Peer)) })
	column(widget.Column{Title: "WHAT", Flex: true, Min: 30}, func(e *control.Event) widget.Cell { return widget.Text(eventText(e)) })
	return &Page{
		Title: "EVENTS", Right: f.Group, Table: t,
		Event:   func(i int) *control.Event { return all[i] },
		Subject: func(i int) Subject { return Subject{Group: all[i].Group, Node: all[i].Node} },
	}
}

// eventText is what an event says, and why.
func eventText(e *control.Event) string {
	if e.Reason != "" && !strings.Contains(e.Text, e.Reason) {
		return spoken(e.Text) + " · " + e.Reason
	}
	return spoken(e.Text)
}

// Data implements View.
func (Events) Data(fleet *source.Fleet, group string) any {
	events := []control.Event{}
	for _, e := range fleet.Events {
		if group == "" || e.Group == group {
			events = append(events, e)
		}
	}
	return map[string]any{"events": events}
}
