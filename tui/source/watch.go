package source

import (
	"context"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
)

// watch listens to a daemon until ctx ends.
func (s *Source) watch(ctx context.Context, name, path string) {
	c := client.New(path)
	for ctx.Err() == nil {
		turn, stale := s.turned(), false
		one, leave := context.WithCancel(ctx)
		err := c.Watch(one, func(w control.Watch) {
			first := !s.connected(name)
			if first { // whether this is a daemon of before or after time was turned back
				s.look()
			}
			if stale = s.turned() != turn; stale {
				leave()
				return
			}
			if first {
				s.recognise(ctx, name, c)
			}
			s.hear(name, turn, w)
			if first { // the journal's past; what the stream repeats of it is dropped by its number
				s.history(ctx, name, turn, c)
			}
		})
		leave()
		if stale {
			continue
		}
		s.look() // whether time was turned back, before it is said that a daemon is gone
		s.lost(name, err)
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery):
		}
	}
}

func (s *Source) connected(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodes[name].Connected
}

// history takes what a daemon's journal still has.
func (s *Source) history(ctx context.Context, name string, turn int, c *client.Client) {
	ctx, cancel := context.WithTimeout(ctx, dialBound)
	defer cancel()
	events, err := c.Events(ctx, 0)
	if err != nil {
		return // the stream itself will tell what is wrong
	}
	for i := range events {
		s.hear(name, turn, control.Watch{Event: &events[i]})
	}
}

// recognise asks a daemon whether it takes commands from this process.
func (s *Source) recognise(ctx context.Context, name string, c *client.Client) {
	ctx, cancel := context.WithTimeout(ctx, dialBound)
	defer cancel()
	me, err := c.Whoami(ctx)
	s.mu.Lock()
	s.nodes[name].Operator = err == nil && me.Caller == control.CallerOperator
	s.mu.Unlock()
}
