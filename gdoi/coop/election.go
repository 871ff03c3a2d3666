package coop

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// decide settles who is primary, as far as this key server can tell.
func (c *Cell) decide(now machine.Now, out machine.Effects) machine.Effects {
	if c.role == Primary {
		r := c.rival()
		if r == nil {
			return out
		}
		out = c.stepDown(now, r.ID, "merge", fmt.Sprintf("key server %d is primary too, and comes first", r.ID), out)
	}
	if l := c.leader(); l != nil {
		c.abandonCandidacy()
		c.open = never
		if c.primary == l.ID && (c.term == l.status.Term || !l.known) {
			return out
		}
		return c.obey(now, l, out)
	}
	if c.primary != 0 {
		out = c.vacate(now, "left", out)
	}
	c.waited = c.led || now.Mono >= c.patient
	switch {
	case !c.invited() && (c.claimed() != 0 || !c.waited && !c.allHeard()):
		c.open = never
	case c.open == never:
		c.open = now.Mono
	}
	if at, ok := c.electionAt(); ok && c.open != never && at <= now.Mono && c.candidacy == 0 {
		out = c.stand(now, out)
	}
	return out
}

// before orders primaries that meet: priority first, then the address.
func before(p, q int, a, b *Peer) bool {
	return cmp.Or(cmp.Compare(p, q), a.Addr.Addr().Compare(b.Addr.Addr()), cmp.Compare(a.Addr.Port(), b.Addr.Port())) > 0
}

func (c *Cell) self() *Peer { return &Peer{ID: c.cfg.ID, Addr: c.cfg.Addr} }

// rival is another primary that hears of this one, and comes before it; nil: none.
func (c *Cell) rival() *peer {
	for _, p := range c.peers {
		if c.mutual(p) && p.status.Role == Primary && before(int(p.status.Priority), c.cfg.Priority, &p.Peer, c.self()) {
			return p
		}
	}
	return nil
}

// leader is the primary to follow: the one that is followed, while it lives and is primary, or else the first of those that
// are heard of.
func (c *Cell) leader() (best *peer) {
	if p := c.peer(c.primary); p != nil && p.live && (!p.known || p.status.Role == Primary) {
		return p
	}
	for _, p := range c.peers {
		if !p.live || !p.known || p.status.Role != Primary {
			continue
		}
		if best == nil || c.mutual(p) && !c.mutual(best) ||
			c.mutual(p) == c.mutual(best) && before(int(p.status.Priority), int(best.status.Priority), &p.Peer, &best.Peer) {
			best = p
		}
	}
	return best
}

// claimed is a primary that is out of reach here, but that a key server in reach follows; zero: there is none.
func (c *Cell) claimed() ID {
	for _, p := range c.peers {
		if to := p.status.Primary; p.live && p.known && to != 0 && to != c.cfg.ID && to != p.ID && p.status.Sees.has(to) {
			return to
		}
	}
	return 0
}

// invited says that the last primary has handed over to this key server.
func (c *Cell) invited() bool {
	return c.reason == "handover" || slices.ContainsFunc(c.peers, func(p *peer) bool {
		return p.ID == c.last && p.live && p.known && p.status.Role == Secondary && p.status.Primary == c.cfg.ID && p.status.Term == c.term
	})
}

// allHeard says that nobody is missing.
func (c *Cell) allHeard() bool {
	for _, p := range c.peers {
		if !c.mutual(p) {
			return false
		}
	}
	return true
}

// electionAt is when this key server would make itself primary. The first in order does at once. The others wait, longer
// the later they come, in case that those before them do not.
func (c *Cell) electionAt() (machine.Instant, bool) {
	switch {
	case c.handover != nil && c.handover.done:
		return 0, false
	case c.open == never:
		return c.patient, !c.led && !c.waited
	}
	mine, place := c.status(), 0
	for _, p := range c.peers {
		if c.mutual(p) && c.outranks(p, &mine) && !c.invited() {
			place++
		}
	}
	return c.open.Add(time.Duration(place) * max(c.cfg.Timers.Detection(), minPatience)), true
}

// outranks says whether a peer comes before us in an election: those that may serve this policy, of these the ones with the
// newest state, then by priority and address.
func (c *Cell) outranks(p *peer, mine *Status) bool {
	s := &p.status
	if s.Eligible != mine.Eligible {
		return s.Eligible
	}
	if s.Has.Term != mine.Has.Term {
		return s.Has.Term > mine.Has.Term
	}
	return before(int(s.Priority), c.cfg.Priority, &p.Peer, c.self())
}

// eligible says that others may elect this key server: its disk takes what it writes, its key custody is there and has the
// keys, and its policy is that of the last primary.
func (c *Cell) eligible() bool {
	return !c.unwritten && c.trusted() && (!c.followed || c.former == c.digest)
}

// begin makes this key server primary.
func (c *Cell) begin(now machine.Now, out machine.Effects) machine.Effects {
	reason := cmp.Or(c.reason, "elected")
	if n := len(c.peers) - len(c.seen().IDs()); n > 0 && c.led && n > 1 {
		reason = "split"
	}
	c.role, c.term, c.candidacy, c.primary, c.reason = Primary, c.candidacy, 0, c.cfg.ID, ""
	c.led, c.since, c.follow, c.diff, c.followed = true, now.Wall, follow{}, nil, false
	c.joinedTerm, c.replica = 0, replica{}
	for _, p := range c.peers {
		p.unjoin()
	}
	text := fmt.Sprintf("this key server is primary in term %d", termNumber(c.term))
	c.elected(now, reason, text)
	out = append(out, c.note(gdoi.NoteCoopRole, machine.Info, text, machine.F("role", Primary.String()), machine.F("reason", reason)))
	out = c.group.TakeOver(now, c.term, out)
	c.has = Version{c.term, c.group.Head()}
	return out
}

// stepDown makes a primary secondary.
func (c *Cell) stepDown(now machine.Now, to ID, reason, text string, out machine.Effects) machine.Effects {
	c.has = Version{c.term, c.group.Head()}
	c.role, c.last, c.primary, c.vacant, c.open, c.led = Secondary, 0, 0, now.Mono, never, true
	c.replica = replica{}
	for _, p := range c.peers {
		p.unjoin()
	}
	c.elected(now, reason, text)
	fields := []machine.Field{machine.F("role", Secondary.String()), machine.F("reason", reason)}
	if to != 0 {
		fields = append(fields, machine.F("primary", fmt.Sprint(to)))
	}
	out = append(out, c.note(gdoi.NoteCoopRole, machine.Warning, text, fields...))
	return c.group.StandDown(now, out)
}

// obey follows another primary.
func (c *Cell) obey(now machine.Now, p *peer, out machine.Effects) machine.Effects {
	c.primary, c.term, c.led, c.since = p.ID, p.status.Term, true, now.Wall
	c.highest = max(c.highest, c.term)
	c.follow = follow{of: p.ID}
	c.reason = ""
	c.former, c.followed = p.status.Digest, true
	text := fmt.Sprintf("key server %d is primary in term %d", p.ID, termNumber(c.term))
	c.elected(now, "follows", text)
	out = append(out, c.peerNote(p, gdoi.NoteCoopPrimary, machine.Info, text, machine.F("primary", fmt.Sprint(p.ID))))
	if h := c.handover; h != nil {
		c.handover = nil
		out = h.answer(gdoi.CommandResult{ID: h.cmd, Text: text}, out)
	}
	return out
}

// vacate: the primary is no more.
func (c *Cell) vacate(now machine.Now, reason string, out machine.Effects) machine.Effects {
	text := fmt.Sprintf("key server %d is not primary any more", c.primary)
	if reason == "dead" {
		text = fmt.Sprintf("key server %d, which was primary, is out of reach", c.primary)
	}
	c.last, c.primary, c.vacant, c.open, c.reason = c.primary, 0, now.Mono, never, reason
	c.follow = follow{}
	c.elected(now, reason, text)
	return append(out, c.note(gdoi.NoteCoopPrimary, machine.Warning, text, machine.F("primary", "none")))
}

// elected keeps the history.
func (c *Cell) elected(now machine.Now, reason, text string) {
	if len(c.history) == maxHistory {
		c.history = append(c.history[:0:0], c.history[1:]...)
	}
	c.history = append(c.history, Election{At: now.Wall, Term: termNumber(c.term), Primary: c.primary, Reason: reason, Text: text})
}
