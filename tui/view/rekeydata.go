package view

import (
	"fmt"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
)

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
	// Rollover says that a new TEK waits to take over; Lost names who could not talk any more if the old one ended now, and
	// Unknown counts those of whom that cannot be said.
	Rollover bool     `json:"rollover"`
	Lost     []string `json:"lost"`
	Unknown  int      `json:"unknown"`

	node  *source.Node
	group *control.KSGroup
}

// RekeyMember is one member of a RekeyGroup.
type RekeyMember struct {
	Name     string `json:"name"` // of its node, or its address when it is not attached
	Address  string `json:"address"`
	Identity string `json:"identity"`
	State    string `json:"state"`
	Sent     uint32 `json:"seq_sent"` // the last rekey sent to it
	Datagram uint64 `json:"datagrams_sent"`
	Holds    string `json:"holds"` // of the TEKs in a rollover: both, old, new or none; outside of one: current or none; empty: not known
	control.RekeyState

	group string
	node  *source.Node // nil: not attached
}

// rekeyGroups lists what the key servers know that send rekeys.
func rekeyGroups(fleet *source.Fleet, group string) []RekeyGroup {
	out := []RekeyGroup{}
	nodes := map[string]*source.Node{} // by group and address
	for i := range fleet.Nodes {
		if n := &fleet.Nodes[i]; n.Snap != nil && n.Snap.GM != nil {
			for _, g := range n.Snap.GM.Groups {
				nodes[g.Name+"|"+n.Snap.MemberAddress(g.Name)] = n
			}
		}
	}
	for i := range fleet.Nodes {
		n := &fleet.Nodes[i]
		if n.Snap == nil || n.Snap.KS == nil {
			continue
		}
		for k := range n.Snap.KS.Groups {
			g := &n.Snap.KS.Groups[k]
			if group != "" && g.Name != group || g.Role == control.RoleSecondary {
				continue // the primary alone sends rekeys
			}
			if best, _ := fleet.KSOf(g.Name); !answers(fleet, n) && best != n && answers(fleet, best) {
				continue // it was primary: what it said last would make lost members of all
			}
			r := RekeyGroup{
				Group: g.Name, KeyServer: n.Name, Transport: g.RekeyKind, Multicast: g.Multicast, Acknowledge: g.Acknowledge,
				RekeysSent: g.RekeysSent, Ejected: g.Ejected, Members: make([]RekeyMember, 0, len(g.Members)), Lost: []string{}, node: n, group: g,
			}
			if g.KEK != nil {
				r.Seq = g.KEK.Seq
			}
			for m := range g.Members {
				r.add(fleet, &g.Members[m], nodes)
			}
			r.judge()
			out = append(out, r)
		}
	}
	return out
}

// answers says whether a node is there and talks.
func answers(f *source.Fleet, n *source.Node) bool { return n != nil && n.Connected && !f.Hangs(n) }

// add takes a member as its key server lists it, and what it says itself if it is attached.
func (r *RekeyGroup) add(fleet *source.Fleet, m *control.KSMember, nodes map[string]*source.Node) {
	addr := host(m.Address)
	row := RekeyMember{
		Name: addr, Address: addr, Identity: m.Identity, State: m.State, Sent: m.LastSeq, Datagram: m.RekeysSent, RekeyState: m.Rekey, group: r.Group,
		node: nodes[r.Group+"|"+addr],
	}
	if row.node != nil {
		row.Name = row.node.Name
		if !row.node.Connected {
			row.State = stateDown
		} else if fleet.Hangs(row.node) {
			row.State = hangWord(fleet, row.node)
		}
	}
	r.Members = append(r.Members, row)
}

// rollover returns the TEK that is sent with, and the newest; they are the same outside of a rollover, nil without keys.
func (r *RekeyGroup) rollover() (current, newest *control.TEK) {
	for i := range r.group.TEKs {
		k := &r.group.TEKs[i]
		if k.Phase == control.PhaseSending {
			current = k
		}
		if k.Phase == control.PhaseWaiting || k.Phase == control.PhaseSending {
			newest = k
		}
	}
	return current, newest
}

// judge says who would be lost if the TEK that is sent with ended now.
func (r *RekeyGroup) judge() {
	current, newest := r.rollover()
	r.Rollover = current != nil && newest != current
	if newest == nil {
		return
	}
	for i := range r.Members {
		m := &r.Members[i]
		if m.State == control.StateLeft {
			continue
		}
		m.Holds = m.holds(current, newest)
		switch {
		case m.State == stateDown: // that it is down is another matter; it registers anew when it comes back
		case m.Holds == "old" || m.Holds == "none":
			r.Lost = append(r.Lost, m.Name)
		case m.Holds != "":
		case !m.Acks:
			r.Unknown++
		case behind(m.Acked, m.Sent): // who registered since has got keys then
			r.Lost = append(r.Lost, m.Name)
		}
	}
}

// holds says which of two TEKs an attached member has.
func (m *RekeyMember) holds(current, newest *control.TEK) string {
	if m.node == nil || m.node.Snap == nil || m.node.Snap.GM == nil || !m.node.Connected {
		return ""
	}
	old, fresh := false, false
	for _, g := range m.node.Snap.GM.Groups {
		if g.Name != m.group {
			continue
		}
		for _, k := range g.TEKs {
			old = old || current != nil && k.SPI == current.SPI
			fresh = fresh || k.SPI == newest.SPI
		}
	}
	switch {
	case fresh && current == newest:
		return "current"
	case old && fresh:
		return "both"
	case fresh:
		return "new"
	case old:
		return "old"
	}
	return "none"
}

// late is how many rekeys a member is behind: those that were sent to it and not answered.
func (m *RekeyMember) late() int {
	if !m.Acks || !behind(m.Acked, m.Sent) {
		return 0
	}
	if m.Acked == 0 || m.Acked>>16 != m.Sent>>16 {
		return max(m.Missed, 1)
	}
	return int(m.Sent - m.Acked)
}

// behind compares sequence numbers, whose high halves name who sends.
func behind(acked, sent uint32) bool { return acked>>16 != sent>>16 || acked < sent }

// ack says how a member stands to the last rekey.
func (m *RekeyMember) ack() (theme.Level, string) {
	switch {
	case m.State == control.StateLeft:
		return theme.Neutral, control.StateLeft
	case silent(m.State):
		return theme.Broken, m.State
	case m.Missed > 0:
		return theme.Broken, fmt.Sprintf("missed %d", m.Missed)
	case !m.Acks:
		return theme.Neutral, "not asked"
	case behind(m.Acked, m.Sent):
		return theme.Caution, "waited for"
	case m.Sent == 0:
		return theme.Neutral, "none yet"
	}
	return theme.Good, "acknowledged"
}
