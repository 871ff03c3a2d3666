package coop

import (
	"fmt"
	"time"
)

// Timers are how fast key servers miss each other.
type Timers struct {
	// Announce is how often a key server announces itself.
	Announce time.Duration
	// Dead is how long nothing may be heard of the primary before it is asked, Query apart, Retries times; then it is dead.
	Dead, Query time.Duration
	Retries     int
}

// Profiles of Timers.
var (
	// DefaultTimers are those that operators know.
	DefaultTimers = Timers{Announce: 20 * time.Second, Dead: 30 * time.Second, Query: 10 * time.Second, Retries: 3}
	// FastTimers detect a death in less than a second.
	FastTimers = Timers{Announce: 150 * time.Millisecond, Dead: 450 * time.Millisecond, Query: 100 * time.Millisecond, Retries: 3}
)

// Profile is the name of these timers.
func (t Timers) Profile() string {
	switch t {
	case DefaultTimers:
		return "default"
	case FastTimers:
		return "fast"
	}
	return "custom"
}

// WithDefaults fills zero values from DefaultTimers.
func (t Timers) WithDefaults() Timers {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&t.Announce, DefaultTimers.Announce)
	def(&t.Dead, DefaultTimers.Dead)
	def(&t.Query, DefaultTimers.Query)
	if t.Retries == 0 {
		t.Retries = DefaultTimers.Retries
	}
	return t
}

// Bounds of timers.
const (
	MinInterval = 20 * time.Millisecond
	MaxInterval = time.Hour
	MaxRetries  = 100
)

// Validate says what is wrong with them.
func (t Timers) Validate() error {
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"announce", t.Announce}, {"dead", t.Dead}, {"query", t.Query}} {
		if d.d < MinInterval || d.d > MaxInterval {
			return fmt.Errorf("coop: %s interval of %v; use %v to %v", d.name, d.d, MinInterval, MaxInterval)
		}
	}
	if t.Retries < 1 || t.Retries > MaxRetries {
		return fmt.Errorf("coop: %d queries; use 1 to %d", t.Retries, MaxRetries)
	}
	if t.Dead < 2*t.Announce && t.Dead-t.Announce < 10*time.Second {
		return fmt.Errorf("coop: a peer that announces itself every %v is missed after %v; use at least twice the interval, or 10s more than it", t.Announce, t.Dead)
	}
	return nil
}

// Detection is how long after its last announcement a primary is taken for dead.
func (t Timers) Detection() time.Duration { return t.Dead + time.Duration(t.Retries)*t.Query }
