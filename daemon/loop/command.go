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
	waiting map[uint64]chan gdoi.CommandResult
}

func (c *commands) open() (uint64, chan gdoi.CommandResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = map[uint64]chan gdoi.CommandResult{}
	}
	c.last++
	ch := make(chan gdoi.CommandResult, 1)
	c.waiting[c.last] = ch
	return c.last, ch
}

func (c *commands) close(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
}

func (c *commands) answer(r gdoi.CommandResult) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.waiting[r.ID]; ch != nil {
		ch <- r
		delete(c.waiting, r.ID)
	}
}

// Command posts the event that build makes for an ID and waits for the machine's answer, its text or an ErrRefused.
func (l *Loop) Command(ctx context.Context, build func(id uint64) machine.Event) (string, error) {
	id, answer := l.commands.open()
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
