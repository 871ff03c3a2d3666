package check

import (
	"context"
	"sync"
	"time"

	"github.com/getvpn/getvpn/lab/driver"
)

// clock is the time of a run.
type clock interface {
	now() time.Time
	sleep(ctx context.Context, d time.Duration) error
	// together does all of these at the same time, and returns when all are done.
	together(ctx context.Context, all []func())
}

// clock is the lab's own where its time is virtual, else that on the wall.
func (e *Env) clock() clock {
	e.begin.Do(func() {
		e.time = wallClock{}
		if v, ok := e.virtual(); ok {
			e.time = &virtualClock{lab: v}
		}
	})
	return e.time
}

// now is the time, by the clock of the lab.
func (e *Env) now() time.Time { return e.clock().now() }

// since is how long ago something was.
func (e *Env) since(t time.Time) time.Duration { return e.now().Sub(t) }

// sleep waits, or until the context ends.
func (e *Env) sleep(ctx context.Context, d time.Duration) error { return e.clock().sleep(ctx, d) }

// virtual is the lab, if it is one of virtual time.
func (e *Env) virtual() (driver.Virtual, bool) {
	v, ok := e.Lab.(driver.Virtual)
	return v, ok
}

type wallClock struct{}

func (wallClock) now() time.Time { return time.Now() }

func (wallClock) sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (wallClock) together(_ context.Context, all []func()) {
	var wg sync.WaitGroup
	for _, f := range all {
		wg.Go(f)
	}
	wg.Wait()
}

// virtualClock lets time pass when nobody has anything to do. Of those who do things together one is awake at a time, until it
// sleeps or is done; next is whoever is to be woken first, and of several whoever went to sleep first. So the same happens in the
// same order each time.
type virtualClock struct {
	lab driver.Virtual

	mu       sync.Mutex
	sleepers []*sleeper
}

type sleeper struct {
	until time.Time
	woken chan struct{}
	err   error
}

func (c *virtualClock) now() time.Time { return c.lab.Now() }

func (c *virtualClock) sleep(ctx context.Context, d time.Duration) error {
	me := c.lie(c.now().Add(d))
	c.wake(ctx)
	<-me.woken
	if me.err == nil {
		me.err = ctx.Err()
	}
	return me.err
}

func (c *virtualClock) together(ctx context.Context, all []func()) {
	if len(all) == 0 {
		return
	}
	left, done := len(all), make(chan struct{})
	for _, f := range all {
		me := c.lie(c.now())
		go func() {
			<-me.woken
			f()
			if left--; left == 0 { // nobody else is awake
				close(done)
				return
			}
			c.wake(ctx)
		}()
	}
	c.wake(ctx)
	<-done
}

func (c *virtualClock) lie(until time.Time) *sleeper {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &sleeper{until: until, woken: make(chan struct{})}
	c.sleepers = append(c.sleepers, s)
	return s
}

// wake wakes one, when its time has come.
func (c *virtualClock) wake(ctx context.Context) {
	c.mu.Lock()
	first := 0
	for i, s := range c.sleepers {
		if s.until.Before(c.sleepers[first].until) {
			first = i
		}
	}
	s := c.sleepers[first]
	c.sleepers = append(c.sleepers[:first:first], c.sleepers[first+1:]...)
	c.mu.Unlock()
	if d := s.until.Sub(c.now()); d > 0 {
		s.err = c.lab.Sleep(ctx, d)
	}
	close(s.woken)
}
