package node

import (
	"slices"
	"strings"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// keyDone tells the group that asked the custody. An answer that nobody waits for any more may be a KEK.
func (n *KeyServer) keyDone(now machine.Now, ev machine.KeyDone, out machine.Effects) machine.Effects {
	for _, g := range n.living() {
		var mine bool
		if out, mine = g.KeyDone(now, ev, out); mine {
			return n.buryGroups(out)
		}
	}
	clear(ev.Data)
	return out
}

// custodyState passes on that the key custody was lost, or is there again. Members keep their keys, and traffic goes on; new
// keys, registrations and rekeys wait, or another key server does them.
func (n *KeyServer) custodyState(now machine.Now, ev machine.CustodyState, out machine.Effects) machine.Effects {
	switch was := n.custody; {
	case ev.Problem != "" && was == "":
		out = append(out, machine.Note{Name: gdoi.NoteCustodyLost, Severity: machine.Error, Reason: "custody", Text: "the key custody is gone: " + ev.Problem + "; keys that members have go on, and nothing new is made here until it is back"})
	case ev.Problem == "" && was != "":
		out = append(out, machine.Note{Name: gdoi.NoteCustodyBack, Severity: machine.Info, Text: "the key custody is there again"})
	}
	n.custody = ev.Problem
	for _, g := range n.living() {
		out = g.CustodyState(now, ev, out)
	}
	for _, k := range n.cells {
		out = k.Custody(now, ev.Problem, out)
	}
	return out
}

// KEKNames lists the KEKs of the custody that are in use, by their names there, those among them that records of groups
// name which are not configured. What else the custody had when this is asked, after the first Step, belongs to nobody: a
// crash has left it behind.
func (n *KeyServer) KEKNames() []string {
	var out []string
	for _, g := range n.living() {
		out = append(out, g.KEKNames()...)
	}
	for _, records := range n.orphans {
		for _, r := range records {
			if spi, ok := strings.CutPrefix(r.Key, "kek/"); ok {
				out = append(out, keyserver.KEKName(spi))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
