package coop

import (
	"fmt"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// rejoinDelay is the wait before a secondary that cannot take the state tries again.
const rejoinDelay = 5 * time.Second

// follow is a secondary's stream from its primary.
type follow struct {
	of     ID
	asked  bool   // Join is on its way
	joined bool   // all has come since
	at     uint64 // changes up to this one have been applied
	// joinN is the last of the reports that were made with the Join, reported the last that was sent.
	joinN, reported uint64
	writes          []write
	again           machine.Timer
	refused         string // why the state could not be taken
	tries           int
}

// write is a change on its way to the disk.
type write struct {
	id      machine.PersistID
	version Version
	done    bool
}

// join asks the primary for its state, and hands over what it may not have.
func (c *Cell) join(now machine.Now, out machine.Effects) machine.Effects {
	f := &c.follow
	p := c.peer(c.primary)
	f.again.Due(now.Mono) // stops it
	if f.asked || p == nil || !c.mutual(p) || p.status.Role != Primary {
		return out
	}
	if _, armed := f.again.Deadline(); armed {
		return out
	}
	if _, ok := p.Link.Ahead(now); !ok {
		f.again.Set(now.Mono.Add(c.cfg.Timers.Query)) // its clock is not known yet
		return out
	}
	m := &Join{Term: c.term, Have: c.has}
	if c.has.Term != c.term || c.joinedTerm != c.term || c.joinedAsk != p.status.Ask {
		m.Records = c.group.Since(now, 0)
	}
	reports, n := c.group.Reports(now)
	WipeRecords(reports)
	f.of, f.asked, f.joined, f.joinN, f.reported = p.ID, true, false, n, n
	if m.Records == nil {
		f.joinN, f.reported = 0, 0
	}
	out = c.send(now, p, m, out)
	WipeRecords(m.Records)
	return out
}

// takeState takes what the primary sends.
func (c *Cell) takeState(now machine.Now, p *peer, m *State, out machine.Effects) machine.Effects {
	defer WipeRecords(m.Records)
	f := &c.follow
	if c.role == Primary || p.ID != c.primary || m.Term != c.term || !f.asked || !m.Full && !f.joined {
		return out // of a past that is over
	}
	if !m.Full && m.From != f.at {
		return c.rejoin(now, fmt.Sprintf("changes after %d came, but %d is the last one here", m.From, f.at), 0, out)
	}
	ahead, ok := p.Link.Ahead(now)
	if !ok {
		return c.rejoin(now, "the primary's clock is not known", c.cfg.Timers.Query, out)
	}
	out, id, err := c.group.Apply(now, ahead, m.Records, m.Full, out)
	if err != nil {
		f.tries++
		f.refused = printable(err.Error(), maxWhy)
		out = append(out, c.peerNote(p, gdoi.NoteCoopBlocked, machine.Error, "the primary's state cannot be taken: "+f.refused))
		out = c.send(now, p, &Broken{Term: c.term, Why: f.refused}, out)
		return c.rejoin(now, f.refused, rejoinDelay<<min(f.tries-1, 4), out)
	}
	if m.Full {
		f.joined, f.refused, f.tries = true, "", 0
		c.joinedTerm, c.joinedAsk = c.term, p.status.Ask
		if f.joinN > 0 {
			c.reportedUpTo(f.joinN)
		}
	}
	f.at = m.To
	f.writes = append(f.writes, write{id: id, version: Version{m.Term, m.To}, done: id == 0})
	return c.advance(now, p, out)
}

// rejoin begins anew, after a while.
func (c *Cell) rejoin(now machine.Now, why string, after time.Duration, out machine.Effects) machine.Effects {
	tries := c.follow.tries
	c.follow = follow{of: c.primary, refused: why, tries: tries}
	c.follow.again.Set(now.Mono.Add(after))
	return out
}

// applied takes the answer of the disk to a change; false: there was none with this number.
func (c *Cell) applied(now machine.Now, ev machine.Persisted, out machine.Effects) (machine.Effects, bool) {
	f := &c.follow
	for i := range f.writes {
		if f.writes[i].id != ev.ID {
			continue
		}
		p := c.peer(f.of)
		if ev.Err != nil {
			if p != nil {
				out = c.send(now, p, &Broken{Term: c.term, Why: "the store does not take it: " + ev.Err.Error()}, out)
			}
			return c.rejoin(now, "the store does not take the state", rejoinDelay, out), true
		}
		f.writes[i].done = true
		return c.advance(now, p, out), true
	}
	return out, false
}

// advance tells the primary how far this disk is.
func (c *Cell) advance(now machine.Now, p *peer, out machine.Effects) machine.Effects {
	f := &c.follow
	n := 0
	for n < len(f.writes) && f.writes[n].done {
		n++
	}
	if n == 0 || p == nil {
		return out
	}
	was := c.has.Term
	c.has = f.writes[n-1].version
	f.writes = append(f.writes[:0:0], f.writes[n:]...)
	if c.has.Term != was && c.writing == 0 {
		c.writing = c.env.NextPersist()
		out = append(out, machine.Persist{ID: c.writing, Records: []machine.Record{c.record(c.highest, c.has.Term)}})
	}
	return c.send(now, p, &Have{c.has}, out)
}

// report tells the primary what this secondary did by itself.
func (c *Cell) report(now machine.Now, out machine.Effects) machine.Effects {
	f := &c.follow
	p := c.peer(c.primary)
	if !f.joined || p == nil {
		return out
	}
	records, n := c.group.Reports(now)
	if n > f.reported && len(records) > 0 {
		f.reported = n
		out = c.send(now, p, &Report{Term: c.term, N: n, Records: records}, out)
	}
	WipeRecords(records)
	return out
}

func (c *Cell) reportedUpTo(n uint64) {
	c.group.Reported(n)
	c.confirmed = max(c.confirmed, n)
}

// inStep says that the group has what the primary has.
func (c *Cell) inStep() bool {
	return c.role == Secondary && c.primary != 0 && c.follow.joined && c.has.Term == c.term
}

// judgeReady decides whether members are registered here.
func (c *Cell) judgeReady(now machine.Now, out machine.Effects) machine.Effects {
	if c.role == Primary {
		why := c.flawed()
		c.setReady(why == "", why)
		return out
	}
	p := c.peer(c.primary)
	why := ""
	switch {
	case c.candidacy != 0:
		why = "becoming primary"
	case p == nil && c.claimed() != 0:
		why = fmt.Sprintf("key server %d, which is primary, is out of reach", c.claimed())
	case p == nil:
		why = "there is no primary key server"
	case c.former != c.digest:
		why = fmt.Sprintf("the policy here is not that of key server %d, which is primary", p.ID)
		out = c.showDiff(out)
	case !c.mutual(p) && !c.follow.joined:
		why = fmt.Sprintf("key server %d, which is primary, does not hear of this one", p.ID)
	case c.follow.refused != "":
		why = c.follow.refused
	case c.inStep() && c.flawed() != "":
		why = c.flawed()
	case !c.inStep():
		why = fmt.Sprintf("the state of key server %d, which is primary, is on its way", p.ID)
	}
	if c.former == c.digest {
		c.diff = nil
	}
	was := c.ready
	c.setReady(why == "", why)
	switch {
	case c.ready && !was:
		out = append(out, c.note(gdoi.NoteCoopSynced, machine.Info, fmt.Sprintf("has all that key server %d has; members are registered here", c.primary)))
	case !c.ready && was:
		out = append(out, c.note(gdoi.NoteCoopBlocked, machine.Warning, "members are not registered here: "+why))
	}
	return out
}

func (c *Cell) setReady(ready bool, why string) {
	if c.readySet && c.ready == ready && c.why == why {
		return
	}
	c.ready, c.why, c.readySet = ready, why, true
	c.group.SetReady(ready, why)
}

// showDiff says once how the policy here differs from the primary's.
func (c *Cell) showDiff(out machine.Effects) machine.Effects {
	p, ours := c.peer(c.primary), c.digest
	if p == nil || p.policy.Digest != c.former || c.diff != nil && c.diffOf == ours {
		return out
	}
	c.diff, c.diffOf = diffLines(p.policy.Lines, c.group.PolicyText()), ours
	return append(out, c.note(gdoi.NoteCoopPolicy, machine.Error,
		fmt.Sprintf("the policy here differs from that of key server %d: %s", c.primary, strings.Join(c.diff[:min(len(c.diff), 20)], "; "))))
}
