package node

import (
	"errors"
	"fmt"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Foresight is what is known of a command before it is carried out.
type Foresight = keyserver.Foresight

// errNoCommand is what is no command of an operator.
var errNoCommand = errors.New("node: not a command that can be foreseen")

// Refusals, of commands and of their foresight.
const (
	notMember  = "only a member can register again"
	nobodyElse = "this key server is alone; there is nobody to hand over to"
)

const wouldStop = "all sessions would end in order, and all keys be wiped"

// Foresee says what a command would do, or why it would be refused now. Nothing changes. Reconfigure has Plan.
func (n *KeyServer) Foresee(now machine.Now, ev machine.Event) (Foresight, error) {
	if _, group := primaryOnly(ev); group != "" {
		if text := n.notPrimary(group); text != "" {
			return Foresight{}, errors.New(text)
		}
	}
	var name string
	var see func(*keyserver.Group) (Foresight, error)
	switch c := ev.(type) {
	case gdoi.CmdStop:
		return Foresight{Text: wouldStop + "; what is stored stays"}, nil
	case gdoi.CmdReregister:
		return Foresight{}, errors.New(notMember)
	case gdoi.CmdRekey:
		name, see = c.Group, func(g *keyserver.Group) (Foresight, error) { return n.foreseeRekey(now, g, c) }
	case gdoi.CmdClearMember:
		name, see = c.Group, func(g *keyserver.Group) (Foresight, error) { return g.ForeseeClear(c.Member) }
	case gdoi.CmdRemoveMember:
		name, see = c.Group, func(g *keyserver.Group) (Foresight, error) { return g.ForeseeRemove(now, c.Members, c.Now) }
	case gdoi.CmdReadmit:
		name, see = c.Group, func(g *keyserver.Group) (Foresight, error) { return g.ForeseeReadmit(c.Member) }
	case gdoi.CmdClearMembers:
		name, see = c.Group, func(g *keyserver.Group) (Foresight, error) { return g.ForeseeClearAll(now, c.Now) }
	case gdoi.CmdRotate:
		name, see = c.Group, func(g *keyserver.Group) (Foresight, error) { return g.ForeseeRotate(c.Key) }
	case gdoi.CmdHandover:
		name, see = c.Group, func(g *keyserver.Group) (Foresight, error) { return n.foreseeHandover(g, c) }
	default:
		return Foresight{}, errNoCommand
	}
	g := n.group(name)
	if g == nil {
		return Foresight{}, errors.New(noGroup(0, name).Err)
	}
	return see(g)
}

// foreseeRekey: keys out of turn may take the word of all other key servers, who are not asked before.
func (n *KeyServer) foreseeRekey(now machine.Now, g *keyserver.Group, c gdoi.CmdRekey) (Foresight, error) {
	f, err := g.ForeseeRekey(now, c.KEK)
	if err == nil && n.asks(c) != nil {
		f.Unforeseen = fmt.Sprintf("all other key servers must answer first, as split is %v", coop.Continue)
	}
	return f, err
}

func (n *KeyServer) foreseeHandover(g *keyserver.Group, c gdoi.CmdHandover) (Foresight, error) {
	k := n.cell(g)
	if k == nil {
		return Foresight{}, errors.New(nobodyElse)
	}
	id, err := k.ForeseeHandover(c.To)
	if err != nil {
		return Foresight{}, err
	}
	return Foresight{
		Text:       fmt.Sprintf("key server %d would be primary of group %s, and this one secondary", id, c.Group),
		Unforeseen: fmt.Sprintf("key server %d must take what it has not got yet, and then take over, each within seconds", id),
	}, nil
}

// Foresee says what a command would do, or why it would be refused now. Nothing changes.
func (n *GroupMember) Foresee(_ machine.Now, ev machine.Event) (Foresight, error) {
	switch c := ev.(type) {
	case gdoi.CmdStop:
		return Foresight{Text: wouldStop}, nil
	case gdoi.CmdReregister:
		g := n.group(c.Group)
		if g == nil {
			return Foresight{}, errors.New(noGroup(0, c.Group).Err)
		}
		return Foresight{Text: g.ForeseeReregister()}, nil
	}
	return Foresight{}, errNoCommand
}
