package node

import (
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// askedCommand is a command that waits until all other key servers have said that they are there. Where key servers that
// cannot reach each other go on with the same keys, keys out of turn need all of them; and that nobody is missed yet does
// not mean that all are there.
type askedCommand struct {
	cell         *cell
	ev           gdoi.CmdRekey
	since, until machine.Instant
}

// asks is the cooperation in which a command has to wait for that; nil: it does not.
func (n *KeyServer) asks(c gdoi.CmdRekey) *cell {
	k := n.cell(n.group(c.Group))
	if k == nil || k.Role() != coop.Primary || n.cfg.Coop.Split != coop.Continue || len(n.peers) == 0 {
		return nil
	}
	return k
}

func (n *KeyServer) ask(now machine.Now, k *cell, c gdoi.CmdRekey, out machine.Effects) machine.Effects {
	t := n.cfg.Coop.Timers.WithDefaults()
	n.asked = append(n.asked, &askedCommand{k, c, now.Mono, now.Mono.Add(min(t.Query*2, holdPatience))})
	return k.Query(now, out)
}

// confirmed carries out the commands that everybody has heard of in time, and refuses the others.
func (n *KeyServer) confirmed(now machine.Now, out machine.Effects) machine.Effects {
	for _, a := range slices.Clone(n.asked) {
		said := a.cell.AllSaid(a.since)
		if !said && now.Mono < a.until {
			continue
		}
		n.asked = slices.DeleteFunc(n.asked, func(o *askedCommand) bool { return o == a })
		if !said {
			out = append(out, gdoi.CommandResult{ID: a.ev.ID, Err: fmt.Sprintf(
				"group %s: not all key servers answer, and with split %v keys out of turn need all of them; mend the network, or wait for the next scheduled rekey",
				a.ev.Group, coop.Continue)})
			continue
		}
		out = n.command(now, a.ev, out)
		out = a.cell.Pump(now, out)
	}
	return out
}
