package node

import (
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// membership carries out the commands that take members out of a group, or let them in again.
func (n *KeyServer) membership(now machine.Now, ev machine.Event, out machine.Effects) machine.Effects {
	if c, ok := ev.(gdoi.CmdRemoveMember); ok {
		if g := n.group(c.Group); g != nil {
			return n.removal(now, g, c, out)
		}
	}
	var id uint64
	var name, text string
	var err error
	switch c := ev.(type) {
	case gdoi.CmdRemoveMember:
		id, name = c.ID, c.Group
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

// removal waits for the next KEK, which those who stay get by what the removed cannot read. It is carried out, or refused,
// when the key custody has answered.
func (n *KeyServer) removal(now machine.Now, g *keyserver.Group, c gdoi.CmdRemoveMember, out machine.Effects) machine.Effects {
	return g.WithNextKEK(now, func(now machine.Now, err error, out machine.Effects) machine.Effects {
		var text string
		if err == nil {
			text, out, err = g.Remove(now, c.Members, c.Now, out)
		}
		if err != nil {
			return append(out, gdoi.CommandResult{ID: c.ID, Err: err.Error()})
		}
		return append(out, gdoi.CommandResult{ID: c.ID, Text: text})
	}, out)
}
