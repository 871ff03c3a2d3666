package link

import (
	"math"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// clock estimates the peer's clocks. Every frame tells both of its sender's, and echoes the steady one of the last frame
// that it has heard and how long ago that was: that gives a round trip and, to half of it, how far the steady clocks are
// apart. Those never jump, so the best of several samples is a good one. The wall clocks are then each side's offset to
// its own steady clock, as the newest frame has it: a clock that is set is followed at once.
type clock struct {
	heard    bool
	mono     machine.Instant // the peer's, in the newest frame
	at       machine.Instant // ours, when it came
	base     int64           // the peer's wall minus its mono, in it
	samples  [8]sample
	next     int
	rtt, dev time.Duration // smoothed, and its deviation (RFC 6298); zero: not known
}

// sample is one measurement.
type sample struct {
	at    machine.Instant
	apart int64 // the peer's mono minus ours
	rtt   time.Duration
	valid bool
}

// drift is how fast an old sample loses to one with a longer round trip: clocks of computers drift apart less.
const drift = 200 // parts per million

// maxRTT bounds what a sample can say.
const maxRTT = 10 * time.Second

// heardFrame takes the times of a frame that is newer than all before.
func (c *clock) heardFrame(now machine.Now, f *frame) {
	c.heard, c.mono, c.at, c.base = true, f.mono, now.Mono, f.wall-int64(f.mono)
	if f.flags&flagEcho == 0 {
		return
	}
	since := now.Mono.Sub(f.echo)
	if since < 0 || f.held > since+since/1000 || since-f.held > maxRTT {
		return // not our time line, or nonsense; steady clocks may run a little differently
	}
	rtt := max(0, since-f.held)
	c.samples[c.next] = sample{at: now.Mono, apart: int64(f.mono) + int64(rtt/2) - int64(now.Mono), rtt: rtt, valid: true}
	c.next = (c.next + 1) % len(c.samples)
	if c.rtt == 0 {
		c.rtt, c.dev = max(rtt, 1), rtt/2
		return
	}
	c.dev += (max(rtt-c.rtt, c.rtt-rtt) - c.dev) / 4
	c.rtt = max(1, c.rtt+(rtt-c.rtt)/8)
}

// best is the sample with the least error now.
func (c *clock) best(now machine.Instant) (s sample) {
	for _, x := range c.samples {
		if x.valid && (!s.valid || x.doubt(now) < s.doubt(now)) {
			s = x
		}
	}
	return s
}

// doubt is how wrong a sample may be.
func (s sample) doubt(now machine.Instant) time.Duration {
	return s.rtt/2 + now.Sub(s.at)/1_000_000*drift
}

// ahead is the peer's wall clock minus ours.
func (c *clock) ahead(now machine.Now) (time.Duration, bool) {
	s := c.best(now.Mono)
	if !s.valid {
		return 0, false
	}
	ours := now.Wall.UnixNano() - int64(now.Mono)
	return time.Duration(saturated(saturated(s.apart, c.base), -ours)), true
}

// flight is how long ago the newest frame was sent, and how wrong that may be.
func (c *clock) flight(now machine.Instant) (flight, doubt time.Duration, ok bool) {
	s := c.best(now)
	if !s.valid {
		return 0, 0, false
	}
	sent := saturated(int64(c.mono), saturated(0, -s.apart))
	return time.Duration(max(0, saturated(int64(now), -sent))), s.doubt(now), true
}

// saturated adds; a peer may claim any time.
func saturated(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

// rto is how long to wait for an acknowledgement.
func (c *clock) rto() time.Duration {
	if c.rtt == 0 {
		return firstRTO
	}
	return min(max(c.rtt+4*c.dev, minRTO), maxRTO)
}
