package loop

import (
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Clock gives a loop its time. Tests give it one that runs faster.
type Clock interface {
	Now() machine.Now
	// Until is how long, in real time, it is until i; not positive if i has come.
	Until(i machine.Instant) time.Duration
}

// SystemClock is the clock of daemons. Mono counts from when it was made.
type SystemClock struct {
	origin time.Time
}

// NewSystemClock returns a clock that starts now.
func NewSystemClock() *SystemClock { return &SystemClock{time.Now()} }

// Now implements Clock.
func (c *SystemClock) Now() machine.Now {
	t := time.Now()
	return machine.Now{Mono: machine.Instant(t.Sub(c.origin)), Wall: t.Round(0)}
}

// Until implements Clock.
func (c *SystemClock) Until(i machine.Instant) time.Duration {
	return i.Sub(machine.Instant(time.Since(c.origin)))
}
