package coop

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// joinPatience is how long a primary waits with its rekeys for a key server that follows it and has not joined yet.
const joinPatience = 10 * time.Second

// laterDelay is when a secondary is told to join again whose state could not be taken yet.
const laterDelay = time.Second

// ErrLater is what Group.Merge wraps when it can take a state, but not now; nothing has changed.
var ErrLater = errors.New("coop: not now")

// replica is a primary's view of all its secondaries.
type replica struct {
	told    bool   // the group knows
	all     uint64 // changes that all whom it waits for have; MaxUint64: there is nobody to wait for
	head    uint64 // of the group, when it was told
	inStep  int
	counted bool
	check   machine.Timer
}

// confirmation is a report that is being written.
type confirmation struct {
	id machine.PersistID
	n  uint64
}

// unjoin forgets a secondary's stream.
func (p *peer) unjoin() {
	p.joined, p.has, p.sent, p.acked, p.broken, p.following, p.rejoined = false, false, 0, 0, false, false, 0
	p.confirms = nil
	p.later.Stop()
}

// askAgain has a secondary join whose state could not be taken when it did.
func (c *Cell) askAgain(now machine.Now, p *peer, out machine.Effects) machine.Effects {
	if !p.later.Due(now.Mono) || c.role != Primary {
		return out
	}
	return c.send(now, p, &Rejoin{c.term}, out)
}

// replicate passes changes on: from the primary to the others, or reports to the primary.
func (c *Cell) replicate(now machine.Now, out machine.Effects) machine.Effects {
	if c.role == Secondary {
		if c.primary != 0 {
			out = c.join(now, out)
			out = c.report(now, out)
		}
		n := 0
		for _, p := range c.peers {
			if c.inStep() && p.live && p.status.Ready {
				n++
			}
		}
		c.setInStep(now, n)
		return out
	}
	head := c.group.Head()
	c.has = Version{c.term, head}
	for _, p := range c.peers {
		if p.joined && p.sent < head {
			out = c.sendState(now, p, !c.group.Reaches(p.sent), out)
		}
	}
	return c.barrier(now, head, out)
}

// sendState sends everything, or what has changed.
func (c *Cell) sendState(now machine.Now, p *peer, full bool, out machine.Effects) machine.Effects {
	m := &State{Term: c.term, From: p.sent, To: c.group.Head(), Full: full}
	if full {
		m.From = 0
	}
	m.Records = c.group.Since(now, m.From)
	p.sent = m.To
	out = c.send(now, p, m, out)
	WipeRecords(m.Records)
	return out
}

// barrier tells the group what all live secondaries have.
func (c *Cell) barrier(now machine.Now, head uint64, out machine.Effects) machine.Effects {
	r := &c.replica
	all, inStep := uint64(math.MaxUint64), 0
	r.check.Stop()
	for _, p := range c.peers {
		follows := p.live && p.known && p.status.Role == Secondary && p.status.Primary == c.cfg.ID
		if follows && !p.following {
			p.follows = now.Mono
		}
		p.following = follows
		switch {
		case !p.live || p.broken:
		case p.joined && p.has:
			all = min(all, p.acked)
			inStep++
		case follows && c.mutual(p) && now.Mono < p.follows.Add(joinPatience):
			all = 0
			r.check = earlier(r.check, p.follows.Add(joinPatience))
		}
	}
	c.setInStep(now, inStep)
	if r.told && r.all == all && r.head == head {
		return out
	}
	r.told, r.all, r.head = true, all, head
	return c.group.Replicated(now, all, out)
}

func earlier(t machine.Timer, at machine.Instant) machine.Timer {
	if was, ok := t.Deadline(); !ok || at < was {
		t.Set(at)
	}
	return t
}

func (c *Cell) setInStep(now machine.Now, n int) {
	if !c.replica.counted || c.replica.inStep != n {
		c.replica.counted, c.replica.inStep = true, n
		c.group.SetInStep(now, n)
	}
}

// takeJoin takes up a secondary: what it has is united with ours, and it gets everything.
func (c *Cell) takeJoin(now machine.Now, p *peer, m *Join, out machine.Effects) machine.Effects {
	defer WipeRecords(m.Records)
	if c.role != Primary || m.Term != c.term {
		return out // it will find out
	}
	ahead, ok := p.Link.Ahead(now)
	if !ok {
		return c.tellRejoin(now, p, out)
	}
	if len(m.Records) > 0 {
		var err error
		if _, out, err = c.group.Merge(now, ahead, p.ID, m.Records, out); errors.Is(err, ErrLater) {
			p.later.Set(now.Mono.Add(laterDelay))
			return out
		} else if err != nil {
			out = append(out, c.peerNote(p, gdoi.NoteCoopMerge, machine.Error, "its state is of no use here, and it gets ours: "+err.Error()))
		}
	}
	p.joined, p.has, p.broken, p.sent, p.acked, p.rejoined = true, false, false, 0, 0, now.Mono
	p.confirms = nil
	return c.sendState(now, p, true, out)
}

// tellRejoin tells a secondary that believes itself in step to join.
func (c *Cell) tellRejoin(now machine.Now, p *peer, out machine.Effects) machine.Effects {
	if p.rejoined != 0 && now.Mono.Sub(p.rejoined) < max(c.cfg.Timers.Query, time.Second) {
		return out
	}
	p.rejoined = now.Mono
	return c.send(now, p, &Rejoin{c.term}, out)
}

// takeReport takes what a secondary did into the group, and confirms it when it is on the disk.
func (c *Cell) takeReport(now machine.Now, p *peer, m *Report, out machine.Effects) machine.Effects {
	defer WipeRecords(m.Records)
	if c.role != Primary || m.Term != c.term {
		return out
	}
	ahead, ok := p.Link.Ahead(now)
	if !p.joined || !ok {
		return c.tellRejoin(now, p, out)
	}
	from := len(out)
	out, err := c.group.Adopt(now, ahead, p.ID, m.Records, out)
	if err != nil {
		out = append(out, c.peerNote(p, gdoi.NoteRegisterFailed, machine.Warning, "what it reports cannot be taken: "+err.Error()))
	}
	id := machine.PersistID(0)
	for _, e := range out[from:] {
		if e, ok := e.(machine.Persist); ok {
			id = e.ID
		}
	}
	if id == 0 {
		return c.send(now, p, &Reported{m.Term, m.N}, out)
	}
	p.confirms = append(p.confirms, confirmation{id, m.N})
	return out
}

// confirm confirms the reports that a write held.
func (c *Cell) confirm(now machine.Now, ev machine.Persisted, out machine.Effects) (machine.Effects, bool) {
	found := false
	for _, p := range c.peers {
		for i := 0; i < len(p.confirms); i++ {
			if p.confirms[i].id != ev.ID {
				continue
			}
			n := p.confirms[i].n
			p.confirms = append(p.confirms[:i:i], p.confirms[i+1:]...)
			found = true
			if ev.Err == nil {
				out = c.send(now, p, &Reported{c.term, n}, out)
			} else {
				out = c.send(now, p, &Rejoin{c.term}, out)
			}
			break
		}
	}
	return out, found
}

// Mark names what this key server has just done, for Passed.
type Mark struct {
	role Role
	term uint64
	n    uint64
}

// Mark is to be called after a registration.
func (c *Cell) Mark(now machine.Now) Mark {
	if c.role == Primary {
		return Mark{Primary, c.term, c.group.Head()}
	}
	records, n := c.group.Reports(now)
	WipeRecords(records)
	return Mark{Secondary, c.term, n}
}

// Passed says whether another key server has it too, or there is nobody who could.
func (c *Cell) Passed(m Mark) bool {
	switch {
	case c.role == Primary && m.role == Primary && m.term == c.term:
		return c.replica.told && c.replica.all >= m.n
	case c.role == Primary:
		return c.replica.told && c.replica.all >= c.replica.head
	case m.role == Primary:
		return c.inStep()
	default:
		return c.confirmed >= m.n
	}
}

// Waiting names the live peers that have not confirmed, for the journal.
func (c *Cell) Waiting() string {
	if c.role == Secondary {
		return fmt.Sprintf("key server %d, which is primary,", c.primary)
	}
	s := ""
	for _, p := range c.peers {
		if p.live && p.acked < c.replica.head {
			s += fmt.Sprintf(" %d", p.ID)
		}
	}
	return "key servers" + s
}
