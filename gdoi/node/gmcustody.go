package node

import (
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// custodyState takes that the key custody with our certificates' keys was lost, or is there again. A member signs in phase 1
// alone: its keys and its traffic go on, and so do the phase-1 SAs that it has.
func (n *GroupMember) custodyState(now machine.Now, ev machine.CustodyState, out machine.Effects) machine.Effects {
	was := n.custody
	n.custody = ev.Problem
	switch {
	case ev.Problem != "" && was == "":
		return append(out, machine.Note{Name: gdoi.NoteCustodyLost, Severity: machine.Error, Reason: "custody", Text: "the key custody is gone: " + ev.Problem + "; keys and traffic go on, and no new phase 1 succeeds until it is back"})
	case ev.Problem == "" && was != "":
		out = append(out, machine.Note{Name: gdoi.NoteCustodyBack, Severity: machine.Info, Text: "the key custody is there again"})
		for _, g := range n.groups {
			g.CustodyBack(now)
		}
	}
	return out
}
