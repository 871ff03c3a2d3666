package pkcs11

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/getvpn/getvpn/hsm"
)

// queue admits as many calls as there are sessions, lets so many callers wait, and refuses the rest.
type queue struct {
	workers chan struct{}
	limit   int64

	waiting                   atomic.Int64
	calls, refused, abandoned atomic.Uint64
}

func newQueue(workers, limit int) *queue {
	return &queue{workers: make(chan struct{}, workers), limit: int64(limit)}
}

// enter waits for a place; the caller gives it back with leave.
func (q *queue) enter(ctx context.Context) error {
	q.calls.Add(1)
	select {
	case q.workers <- struct{}{}:
		return nil
	default:
	}
	if q.waiting.Add(1) > q.limit {
		q.waiting.Add(-1)
		q.refused.Add(1)
		return fmt.Errorf("%w: %d calls are in the token and %d wait: it is slow, or it hangs", hsm.ErrBusy, cap(q.workers), q.limit)
	}
	defer q.waiting.Add(-1)
	select {
	case q.workers <- struct{}{}:
		return nil
	case <-ctx.Done():
		q.abandoned.Add(1)
		return fmt.Errorf("%w: no session of the token was free in time (%d calls in it): %w", hsm.ErrUnavailable, len(q.workers), ctx.Err())
	}
}

func (q *queue) leave() { <-q.workers }

// call runs f in a worker, and after when f is over or was not begun. The caller leaves when the context ends; f then
// runs on alone, so it must own what it reads.
func call[T any](ctx context.Context, q *queue, what string, f func() (T, error), after func()) (T, error) {
	var none T
	err := ctx.Err()
	if err == nil {
		err = q.enter(ctx)
	}
	if err != nil {
		after()
		return none, fmt.Errorf("hsm/pkcs11: %s: %w", what, err)
	}
	type answer struct {
		v   T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		v, err := f()
		after()
		q.leave() // first, so that who has an answer finds the place free
		done <- answer{v, err}
	}()
	select {
	case a := <-done:
		if a.err != nil {
			return none, fmt.Errorf("hsm/pkcs11: %s: %w", what, a.err)
		}
		return a.v, nil
	case <-ctx.Done():
		q.abandoned.Add(1)
		return none, fmt.Errorf("hsm/pkcs11: %s: %w: the token did not answer in time: %w", what, hsm.ErrUnavailable, ctx.Err())
	}
}

func (q *queue) info() hsm.Queue {
	return hsm.Queue{
		Sessions: cap(q.workers), Limit: int(q.limit), Busy: len(q.workers), Waiting: int(q.waiting.Load()),
		Calls: q.calls.Load(), Refused: q.refused.Load(), Abandoned: q.abandoned.Load(),
	}
}
