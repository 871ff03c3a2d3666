package node

import (
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// membership carries out the commands that take members out of a group, or let them in again.
func (n *KeyServer) membership(now machine.Now, ev machine.Event, out machine.Effects) machine.Effects {
	var id uint64
	var name, text string
	var err error
	switch c := ev.(type) {
	case gdoi.CmdRemoveMember:
		id, name = c.ID, c.Group
		if g := n.group(name); g != nil {
			text, out, err = g.Remove(now, c.Members, c.Now, out)
		}
	case gdoi.CmdReadmit:
		id, name = c.ID, c.Group
		if g := n.group(name); g != nil {
			text, out, err = g.Readmit(now, c.Member, out)
		}
	case gdoi.CmdClearMembers:
		id, name = c.ID, c.Group
		if g := n.group(name); g != nil {
			text, out, err = g.ClearAll(now, c.Now, out)
		}
	}
	switch {
	case n.group(name) == nil:
		return append(out, noGroup(id, name))
	case err != nil:
		return append(out, gdoi.CommandResult{ID: id, Err: err.Error()})
	}
	return append(out, gdoi.CommandResult{ID: id, Text: text})
}
