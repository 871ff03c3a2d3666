package loop

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestSuspendedSystem: the time that the system sleeps passes for keys and for the time of groups, and deadlines that came
// meanwhile are met soon after.
func TestSuspendedSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		origin := time.Now()
		var asleep atomic.Int64
		c := newSystemClock(func() int64 { return int64(time.Hour+time.Since(origin)) + asleep.Load() })
		at := func() time.Duration { return time.Duration(c.Now().Mono) }
		if at() != time.Hour {
			t.Fatal(at())
		}
		var d diary
		m := &script{deadline: machine.Instant(3 * time.Hour)}
		m.step = func(now machine.Now, _ machine.Event) machine.Effects {
			d.add("%v", time.Duration(now.Mono).Round(time.Minute))
			m.deadline = 0
			return nil
		}
		start(t, &d, Config{Machine: m, Clock: c})
		time.Sleep(time.Minute)
		d.want(t, "")
		asleep.Store(int64(5 * time.Hour))
		time.Sleep(maxSleep)
		d.want(t, "6h1m0s")
		if at() != 6*time.Hour+time.Minute+maxSleep || c.Until(machine.Instant(7*time.Hour)) != 59*time.Minute-maxSleep {
			t.Error(at())
		}
	})
}

// TestSystemClock: instants mean the same to the next process of the same boot.
func TestSystemClock(t *testing.T) {
	a := NewSystemClock()
	first := a.Now().Mono
	b := NewSystemClock()
	if x, y := a.Now().Mono, b.Now().Mono; y.Sub(x).Abs() > 10*time.Second || x < first {
		t.Errorf("%v, %v and %v", first, x, y)
	}
	if a.Boot() == "" || a.Boot() != b.Boot() {
		t.Errorf("boots %q and %q", a.Boot(), b.Boot())
	}
}
