package loop

import (
	"context"
	"errors"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Calls of the custody that keeps KEKs. Members and deliveries wait for the prompt ones; the others are done ahead of time,
// in places of their own, so that making keys never holds up using them.
const (
	defaultKeyTimeout = 10 * time.Second
	promptWorkers     = 4
	aheadWorkers      = 2
)

var errNoKeys = errors.New("loop: no custody of KEKs is configured")

// places returns the places for calls of that kind, one for each call that may be in the custody.
func (l *Loop) places(op machine.KeyOp) chan struct{} {
	if op == machine.KeyReveal || op == machine.KeyEncrypt {
		return l.prompt
	}
	return l.ahead
}

// keyCall runs in a worker. c.Data is wiped as soon as the custody has done with it, also when nobody waits any more; what
// the custody returns is handed to the machine as it is, or wiped.
func (l *Loop) keyCall(ctx context.Context, c machine.KeyCall) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.KeyTimeout)
	defer cancel()
	answer := machine.KeyDone{ID: c.ID, Err: context.DeadlineExceeded}
	places := l.places(c.Op)
	select {
	case places <- struct{}{}:
		got, left := make(chan machine.KeyDone), make(chan struct{})
		go func() { // of its own: a token that hangs must not hold up the answer
			a := l.callKeys(ctx, c)
			clear(c.Data)
			<-places
			select {
			case got <- a:
			case <-left:
				clear(a.Data)
			}
		}()
		select {
		case answer = <-got:
		case <-ctx.Done():
			close(left)
		}
	case <-ctx.Done():
		clear(c.Data)
	}
	select {
	case l.events <- answer:
	case <-l.stopped:
		clear(answer.Data)
	}
}

func (l *Loop) callKeys(ctx context.Context, c machine.KeyCall) machine.KeyDone {
	if l.cfg.Keys == nil {
		return machine.KeyDone{ID: c.ID, Err: errNoKeys}
	}
	data, err := l.cfg.Keys(ctx, c)
	return machine.KeyDone{ID: c.ID, Data: data, Err: err}
}
