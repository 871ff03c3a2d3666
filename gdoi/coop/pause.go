package coop

import (
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Woken finds out whether this process was stopped: its own announcement is overdue by the dead interval. Then others have
// gone on without it, and a primary stands down and asks before it acts. To be called before anything else in a step.
func (c *Cell) Woken(now machine.Now, out machine.Effects) machine.Effects {
	at, ok := c.announce.Deadline()
	if !c.started || !ok || now.Mono.Sub(at) <= c.cfg.Timers.Dead || len(c.peers) == 0 {
		return out
	}
	for _, p := range c.peers {
		if p.live {
			p.heard = now.Mono // they have a right to be asked first
			p.queries = 0
			p.check.Set(now.Mono)
		}
	}
	if c.role == Primary {
		out = c.stepDown(now, 0, "paused", "this key server did not run for a while, and asks whether another one is primary", out)
	}
	c.abandonCandidacy()
	c.ask++
	if c.primary == 0 {
		for _, p := range c.peers {
			p.live, p.known = false, false
		}
		c.led, c.waited, c.open = false, false, never
		c.vacant = now.Mono
		c.patient = now.Mono.Add(max(time.Duration(c.cfg.Timers.Retries)*c.cfg.Timers.Query, c.cfg.Timers.Announce*2))
	}
	return c.announceTo(now, nil, true, out)
}
