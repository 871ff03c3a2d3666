package gm

import (
	"context"
	"sync"
)

// stage is a set of goroutines that end together.
type stage struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func (s *stage) init(parent context.Context) { s.ctx, s.cancel = context.WithCancel(parent) }

func (s *stage) run(f func(context.Context)) { s.wg.Go(func() { f(s.ctx) }) }

// end stops the goroutines and waits for them. It may be called more than once.
func (s *stage) end() {
	s.cancel()
	s.wg.Wait()
}
