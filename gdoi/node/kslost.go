package node

import (
	"fmt"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// custodyState passes on that the key custody was lost, or is there again. Members keep their keys, and traffic goes on; new
// keys, registrations and rekeys wait, or another key server does them.
func (n *KeyServer) custodyState(now machine.Now, ev machine.CustodyState, out machine.Effects) machine.Effects {
	if ev.Problem == n.custodyLost {
		return out
	}
	note := machine.Note{
		Name: gdoi.NoteCustodyLost, Severity: machine.Error, Reason: "custody",
		Text: fmt.Sprintf("the key custody is lost: %s; keys that members have go on, and nothing new is made here until it is back", ev.Problem),
	}
	if ev.Problem == "" {
		note = machine.Note{Name: gdoi.NoteCustodyBack, Severity: machine.Info, Text: "the key custody is there again"}
	}
	if ev.Problem == "" || n.custodyLost == "" {
		out = append(out, note)
	}
	n.custodyLost = ev.Problem
	for _, g := range n.living() {
		out = g.SetCustody(now, ev.Problem, out)
	}
	for _, k := range n.cells {
		out = k.Custody(now, ev.Problem, out)
	}
	return out
}
