package member

import (
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
)

// clock is the time of the group, kept by this member's monotonic clock.
//
// A registration sets it: the answer came in a known time, of which half is taken for the way back; if that was long, the
// member asks again. A rekey corrects it, with a doubt: its time is that of its making, and it may have been paced or
// repeated since. So a time ahead of ours is believed, for messages are never early; one that is behind ours is believed as far as oscillators explain it, of which less and less
// is unknown, and else it is late.
// What is left between two times that are far enough apart is drift; the clock runs that much faster from then on.
type clock struct {
	set    bool
	offer  pull.TimeOffer  // what was said last
	base   time.Duration   // the pseudotime
	at     machine.Instant // of the last correction
	drift  int64           // parts per billion
	refAt  machine.Instant // since when the drift is measured
	ref    time.Duration
	poor   bool  // it was set by a registration that took so long that it may be wrong by much
	sure   uint8 // halves what drift explains: one for each measurement, less one for each time that was not explained
	syncs  uint64
	late   uint64 // rekeys that say nothing of the time, because they were under way too long
	errors uint64 // the time had jumped
	last   time.Duration
	most   time.Duration // the largest correction of a clock that was set
}

const (
	// maxDrift of a member's oscillator against its key server's, in parts per billion: 500 ppm, as NTP has it.
	maxDrift = 500_000
	// measureAfter is the least time between two that give a drift: over a shorter one, ways of different length look like it.
	measureAfter = 15 * time.Minute
	// maxSure leaves 62 ppm for what temperature does to an oscillator.
	maxSure = 3
	// wayNoise is what the way of a rekey may differ by.
	wayNoise = 50 * time.Millisecond
	// doubtful is for how many windows a clock may go on without a correction: two that are off by 200 ppm each may be half a
	// window apart by then.
	doubtful = 1250
	// jumpParts of the window are how far the time may be off before it counts as an error.
	jumpParts = 4
)

func (c *clock) now(at machine.Instant) time.Duration {
	elapsed := at.Sub(c.at)
	return c.base + elapsed + drifted(elapsed, c.drift)
}

// drifted is what a clock gains in d that is ppb parts per billion fast.
func drifted(d time.Duration, ppb int64) time.Duration {
	return time.Duration(int64(d/time.Millisecond) * ppb / 1e3)
}

// far says whether a time is not what this clock says.
func (c *clock) far(now machine.Now, o *pull.TimeOffer) bool {
	return (o.Now - c.now(now.Mono)).Abs() > max(o.Window/jumpParts, wayNoise)
}

// adjust takes a time; it says whether that is news for the data plane.
func (c *clock) adjust(o *pull.TimeOffer) bool {
	measured := o.Now + o.RoundTrip/2
	if !c.set {
		c.poor = o.RoundTrip > o.Window/jumpParts/2
		c.set, c.base, c.at, c.refAt, c.ref = true, measured, o.At, o.At, measured
		c.syncs++
		return true
	}
	mine := c.now(o.At)
	if o.RoundTrip > 2*wayNoise && !c.poor {
		// Something was lost and sent again, before Now was written or after: the truth is somewhere between the two.
		measured = min(max(mine, o.Now), o.Now+o.RoundTrip)
	}
	off := measured - mine
	explained := drifted(o.At.Sub(c.at), maxDrift>>c.sure) + wayNoise
	jump := o.Window / jumpParts
	byPush := o.RoundTrip == 0
	if byPush && off < -min(explained, max(jump, wayNoise)) {
		c.late++
		c.sure -= min(c.sure, 1)
		return false
	}
	c.syncs++
	poor := c.poor
	if !byPush && c.poor {
		c.poor = o.RoundTrip > o.Window/jumpParts/2
	}
	c.last, c.most = off, max(c.most, off, -off)
	if o.Window > 0 && (off > jump || off < -jump) {
		// Another key server, or one that lost its time: what was measured means nothing now.
		if !poor {
			c.errors++
		}
		c.drift, c.refAt, c.ref, c.sure = 0, o.At, measured, 0
	}
	if since := o.At.Sub(c.refAt); since >= measureAfter {
		predicted := c.ref + since + drifted(since, c.drift)
		ppb := int64((measured-predicted)/time.Microsecond) * 1e6 / int64(since/time.Millisecond)
		c.drift = min(max(c.drift+ppb/2, -maxDrift), maxDrift)
		c.refAt, c.ref, c.sure = o.At, measured, min(c.sure+1, maxSure)
	}
	c.base, c.at = measured, o.At
	return true
}

// takeTime takes the time of an offer, or its absence; fresh says that it came by PULL. Called before the TEKs of the offer
// are installed, so that none of them receives without the time.
func (g *Group) takeTime(now machine.Now, o *pull.Offer, fresh bool, out machine.Effects) machine.Effects {
	c := &g.clock
	switch {
	case o.Time == nil && (fresh || o.AccessList != nil):
		if !c.set {
			return out
		}
		g.clock = clock{syncs: c.syncs, late: c.late, errors: c.errors, most: c.most}
		return append(out, gdoi.SetTime{Group: g.cfg.Name}, g.note(gdoi.NoteTimeEnded, machine.Info, "the group has no time any more: packets have no stamps"))
	case o.Time == nil: // a PUSH to a group with members of other makes
		return g.tellTime(now, out)
	case !fresh && (!c.set || o.Time.Series != c.offer.Series && c.far(now, o.Time)):
		// A rekey may be old; only a registration sets a clock.
		within := 4 * g.base
		if len(o.Time.Demand) > 0 {
			within = g.base / 2
		}
		return g.renew(now, causeTime, within, out)
	}
	if !fresh {
		o.Time.At = now.Mono
	}
	was, errors := c.set, c.errors
	switch {
	case !c.adjust(o.Time):
		if o.Time.At.Sub(c.at) > o.Time.Window*doubtful {
			out = g.renew(now, causeTime, g.base, out)
		}
	case was && c.errors > errors:
		out = append(out, g.note(gdoi.NoteTimeJumped, machine.Warning, fmt.Sprintf("the group's time jumped by %v", c.last), machine.F("delta", c.last.String())))
	}
	c.offer = *o.Time
	if fresh && c.poor {
		out = g.renew(now, causeTime, g.base, out)
	}
	if !was {
		out = append(out, g.note(gdoi.NoteTimeSet, machine.Info, fmt.Sprintf("packets are stamped; the window is %v", c.offer.Window), machine.F("round-trip", o.Time.RoundTrip.String())))
	}
	return g.tellTime(now, out)
}

// tellTime tells the data plane.
func (g *Group) tellTime(now machine.Now, out machine.Effects) machine.Effects {
	c := &g.clock
	if !c.set {
		return out
	}
	return append(out, gdoi.SetTime{
		Group: g.cfg.Name, On: true, At: now.Mono, Time: c.now(now.Mono), Drift: c.drift, Window: c.offer.Window, Demand: slices.Clone(c.offer.Demand),
	})
}

// TimeInfo is the group's time at a member, for operators.
type TimeInfo struct {
	On     bool
	Window time.Duration
	Now    time.Duration // the pseudotime
	Demand []gdoi.SPI
	// Offset is the pseudotime less this member's monotonic clock, Drift by how much it runs faster, in parts per billion.
	Offset time.Duration
	Drift  int64
	// Syncs count corrections, Late the rekeys that were under way too long for one, Errors those that were jumps.
	Syncs, Late, Errors uint64
	// Last is the last correction, MaxDelta the largest.
	Last, MaxDelta time.Duration
	SyncedAt       time.Time
}

func (g *Group) timeInfo(now machine.Now) TimeInfo {
	c := &g.clock
	i := TimeInfo{On: c.set, Syncs: c.syncs, Late: c.late, Errors: c.errors, MaxDelta: c.most}
	if c.set {
		i.Window, i.Now, i.Demand, i.Drift, i.Last = c.offer.Window, c.now(now.Mono), slices.Clone(c.offer.Demand), c.drift, c.last
		i.Offset, i.SyncedAt = i.Now-time.Duration(now.Mono), now.WallAt(c.at)
	}
	return i
}
