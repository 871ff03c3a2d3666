package coop

import (
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// A key server whose key custody (a token) is gone keeps its keys' names and nothing else: it cannot register members, nor
// encrypt a rekey. So it is not ready, is elected only if nobody else is there, and as primary hands over by itself.
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
	// look is when a primary without custody looks for a successor, steady when a custody that came back is trusted.
	look, steady machine.Timer
	// unusable is what the group said last.
	unusable string
}

// Custody says that the key custody was lost, and why, or is there again ("").
func (c *Cell) Custody(now machine.Now, problem string, out machine.Effects) machine.Effects {
	k := &c.custody
	was := k.problem
	k.problem = problem
	switch {
	case problem == "" && was != "":
		k.look.Stop()
		k.steady.Set(now.Mono.Add(custodySteady))
	case problem != "" && was == "":
		k.steady.Stop()
		k.look.Set(now.Mono.Add(custodyGrace))
	}
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

// trusted says whether others may rely on the custody.
func (k *custody) trusted() bool {
	_, unsteady := k.steady.Deadline()
	return k.problem == "" && k.unusable == "" && !unsteady
}

// watchCustody lets time pass: a primary hands over when its custody is not back after a moment.
func (c *Cell) watchCustody(now machine.Now, out machine.Effects) machine.Effects {
	k := &c.custody
	k.steady.Due(now.Mono) // stops it
	if k.problem == "" || !k.look.Due(now.Mono) {
		return out
	}
	k.look.Set(now.Mono.Add(custodyRetry))
	p := c.successor()
	if c.role != Primary || c.handover != nil || p == nil {
		return out
	}
	c.handover = &handover{to: p.ID, until: now.Mono.Add(handoverPatience)}
	return append(out, c.peerNote(p, gdoi.NoteCoopHandover, machine.Warning, fmt.Sprintf("the key custody here is lost, so key server %d shall be primary", p.ID)))
}

// watchKeys notes whether the group's keys can be used here, and says whether that has changed.
func (c *Cell) watchKeys() bool {
	was := c.custody.unusable
	c.custody.unusable = c.group.Unusable()
	return c.custody.unusable != was
}
