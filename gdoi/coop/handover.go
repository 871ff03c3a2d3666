package coop

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// handoverPatience is how long the other key server may take to have everything.
const handoverPatience = 5 * time.Second

// handover is an operator's command under way.
type handover struct {
	to    ID
	cmd   uint64
	until machine.Instant
	done  bool // this key server has stood down
}

// answer tells the operator, if it was one.
func (h *handover) answer(r gdoi.CommandResult, out machine.Effects) machine.Effects {
	if h.cmd == 0 {
		return out
	}
	return append(out, r)
}

// Handover makes another key server primary, when it has everything. to is its number or address; empty: the first in order.
func (c *Cell) Handover(now machine.Now, to string, cmd uint64, out machine.Effects) machine.Effects {
	p, err := c.heir(to)
	if err != nil {
		return append(out, gdoi.CommandResult{ID: cmd, Err: err.Error()})
	}
	c.handover = &handover{to: p.ID, cmd: cmd, until: now.Mono.Add(handoverPatience)}
	out = append(out, c.peerNote(p, gdoi.NoteCoopHandover, machine.Info, fmt.Sprintf("an operator makes key server %d primary", p.ID)))
	return c.settle(now, c.watchHandover(now, out))
}

// ForeseeHandover says who would be primary, or why Handover would be refused now.
func (c *Cell) ForeseeHandover(to string) (ID, error) {
	p, err := c.heir(to)
	if err != nil {
		return 0, err
	}
	return p.ID, nil
}

// heir is the key server that can be made primary.
func (c *Cell) heir(to string) (p *peer, _ error) {
	if c.role != Primary {
		return nil, errors.New(c.Elsewhere())
	}
	if c.handover != nil {
		return nil, fmt.Errorf("key server %d is being made primary already", c.handover.to)
	}
	if to == "" {
		if p = c.successor(); p == nil {
			return nil, errors.New("no other key server could be primary now; see the list of peers")
		}
	}
	for _, o := range c.peers {
		if to != "" && (to == fmt.Sprint(o.ID) || to == o.Addr.String() || to == o.Addr.Addr().String()) {
			p = o
		}
	}
	if p == nil {
		return nil, fmt.Errorf("no other key server %q; give its number or address", to)
	}
	if why := c.fit(p); why != "" {
		return nil, fmt.Errorf("key server %d %s", p.ID, why)
	}
	return p, nil
}

// Stored takes note of how the group's disk fares. A primary that cannot write hands over to one that can.
func (c *Cell) Stored(now machine.Now, err error, out machine.Effects) machine.Effects {
	if c.unwritten = err != nil; !c.unwritten || c.role != Primary || c.handover != nil {
		return out
	}
	if p := c.successor(); p != nil {
		c.handover = &handover{to: p.ID, until: now.Mono.Add(handoverPatience)}
		out = append(out, c.peerNote(p, gdoi.NoteCoopHandover, machine.Warning, fmt.Sprintf("the store here fails, so key server %d shall be primary", p.ID)))
	}
	return c.settle(now, out)
}

// Resign is for a key server that stops: another one need not miss it first.
func (c *Cell) Resign(now machine.Now, out machine.Effects) machine.Effects {
	p := c.successor()
	if c.role != Primary || p == nil || p.acked != c.group.Head() {
		return out
	}
	c.handover = &handover{to: p.ID, done: true, until: now.Mono}
	out = c.send(now, p, &Handover{c.term}, out)
	out = c.stepDown(now, p.ID, "handover", fmt.Sprintf("this key server stops, and hands over to key server %d", p.ID), out)
	return c.announceTo(now, nil, false, out)
}

// successor is the one that an election would choose of those that can be primary, but for some; nil: none.
func (c *Cell) successor(not ...ID) (p *peer) {
	for _, o := range c.peers {
		if c.fit(o) == "" && !slices.Contains(not, o.ID) && (p == nil || before(int(o.status.Priority), int(p.status.Priority), &o.Peer, &p.Peer)) {
			p = o
		}
	}
	return p
}

// fit says why a peer cannot be primary; empty: it can.
func (c *Cell) fit(p *peer) string {
	switch {
	case !c.mutual(p):
		return "is out of reach"
	case p.status.Digest != c.digest:
		return "has another policy"
	case !p.status.Eligible:
		return "cannot be primary; see there"
	case !p.joined || !p.has:
		return "is not in step"
	}
	return ""
}

// watchHandover stands down when the other one has everything.
func (c *Cell) watchHandover(now machine.Now, out machine.Effects) machine.Effects {
	h := c.handover
	if h == nil {
		return out
	}
	p := c.peer(h.to)
	failed := func(text string) machine.Effects {
		c.handover = nil
		return h.answer(gdoi.CommandResult{ID: h.cmd, Err: text}, out)
	}
	switch {
	case h.done:
		if now.Mono < h.until && p.live {
			return out
		}
		return failed(fmt.Sprintf("key server %d did not take over", h.to))
	case c.role != Primary:
		return failed("this key server is not primary any more")
	case c.fit(p) != "":
		return failed(fmt.Sprintf("key server %d %s", h.to, c.fit(p)))
	case p.acked == c.group.Head():
		h.done, h.until = true, now.Mono.Add(max(c.cfg.Timers.Detection(), minPatience))
		out = c.send(now, p, &Handover{c.term}, out)
		return c.stepDown(now, h.to, "handover", fmt.Sprintf("handed over to key server %d", h.to), out)
	case now.Mono >= h.until:
		return failed(fmt.Sprintf("key server %d does not take what it is sent", h.to))
	}
	return out
}

// takeHandover makes this key server primary because the primary says so.
func (c *Cell) takeHandover(now machine.Now, p *peer, m *Handover, out machine.Effects) machine.Effects {
	if c.role == Primary || m.Term != c.term || c.primary != 0 && c.primary != p.ID || c.has.Term != c.term || !c.eligible() || c.candidacy != 0 {
		return out
	}
	if c.primary != 0 {
		p.status.Role, p.status.Primary = Secondary, c.cfg.ID // what its next announcement says
		out = c.vacate(now, "handover", out)
	}
	c.reason = "handover"
	return c.stand(now, out)
}

// Elsewhere says where a command belongs.
func (c *Cell) Elsewhere() string {
	id, addr := c.Primary()
	if id == 0 {
		return fmt.Sprintf("group %s has no primary key server at the moment; try again", c.cfg.Name)
	}
	return fmt.Sprintf("this key server is secondary in group %s; key server %d at %s, which is primary, takes this command", c.cfg.Name, id, strings.TrimSuffix(addr.String(), ":848"))
}
