package node

import (
	"fmt"
	"net/netip"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/push"
)

// GroupMember is a group member process. It implements machine.Machine.
type GroupMember struct {
	env    *machine.Env
	cfg    GMConfig
	limits Limits
	groups []*member.Group
	links  []*link // one for each key server, in the order of the configuration

	started, stopped bool
	custody          string // why our key custody is gone; empty: it is there
	drops            dropCounter
}

var _ machine.Machine = (*GroupMember)(nil)

// NewGroupMember prepares a member. It has no durable state: a restarted member registers again, and gets new sender
// ids.
func NewGroupMember(env *machine.Env, cfg GMConfig) (*GroupMember, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := &GroupMember{env: env, cfg: cfg, limits: cfg.Limits.withDefaults(), drops: newDropCounter()}
	for _, c := range cfg.Groups {
		g, err := member.New(env, c, n)
		if err != nil {
			return nil, err
		}
		n.groups = append(n.groups, g)
		for _, ks := range c.KeyServers {
			if n.link(ks) == nil {
				n.links = append(n.links, &link{ks: ks})
			}
		}
	}
	return n, nil
}

// Deadline implements machine.Machine.
func (n *GroupMember) Deadline() (machine.Instant, bool) {
	if n.stopped {
		return 0, false
	}
	if !n.started {
		return immediately, true
	}
	var d machine.Next
	for _, g := range n.groups {
		d.Add(g.Deadline())
	}
	for _, l := range n.links {
		if l.session != nil {
			d.Add(l.session.Deadline())
		}
	}
	return d.At, d.OK
}

// Step implements machine.Machine.
func (n *GroupMember) Step(now machine.Now, ev machine.Event, out machine.Effects) machine.Effects {
	if n.stopped {
		return out
	}
	if !n.started {
		n.started = true
		for _, g := range n.groups {
			out = g.Start(now, out)
		}
	}
	switch ev := ev.(type) {
	case machine.Datagram:
		return n.datagram(now, ev, out)
	case machine.Timeout:
		return n.timeout(now, out)
	case machine.Signed:
		return n.phase1Signed(now, ev, out)
	case machine.CustodyState:
		return n.custodyState(now, ev, out)
	case gdoi.DataPlaneReport:
		if g := n.group(ev.Group); g != nil {
			out = g.Report(now, ev, out)
		}
		return out
	default:
		return n.command(now, ev, out)
	}
}

func (n *GroupMember) timeout(now machine.Now, out machine.Effects) machine.Effects {
	for _, l := range n.links {
		if l.session != nil {
			var err error
			out, err = l.session.Timeout(now, out)
			out = n.settle(now, l, err, out)
		}
	}
	for _, g := range n.groups {
		if at, ok := g.Deadline(); ok && at <= now.Mono {
			out = g.Timeout(now, out)
		}
	}
	return n.buryDead(now, out)
}

func (n *GroupMember) command(now machine.Now, ev machine.Event, out machine.Effects) machine.Effects {
	switch c := ev.(type) {
	case gdoi.CmdReregister:
		g := n.group(c.Group)
		if g == nil {
			return append(out, noGroup(c.ID, c.Group))
		}
		text, out := g.Reregister(now, out)
		return append(out, gdoi.CommandResult{ID: c.ID, Text: text})
	case Recertify:
		return n.trust(now, c, out)
	case gdoi.CmdStop:
		return append(n.stop(now, out), gdoi.CommandResult{ID: c.ID, Text: "stopped"})
	case gdoi.CmdRekey:
		return append(out, gdoi.CommandResult{ID: c.ID, Err: "only a key server can rekey"})
	case gdoi.CmdRemoveMember:
		return append(out, gdoi.CommandResult{ID: c.ID, Err: "only a key server has a list of members"})
	case gdoi.CmdReadmit:
		return append(out, gdoi.CommandResult{ID: c.ID, Err: "only a key server has a list of members"})
	case gdoi.CmdClearMembers:
		return append(out, gdoi.CommandResult{ID: c.ID, Err: "only a key server has a list of members"})
	case gdoi.CmdClearMember:
		return append(out, gdoi.CommandResult{ID: c.ID, Err: "only a key server has a list of members"})
	}
	return out
}

// stop takes leave of the key servers and wipes every key.
func (n *GroupMember) stop(now machine.Now, out machine.Effects) machine.Effects {
	n.stopped = true
	for _, l := range n.links {
		if l.session == nil {
			continue
		}
		var farewell []isakmp.Payload
		for _, g := range n.groups {
			farewell = append(farewell, g.Farewell(l.ks)...)
		}
		out = l.session.Delete(now, out, farewell...)
		l.session, l.up = nil, false
	}
	for _, g := range n.groups {
		out = g.Stop(now, out)
	}
	return out
}

func (n *GroupMember) group(name string) *member.Group {
	for _, g := range n.groups {
		if g.Name() == name {
			return g
		}
	}
	return nil
}

func (n *GroupMember) datagram(now machine.Now, ev machine.Datagram, out machine.Effects) machine.Effects {
	h, out, ok := n.drops.header(now, ev, n.limits.Datagram, out)
	if !ok {
		return out
	}
	switch h.Exchange {
	case isakmp.ExchangeGroupkeyPush:
		return n.push(now, push.SPIOf(h), ev, out)
	case isakmp.ExchangeMainMode, isakmp.ExchangeInformational, isakmp.ExchangeGroupkeyPull:
		return n.fromKeyServer(now, h, ev, out)
	case isakmp.ExchangeGroupkeyPushAck:
		return n.drops.drop(now, gdoi.DropNotForUs, ev.Remote, "an acknowledgement is for a key server", out)
	default:
		return n.drops.drop(now, gdoi.DropUnknownExch, ev.Remote, fmt.Sprintf("exchange type %v", h.Exchange), out)
	}
}

// push finds the group by the KEK; who may send it is decided by its signature, not by its source.
func (n *GroupMember) push(now machine.Now, spi gdoi.KEKSPI, ev machine.Datagram, out machine.Effects) machine.Effects {
	for _, g := range n.groups {
		if !g.HoldsKEK(spi) {
			continue
		}
		out, err := g.PushMessage(now, spi, ev, out)
		if err != nil {
			out = n.drops.failed(now, err, ev.Remote, out)
		}
		return out
	}
	for _, g := range n.groups {
		out = g.UnknownKEK(now, spi, ev.Remote, out)
	}
	return n.drops.drop(now, gdoi.DropUnknownKEK, ev.Remote, "no group has a KEK with this SPI", out)
}

func (n *GroupMember) link(ks netip.AddrPort) *link {
	for _, l := range n.links {
		if l.ks == ks {
			return l
		}
	}
	return nil
}
