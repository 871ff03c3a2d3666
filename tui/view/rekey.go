package view

import (
	"fmt"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Rekey is the GM rekey status: which rekeys each member has acknowledged to its key server. It is printed by
// `getvpn-tui show rekey`; the members view has its essence on the screen.
type Rekey struct{ Group string } // empty: all groups

// RekeyGroup is one group of `show rekey --json`.
type RekeyGroup struct {
	Group       string        `json:"group"`
	KeyServer   string        `json:"key_server"`
	Transport   string        `json:"transport"`           // unicast or multicast
	Multicast   string        `json:"multicast,omitempty"` // address and port
	Acknowledge string        `json:"acknowledge"`         // the form that members are asked for
	Seq         uint32        `json:"seq"`                 // the last rekey
	RekeysSent  uint64        `json:"rekeys_sent"`
	Ejected     uint64        `json:"ejected"`
	Members     []RekeyMember `json:"members"`
}

// RekeyMember is one member of a RekeyGroup.
type RekeyMember struct {
	Address  string `json:"address"`
	Identity string `json:"identity"`
	State    string `json:"state"`
	Sent     uint32 `json:"seq_sent"` // the last rekey sent to it
	Datagram uint64 `json:"datagrams_sent"`
	control.RekeyState
}

// Name implements View.
func (Rekey) Name() string { return "rekey" }

// Rows implements View.
func (Rekey) Rows(*Frame) []string { return nil }

func (v Rekey) groups(fleet *source.Fleet) []RekeyGroup {
	out := []RekeyGroup{}
	for i := range fleet.Nodes {
		n := &fleet.Nodes[i]
		if n.Snap == nil || n.Snap.KS == nil {
			continue
		}
		for _, g := range n.Snap.KS.Groups {
			if v.Group != "" && g.Name != v.Group || g.Role == control.RoleSecondary {
				continue // the primary alone sends rekeys
			}
			r := RekeyGroup{
				Group: g.Name, KeyServer: n.Name, Transport: g.RekeyKind, Multicast: g.Multicast, Acknowledge: g.Acknowledge,
				RekeysSent: g.RekeysSent, Ejected: g.Ejected, Members: []RekeyMember{},
			}
			if g.KEK != nil {
				r.Seq = g.KEK.Seq
			}
			for _, m := range g.Members {
				r.Members = append(r.Members, RekeyMember{Address: host(m.Address), Identity: m.Identity, State: m.State, Sent: m.LastSeq, Datagram: m.RekeysSent, RekeyState: m.Rekey})
			}
			out = append(out, r)
		}
	}
	return out
}

// Draw implements View.
func (v Rekey) Draw(f *Frame) []string {
	groups := v.groups(f.Fleet)
	var out []string
	for _, g := range groups {
		how := g.Transport
		if g.Multicast != "" {
			how += " " + g.Multicast
		}
		out = append(out, f.section("GM REKEY STATUS of group "+g.Group, f.Theme.Dim.Render(fmt.Sprintf("%s, %s, seq %d, %d ejected", how, orNone(g.Acknowledge), g.Seq, g.Ejected))))
		t := &widget.Table{Cursor: -1, Columns: []widget.Column{
			{Title: " MEMBER"}, {Title: "IDENTITY", Drop: 1}, {Title: "STATE"}, {Title: "ACKS"}, {Title: "SENT", Right: true}, {Title: "ACKED", Right: true},
			{Title: "MISSED", Right: true}, {Title: "OF ALL", Right: true, Drop: 2}, {Title: "RTT", Right: true},
		}}
		for _, m := range g.Members {
			t.Rows = append(t.Rows, []string{" " + m.Address, m.Identity, f.Theme.State(StateLevel(m.State), m.State), yes(m.Acks), fmt.Sprint(m.Sent), fmt.Sprint(m.Acked),
				missed(f.Theme, m.RekeyState), fmt.Sprint(m.MissedTotal), rtt(m.RekeyState)})
		}
		out = append(append(out, t.View(f.Theme, f.Width, len(t.Rows)+1)...), "")
	}
	if len(groups) == 0 {
		out = append(out, " no key server knows a group "+v.Group)
	}
	return f.clip(out)
}

// Data implements View.
func (v Rekey) Data(fleet *source.Fleet) any { return map[string]any{"groups": v.groups(fleet)} }

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// missed is the number of rekeys in a row without an answer; three eject a member.
func missed(t *theme.Theme, r control.RekeyState) string {
	switch {
	case !r.Acks:
		return "-"
	case r.Missed == 0:
		return "0"
	}
	return t.State(theme.Caution, fmt.Sprint(r.Missed))
}

func rtt(r control.RekeyState) string {
	if r.AckCount == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", r.RTT)
}
