package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	cooplink "github.com/getvpn/getvpn/gdoi/coop/link"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// cell is the cooperation over one group.
type cell struct {
	*coop.Cell
	group   *keyserver.Group
	primary bool // as the node last saw it
}

// newCell joins the other key servers of a group.
func (n *KeyServer) newCell(now machine.Now, g *keyserver.Group, cfg *keyserver.Config, stored []machine.Record, out machine.Effects) machine.Effects {
	c := n.cfg.Coop
	if c == nil {
		return out
	}
	conf := coop.Config{
		Name: g.Name(), Group: string(g.ID()), ID: c.ID, Addr: n.cfg.Local, Priority: c.priority(g.Name()), Timers: c.Timers, Split: c.Split,
		Software: c.Software, Key: g.AnnouncedKey(), Transport: cfg.Transport,
	}
	for _, p := range n.peers {
		conf.Peers = append(conf.Peers, coop.Peer{ID: p.ID, Addr: p.Addr, Link: p.link})
	}
	has := slices.ContainsFunc(stored, func(r machine.Record) bool { return r.Bucket == keyserver.Bucket(g.Name()) })
	k := &cell{Cell: coop.New(n.env, conf, g, stored, has), group: g}
	n.cells = append(n.cells, k)
	out = k.Custody(now, n.custody, out)
	out = k.Start(now, out)
	for _, p := range n.peers {
		if p.link.Up() { // the group is new, and the key server is not
			out = k.Connected(now, p.ID, out)
		}
	}
	return out
}

// cell is that of a group; nil: this key server is alone, or there is no group.
func (n *KeyServer) cell(g *keyserver.Group) *cell {
	for _, k := range n.cells {
		if k.group == g {
			return k
		}
	}
	return nil
}

// dropCell ends the cooperation over a group.
func (n *KeyServer) dropCell(g *keyserver.Group, out machine.Effects) machine.Effects {
	if n.cell(g) == nil {
		return out
	}
	n.cells = slices.DeleteFunc(n.cells, func(k *cell) bool { return k.group == g })
	n.writes = slices.DeleteFunc(n.writes, func(w *unanswered) bool { return w.cell.group == g })
	return append(out, machine.Persist{ID: n.env.NextPersist(), Records: []machine.Record{coop.Forget(g.Name())}})
}

// fromPeer takes what a peer's link has received.
func (n *KeyServer) fromPeer(now machine.Now, id coop.ID, r cooplink.Received, out machine.Effects) machine.Effects {
	if r.Kind == cooplink.Restarted {
		for _, k := range n.cells {
			out = k.Restarted(now, id, out)
		}
		return out
	}
	defer clear(r.Body)
	if len(n.cells) == 0 {
		return out // not in a group yet, or any more
	}
	remote := n.peer(id).Addr
	group, _, err := coop.GroupOf(r.Body)
	if err != nil {
		return n.drops.drop(now, gdoi.DropMalformed, remote, err.Error(), out)
	}
	for _, k := range n.cells {
		if string(k.group.ID()) != group {
			continue
		}
		if out, err = k.Receive(now, id, r.Body, r.Kind == cooplink.Announcement, r.WantReply, r.Seq, out); err != nil {
			return n.drops.drop(now, gdoi.DropMalformed, remote, fmt.Sprintf("from key server %d: %v", id, err), out)
		}
		return out
	}
	return n.drops.drop(now, gdoi.DropUnknownGroup, remote, fmt.Sprintf("key server %d speaks of a group that is not here", id), out)
}

// peerConnected tells the groups that there is a way to a key server.
func (n *KeyServer) peerConnected(now machine.Now, id coop.ID, out machine.Effects) machine.Effects {
	for _, k := range n.cells {
		out = k.Connected(now, id, out)
	}
	return out
}

// wake is the first thing in a step: who did not run for a while must not act as if nothing had happened.
func (n *KeyServer) wake(now machine.Now, out machine.Effects) machine.Effects {
	for _, k := range n.cells {
		out = k.Woken(now, out)
	}
	return out
}

// coopDeadline is when coopTimeout wants to be called.
func (n *KeyServer) coopDeadline() (machine.Instant, bool) {
	var d machine.Next
	for _, k := range n.cells {
		d.Add(k.Deadline())
	}
	d.Add(n.writesDeadline())
	for _, h := range n.held {
		d.Add(h.until, true)
	}
	for _, a := range n.asked {
		d.Add(a.until, true)
	}
	return d.At, d.OK
}

func (n *KeyServer) coopTimeout(now machine.Now, out machine.Effects) machine.Effects {
	for _, k := range n.cells {
		if at, ok := k.Deadline(); ok && at <= now.Mono {
			out = k.Timeout(now, out)
		}
	}
	return n.lateWrites(now, out)
}

// passOn is the last thing in a step: what groups have changed goes to the other key servers, and what waited for them to
// members.
func (n *KeyServer) passOn(now machine.Now, out machine.Effects) machine.Effects {
	for _, k := range n.cells {
		out = k.Pump(now, out)
		was := k.primary
		if k.primary = k.group.Active(); k.primary && !was {
			// As secondary it had no say in who is revoked.
			out, _ = n.excludeRevoked(now, out)
			out = k.Pump(now, out)
		}
	}
	out = n.release(now, out)
	out = n.confirmed(now, out)
	for _, p := range n.peers {
		// A key server that nobody reaches gets all anew when it is back.
		if heard, ok := p.link.Heard(); ok && p.link.Queued() > 0 && now.Mono.Sub(heard) > p.timers.Detection() && !n.anybodyHears(p.ID) {
			p.link.Abandon()
			for _, k := range n.cells {
				k.Abandoned(p.ID)
			}
		}
	}
	return out
}

func (n *KeyServer) anybodyHears(id coop.ID) bool {
	return slices.ContainsFunc(n.cells, func(k *cell) bool { return k.Live(id) })
}

// notPrimary says where a command belongs that only the primary takes; empty: here.
func (n *KeyServer) notPrimary(group string) string {
	if k := n.cell(n.group(group)); k != nil && k.Role() != coop.Primary {
		return k.Elsewhere()
	}
	return ""
}

// primaryOnly is the number and group of a command that only the primary takes.
func primaryOnly(ev machine.Event) (id uint64, group string) {
	switch c := ev.(type) {
	case gdoi.CmdRekey:
		return c.ID, c.Group
	case gdoi.CmdClearMember:
		return c.ID, c.Group
	case gdoi.CmdRemoveMember:
		return c.ID, c.Group
	case gdoi.CmdReadmit:
		return c.ID, c.Group
	case gdoi.CmdClearMembers:
		return c.ID, c.Group
	}
	return 0, ""
}

// shared is a group's configuration with what the node adds to it.
func (n *KeyServer) shared(c keyserver.Config) keyserver.Config {
	c.SPIInUse = n.spiInUse
	c.SignKeyInUse = func(key string) bool { return n.SignsWith(c.Name, key) }
	if n.cfg.Coop != nil {
		c.Coop = n.cfg.Coop.cooperation()
	}
	return c
}

// handover carries out the command.
func (n *KeyServer) handover(now machine.Now, c gdoi.CmdHandover, out machine.Effects) machine.Effects {
	g := n.group(c.Group)
	if g == nil {
		return append(out, noGroup(c.ID, c.Group))
	}
	k := n.cell(g)
	if k == nil {
		return append(out, gdoi.CommandResult{ID: c.ID, Err: nobodyElse})
	}
	return k.Handover(now, c.To, c.ID, out)
}

// retryAfter is what a member is told that came before there is a primary.
func (n *KeyServer) retryAfter() time.Duration {
	if c := n.cfg.Coop; c != nil && c.Timers.WithDefaults().Announce < time.Second {
		return 300 * time.Millisecond
	}
	return time.Second
}

// coopInfo is a group's cooperation for operators.
func (n *KeyServer) coopInfo(now machine.Now, g *keyserver.Group) *coop.Info {
	k := n.cell(g)
	if k == nil {
		return nil
	}
	info := k.Info(now)
	for i := range info.Peers {
		pi := &info.Peers[i]
		p := n.peer(pi.ID)
		if state := p.state(now); state < coop.LinkUp {
			pi.Link = state
		}
		s := p.link.Stats(now)
		pi.IKE = p.ike()
		pi.SendSeq, pi.RecvSeq, pi.Drops, pi.BytesSent, pi.BytesRecv = s.SendSeq, s.RecvSeq, s.Drops, s.BytesSent, s.BytesRecv
		pi.AnnSent, pi.AnnSentReply, pi.AnnRecv, pi.AnnRecvReply = s.AnnSent, s.AnnSentReply, s.AnnRecv, s.AnnRecvReply
		pi.Retransmits, pi.Queue, pi.RTT, pi.ClockOffset = s.Retransmits, s.Queue, s.RTT, s.ClockOffset
	}
	return &info
}
