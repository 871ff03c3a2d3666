package keyserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
)

// AntiReplay is the time window of a group. The zero value is none.
type AntiReplay struct {
	// Window is how far the time stamp of a packet may be from the receiver's time; 0: packets have no stamps.
	Window time.Duration
	// Demand has members drop what has no stamp; otherwise they judge it by its sequence number alone, which is all that
	// members of other makes can have.
	Demand bool
}

// Bounds of the window.
const (
	MinTimeWindow = time.Second
	MaxTimeWindow = 10 * time.Minute
	// maxTimedLifetime: stamps repeat after 49 days, and a key must have ended long before.
	maxTimedLifetime = 20 * 24 * time.Hour
	// driftParts: clocks are off by no more than 200 ppm. A group whose rekeys are rarer than what brings two clocks apart
	// by an eighth of the window announces its keys, and with them its time, once more in between.
	driftParts = 8 * 200
)

func (c *Config) validateTime() error {
	a := c.AntiReplay
	switch {
	case a == AntiReplay{}:
	case a.Window == 0:
		return fmt.Errorf("what has no time stamp cannot be dropped in a group without a time window; set anti-replay time")
	case a.Window < MinTimeWindow || a.Window > MaxTimeWindow || a.Window%time.Millisecond != 0:
		return fmt.Errorf("anti-replay time %v: use whole milliseconds, from %v to %v", a.Window, MinTimeWindow, MaxTimeWindow)
	default:
		for _, s := range c.sas() {
			if s.Lifetime > maxTimedLifetime {
				return fmt.Errorf("tek lifetime %v is too long for anti-replay time, whose stamps repeat; use at most %v", s.Lifetime, maxTimedLifetime)
			}
		}
	}
	return nil
}

// pseudotime is the time of a group. It begins with what the wall clock says when the group first has one, so that key
// servers which do not know each other begin with about the same, and runs by the monotonic clock from then on: no step of
// the wall clock moves it. A record says which instant it belongs to. A process that is restarted under the same boot of
// the system goes on exactly; after a boot, what has passed meanwhile is taken from the wall clock, it never goes back
// behind the record, and members are told that it may have jumped. It is one number at an instant: key servers that know each other agree upon it by telling it.
type pseudotime struct {
	base  time.Duration
	at    machine.Instant
	begun bool
	// series changes when the system was booted, since its wall clock may be wrong.
	series uint32
	since  time.Duration // when members were first told of it; before it they may be without
	again  machine.Timer // when it must be told again
	ended  bool          // its record is to be deleted
}

// timeRecord is the pseudotime at a moment.
type timeRecord struct {
	Time, Since time.Duration
	Series      uint32 `json:",omitempty"`
	At          machine.Instant
	Wall        time.Time
	Boot        string `json:",omitempty"`
}

func (p *pseudotime) now(at machine.Instant) time.Duration { return p.base + at.Sub(p.at) }

// beginTime starts it, if it has not begun. fresh says that no member can have keys yet.
func (g *Group) beginTime(now machine.Now, fresh bool) {
	p := &g.time
	if p.begun || g.cfg.AntiReplay.Window == 0 {
		return
	}
	*p = pseudotime{base: time.Duration(now.Wall.UnixNano()), at: now.Mono, begun: true, again: p.again}
	if !fresh {
		p.since = p.base
	}
}

// endTime forgets it when nobody needs it any more.
func (g *Group) endTime() {
	if g.cfg.AntiReplay.Window == 0 && !g.stampedTEKs() {
		g.time = pseudotime{ended: g.time.begun || g.time.ended}
	}
}

// stampedTEKs says whether there are TEKs under which a stamp may be missed.
func (g *Group) stampedTEKs() bool {
	return slices.ContainsFunc(g.teks, func(t *tek) bool { return t.stamped })
}

// stamps says whether everybody who will have a TEK that is made now stamps: when a window is new, members need a
// registration to set their clocks, which they have made by then.
func (g *Group) stamps(now machine.Now) bool {
	return g.cfg.AntiReplay.Demand && g.time.begun && g.time.now(now.Mono) >= g.time.since+8*g.cfg.ActivationDelay
}

// timeOffer is what members are told. While TEKs live whose stamps some may still miss, they are told to stamp though the
// window has ended.
func (g *Group) timeOffer(now machine.Now) *pull.TimeOffer {
	if !g.time.begun {
		return nil
	}
	o := &pull.TimeOffer{Now: g.time.now(now.Mono), Series: g.time.series, Window: g.cfg.AntiReplay.Window}
	if g.cfg.AntiReplay.Demand {
		for _, t := range g.inOrder() {
			if t.stamped && !g.nearEnd(now, t) {
				o.Demand = append(o.Demand, t.spi)
			}
		}
	}
	return o
}

// timeTold notes that members hear of the time now.
func (g *Group) timeTold(now machine.Now) {
	g.time.again.Stop()
	if w := g.cfg.AntiReplay.Window; w > 0 {
		g.time.again.Set(now.Mono.Add(w / driftParts * 1e6))
	}
}

// tellTime announces what there is once more, when members have not heard of the time for too long.
func (g *Group) tellTime(now machine.Now, out machine.Effects) machine.Effects {
	if !g.time.again.Due(now.Mono) || g.withdrawn {
		return out
	}
	g.timeTold(now)
	return g.rekey(now, rekeying{}, out)
}

const timeKey = "time"

// timeRecords is the record, with every transaction: the newer, the less may have happened to the wall clock since.
func (g *Group) timeRecords(now machine.Now) []machine.Record {
	if g.time.ended || g.time.begun && g.withdrawn {
		return []machine.Record{g.record(timeKey, nil)}
	}
	if !g.time.begun {
		return nil
	}
	return []machine.Record{g.record(timeKey, encode(timeRecord{g.time.now(now.Mono), g.time.since, g.time.series, now.Mono, now.Wall, g.env.Boot}))}
}

func (g *Group) restoreTime(now machine.Now, b []byte) error {
	var r timeRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	if r.Time <= 0 || r.Since > r.Time {
		return errRecord
	}
	passed, series := now.Wall.Sub(r.Wall), r.Series+1
	if r.Boot != "" && r.Boot == g.env.Boot {
		passed, series = now.Mono.Sub(r.At), r.Series
	}
	g.time = pseudotime{base: r.Time + max(0, passed), at: now.Mono, begun: true, since: r.Since, series: series}
	return nil
}

// TimeInfo is the time window of a group for operators.
type TimeInfo struct {
	AntiReplay
	Now time.Duration // the pseudotime; 0: the group has none
}

func (g *Group) timeInfo(now machine.Now) TimeInfo {
	i := TimeInfo{AntiReplay: g.cfg.AntiReplay}
	if g.time.begun {
		i.Now = g.time.now(now.Mono)
	}
	return i
}

// time says what a change of the window does.
func (w *planning) time() {
	a, b := w.g.cfg.AntiReplay, w.is.AntiReplay
	switch {
	case a == b:
		return
	case a.Window == 0:
		w.say("time-based anti-replay is new, window %v: members register again within %v to set their clocks, and stamp from then on; the largest packet gets smaller by 6 octets",
			b.Window, round(4*w.is.ActivationDelay))
	case b.Window == 0:
		w.say("time-based anti-replay ends: stamps are not judged any more")
	case a.Window != b.Window:
		w.say("time window %v instead of %v, as soon as a member hears of it", b.Window, a.Window)
	}
	switch {
	case b.Demand && !a.Demand:
		w.say("packets without a time stamp are dropped from the next keys on")
	case a.Demand && !b.Demand && b.Window > 0:
		w.say("packets without a time stamp are judged by their sequence number")
	}
}
