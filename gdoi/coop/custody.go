package coop

import (
	"cmp"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// A key server whose key custody (a token) is gone keeps its keys' names and nothing else: it cannot register members, nor
// encrypt a rekey. So it is not ready, is elected only if nobody else is there, and as primary hands over by itself. One whose
// custody has the keys but makes no new ones, because it is full, serves on, and somebody else should be primary.
const (
	// custodyGrace is how long a primary waits for its custody before it hands over: modules blink when they are opened again.
	custodyGrace = time.Second
	// custodyRetry is the wait before it looks for a successor again, while there is none.
	custodyRetry = time.Second
	// custodySteady is how long a custody must have been back before others may elect this key server, or hand over to it.
	// Two custodies that come and go would otherwise move the primary to and fro.
	custodySteady = 10 * time.Second
)

// custody is what a cell knows of the key custody.
type custody struct {
	problem string
	// unusable and unrenewable are what the group said last.
	unusable, unrenewable string
	// look is when a primary with a weak custody looks for a successor, steady when a custody that came back is trusted.
	look, steady machine.Timer
	tried        ID // the last that should have become primary, and did not
}

// Custody says that the key custody was lost, and why, or is there again ("").
func (c *Cell) Custody(now machine.Now, problem string, out machine.Effects) machine.Effects {
	k := &c.custody
	was, weak := k.problem, c.weak()
	k.problem = problem
	switch {
	case problem == "" && was != "":
		k.steady.Set(now.Mono.Add(custodySteady))
	case problem != "":
		k.steady.Stop()
	}
	c.armCustody(now, weak)
	if !c.started {
		return out
	}
	return c.settle(now, out)
}

// flawed says why the keys of the group cannot be used here now; empty: they can.
func (c *Cell) flawed() string {
	if p := c.custody.problem; p != "" {
		return "the key custody is lost: " + p
	}
	return c.custody.unusable
}

// weak says why another key server should be primary; empty: there is no reason in the custody.
func (c *Cell) weak() string { return cmp.Or(c.flawed(), c.custody.unrenewable) }

// trusted says whether others may rely on the custody.
func (c *Cell) trusted() bool {
	_, unsteady := c.custody.steady.Deadline()
	return c.weak() == "" && !unsteady
}

// watchKeys notes what the group says of its keys, and whether that has changed.
func (c *Cell) watchKeys(now machine.Now) bool {
	k, was := &c.custody, c.weak()
	k.unusable, k.unrenewable = c.group.Unusable(), c.group.Unrenewable()
	c.armCustody(now, was)
	return c.weak() != was
}

// armCustody begins to wait when the custody becomes weak.
func (c *Cell) armCustody(now machine.Now, was string) {
	switch is := c.weak(); {
	case is == "":
		c.custody.look.Stop()
		c.custody.tried = 0
	case was == "":
		c.custody.look.Set(now.Mono.Add(custodyGrace))
	}
}

// watchCustody lets time pass: a primary hands over when its custody is not back after a moment.
func (c *Cell) watchCustody(now machine.Now, out machine.Effects) machine.Effects {
	k := &c.custody
	k.steady.Due(now.Mono) // stops it
	if !k.look.Due(now.Mono) {
		return out
	}
	k.look.Set(now.Mono.Add(custodyRetry))
	p := c.successor(k.tried) // a process that hangs looks fit until it has been missed
	if p == nil {
		p = c.successor()
	}
	if c.role != Primary || c.handover != nil || p == nil {
		return out
	}
	k.tried = p.ID
	c.handover = &handover{to: p.ID, until: now.Mono.Add(handoverPatience)}
	return append(out, c.peerNote(p, gdoi.NoteCoopHandover, machine.Warning, fmt.Sprintf("key server %d shall be primary: %s", p.ID, c.weak())))
}
