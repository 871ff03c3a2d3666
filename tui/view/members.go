package view

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Members lists each member of each group as both sides see it: the key server's list, and what the member says itself.
type Members struct{}

// Name implements View.
func (Members) Name() string { return "members" }

// Page implements View.
func (Members) Page(f *Frame) *Page {
	if len(f.Fleet.Nodes) == 0 {
		return nothing(f)
	}
	all := list(f.Fleet, f.Group)
	now := f.Fleet.Time
	t := &widget.Table{
		Len: len(all),
		ID:  func(i int) string { return all[i].Group + "/" + all[i].Name },
		Old: func(i int) bool { return !all[i].current },
		More: func(i int) string {
			return all[i].Identity + " " + all[i].Certificate + " " + all[i].Reason
		},
	}
	column := columns(t, all)
	column(widget.Column{Title: " MEMBER"}, func(m *Member) widget.Cell { return widget.Text(" " + m.Name) })
	column(widget.Column{Title: "GROUP", Drop: 3}, func(m *Member) widget.Cell { return widget.Text(m.Group) })
	column(widget.Column{Title: "STATE"}, func(m *Member) widget.Cell { return m.state() })
	column(widget.Column{Title: "ADDRESS", Drop: 5}, func(m *Member) widget.Cell { return widget.Text(m.Address) })
	column(widget.Column{Title: "KEY SERVER", Key: "ks", Drop: 6}, func(m *Member) widget.Cell { return widget.Text(host(m.RegisteredWith)) })
	column(widget.Column{Title: "SINCE", Drop: 7}, func(m *Member) widget.Cell { return widget.Ago(m.RegisteredAt, now) })
	column(widget.Column{Title: "AGAIN IN", Key: "again", Right: true}, func(m *Member) widget.Cell { return widget.Left(m.ReregisterAt, now) })
	column(widget.Column{Title: "SEQ", Right: true}, func(m *Member) widget.Cell { return m.got() })
	column(widget.Column{Title: "SENT", Right: true, Drop: 9}, func(m *Member) widget.Cell { return seqCell(m.SeqSent) })
	column(widget.Column{Title: "MISSED", Right: true, Drop: 2}, func(m *Member) widget.Cell { return missed(m.Rekey) })
	column(widget.Column{Title: "RTT", Right: true, Drop: 8}, func(m *Member) widget.Cell { return rtt(m.Rekey) })
	column(widget.Column{Title: "SENDS", Drop: 1}, func(m *Member) widget.Cell { return widget.Text(orDash(m.SendsSPI)) })
	column(widget.Column{Title: "DROPS", Right: true}, func(m *Member) widget.Cell { return m.drops() })
	column(widget.Column{Title: "REGS", Right: true, Drop: 10}, func(m *Member) widget.Cell { return widget.Int(m.Registrations) })
	column(widget.Column{Title: "SENDER IDS", Key: "sids", Drop: 12}, func(m *Member) widget.Cell { return widget.Text(sids(m.SIDs)) })
	column(widget.Column{Title: "TROUBLE", Flex: true, Min: 12, Drop: 11}, func(m *Member) widget.Cell { return widget.Text(m.why()) })
	return &Page{
		Title: "MEMBERS", Right: f.Group, Table: t, Want: 9,
		Subject: func(i int) Subject { return Subject{Group: all[i].Group, Node: all[i].Name} },
		Foot: func(i, room int) []string {
			if i < 0 || room < 3 {
				return nil
			}
			out := append([]string{""}, f.memberDetail(&all[i], room-1)...)
			if left := room - len(out) - 2; left > 0 {
				out = append(append(out, "", f.section("EVENTS of "+all[i].Name, "")), f.eventTail(left, all[i].concerns)...)
			}
			return out
		},
	}
}

// concerns says whether an event is of a member, or about it.
func (m *Member) concerns(e *control.Event) bool {
	return e.Node == m.Name || host(e.Peer) == m.Address
}

// state is a member's state; what was said before the connection was lost may be out of date, and has no level.
func (m *Member) state() widget.Cell {
	level := StateLevel(m.State)
	if !m.current && !silent(m.State) {
		level = theme.Neutral
	}
	return widget.State(level, m.State)
}

// got is the last rekey that a member accepted: as it says itself, or as it acknowledged.
func (m *Member) got() widget.Cell {
	switch {
	case m.Seq > 0:
		return seqCell(m.Seq)
	case m.Rekey.AckCount > 0:
		return seqCell(m.Rekey.Acked)
	}
	return widget.None()
}

func (m *Member) drops() widget.Cell {
	if !m.Attached && m.Drops == 0 {
		return widget.None()
	}
	return widget.Short(m.Drops)
}

// why is the reason of a state, or of most drops.
func (m *Member) why() string {
	if m.Reason == "" && m.TopDrop != "" {
		return m.TopDrop
	}
	return m.Reason
}

func sids(v []uint32) string {
	if len(v) == 0 {
		return "-"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(v), " ", ","), "[]")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Data implements View.
func (Members) Data(fleet *source.Fleet, group string) any {
	return map[string]any{"members": list(fleet, group)}
}
