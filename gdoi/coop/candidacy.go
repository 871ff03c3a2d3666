package coop

import (
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// stand begins to make this key server primary: its term has to be on the disk first.
func (c *Cell) stand(now machine.Now, out machine.Effects) machine.Effects {
	c.handover = nil
	c.candidacy, c.writing = c.nextTerm(), c.env.NextPersist()
	c.highest = c.candidacy
	c.late.Set(now.Mono.Add(max(c.cfg.Timers.Detection(), minPatience)))
	return append(out, machine.Persist{ID: c.writing, Records: []machine.Record{c.record(c.candidacy, c.candidacy)}})
}

// abandonCandidacy: somebody else is primary, or the disk does not write.
func (c *Cell) abandonCandidacy() {
	c.candidacy = 0
	c.late.Stop()
	c.retry.Stop()
}

// written takes the answer of the disk to a term.
func (c *Cell) written(now machine.Now, err error, out machine.Effects) machine.Effects {
	c.writing = 0
	c.late.Stop()
	c.unwritten = err != nil
	if c.candidacy == 0 || c.role == Primary {
		return out
	}
	if err != nil {
		c.retry.Set(now.Mono.Add(minPatience))
		return append(out, c.note(gdoi.NoteCoopBlocked, machine.Error, "cannot become primary: the store does not take the term: "+err.Error()))
	}
	if c.leader() != nil || c.claimed() != 0 && !c.invited() {
		c.abandonCandidacy()
		return out
	}
	return c.begin(now, out)
}
