package coop

import (
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// maxFlight is more than any announcement is under way; a peer may claim any time.
const maxFlight = time.Minute

// pseudotime is the group's, and its window; 0 while it is not known to be the primary's, with which it comes.
func (c *Cell) pseudotime(now machine.Now) (is, window time.Duration) {
	if c.role == Secondary && (!c.inStep() || len(c.follow.writes) > 0) {
		return 0, 0
	}
	return c.group.Pseudotime(now)
}

// judgeTime looks whether a peer's time is ours: what members stamp by the one, members that have the other drop. It is
// judged only while both have the same state, since a change may move the time, as a merge does.
func (c *Cell) judgeTime(now machine.Now, p *peer, out machine.Effects) machine.Effects {
	s := &p.status
	ours, window := c.pseudotime(now)
	has := c.has
	if c.role == Primary {
		has = Version{c.term, c.group.Head()}
	}
	if s.Time == 0 || ours == 0 || window == 0 || s.Term != c.term || s.Has != has || !c.mutual(p) {
		return out
	}
	flight, doubt, ok := p.Link.Flight(now)
	if !ok {
		return out
	}
	off := s.Time - ours + min(flight, maxFlight)
	// The doubt counts twice, because ours may have come from this peer with the same.
	if off.Abs() <= window+2*doubt {
		p.astray = false
		return out
	}
	c.wrongTime++
	if p.astray {
		return out
	}
	p.astray = true
	where := "ahead of"
	if off < 0 {
		where = "behind"
	}
	return append(out, c.peerNote(p, gdoi.NoteCoopWrongTime, machine.Error, fmt.Sprintf(
		"the group's time at key server %d is %v %s the one here, and the time window is %v: members of the one drop what members of the other send; a rekey makes the primary tell its time again",
		p.ID, off.Abs().Round(time.Millisecond), where, window)))
}
