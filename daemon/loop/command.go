package loop

import (
	"context"
	"sync"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// commands waits for answers of the machine.
type commands struct {
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]waiter
}

// waiter is who asked for a command.
type waiter struct {
	answer chan gdoi.CommandResult
	then   func()
}

func (c *commands) open(then func()) (uint64, chan gdoi.CommandResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = map[uint64]waiter{}
	}
	c.last++
	w := waiter{make(chan gdoi.CommandResult, 1), then}
	c.waiting[c.last] = w
	return c.last, w.answer
}

func (c *commands) close(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

func (c *commands) answer(r gdoi.CommandResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, ok := c.waiting[r.ID]
	if !ok {
		return
	}
	delete(c.waiting, r.ID)
	if w.then != nil && r.Err == "" {
		w.then()
	}
	w.answer <- r
}

// Command posts the event that build makes for an ID and waits for the machine's answer, its text or an ErrRefused.
func (l *Loop) Command(ctx context.Context, build func(id uint64) machine.Event) (string, error) {
	return l.CommandThen(ctx, build, nil)
}

// CommandThen is a Command that changes more than the machine: unless it is refused, then runs on the loop's goroutine, in
// the step that answers, so that no Do sees the one without the other. A machine that answers after ctx has ended does not
// run it.
func (l *Loop) CommandThen(ctx context.Context, build func(id uint64) machine.Event, then func()) (string, error) {
	id, answer := l.commands.open(then)
	defer l.commands.close(id)
	if err := l.Post(ctx, build(id)); err != nil {
		return "", err
	}
	select {
	case r := <-answer:
		if r.Err != "" {
			return "", refusal(r.Err)
		}
		return r.Text, nil
	case <-l.stopped:
		return "", ErrStopped
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// refusal is the machine's own text, and nothing else: it reaches operators as it is.
type refusal string

func (r refusal) Error() string        { return string(r) }
func (r refusal) Is(target error) bool { return target == ErrRefused }
