package custody

import (
	"context"
	"errors"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm"
)

// Watch asks a token now and then whether it is there, and tells when that changes: a token that nobody asks for anything
// is lost without a word, and would come back so.
type Watch struct {
	ask  func(context.Context) error
	tell func(context.Context, machine.CustodyState)
	hint chan struct{} // something failed: ask now
}

// Times between two questions: to a token that is there, and to one that is lost. A slow token is asked less often, so that
// watching takes no more than a small part of its time.
const (
	watchThere = time.Second
	watchLost  = 500 * time.Millisecond
	watchPart  = 20
)

// NewWatch watches with ask (Alive), and tells by tell, which is called by Run alone.
func NewWatch(ask func(context.Context) error, tell func(context.Context, machine.CustodyState)) *Watch {
	return &Watch{ask: ask, tell: tell, hint: make(chan struct{}, 1)}
}

// probeKey is a key that no token has: the answer that it is not there takes the whole way, and nothing else.
const probeKey = "getvpn-is-anybody-there"

// Alive asks a token whether it answers.
func Alive(h hsm.Signer) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, err := h.Public(ctx, probeKey); !errors.Is(err, hsm.ErrNoKey) {
			return err
		}
		return nil
	}
}

// Hurry has it ask at once. It never waits.
func (w *Watch) Hurry() {
	select {
	case w.hint <- struct{}{}:
	default:
	}
}

// Heeding is f, and hurries when f says that the token does not answer.
func Heeding[T any](w *Watch, f func(context.Context, T) ([]byte, error)) func(context.Context, T) ([]byte, error) {
	return func(ctx context.Context, call T) ([]byte, error) {
		out, err := f(ctx, call)
		if errors.Is(err, hsm.ErrUnavailable) {
			w.Hurry()
		}
		return out, err
	}
}

// Run watches until ctx ends; the token is there when it begins.
func (w *Watch) Run(ctx context.Context) {
	problem := ""
	pause := watchThere
	for {
		select {
		case <-w.hint:
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		is, from := "", time.Now()
		if err := w.ask(ctx); err != nil {
			is = err.Error()
		}
		if ctx.Err() != nil {
			return
		}
		if (is == "") != (problem == "") {
			w.tell(ctx, machine.CustodyState{Problem: is})
		}
		problem, pause = is, max(watchThere, watchPart*time.Since(from))
		if is != "" {
			pause = watchLost
		}
	}
}
