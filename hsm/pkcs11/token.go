//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

// Available tells whether this build can load PKCS#11 modules.
const Available = true

var (
	errAmbiguous = errors.New("hsm/pkcs11: more than one token matches")
	errPIN       = errors.New("hsm/pkcs11: the token refused the PIN; it is not tried again, since tokens lock themselves: correct it and restart")
)

// Token is one token. It is safe for concurrent use.
type Token struct {
	opt   Options
	mod   *module
	api   *api
	queue *queue

	making chan struct{} // has a place while no key is being made

	mu       sync.Mutex // held while the token is looked for
	now      *login     // nil while the token is lost
	renew    bool       // the module must begin anew before the token is looked for
	seen     uint64     // the module's epoch of the last login
	problem  error      // of the last attempt
	attempt  time.Time  // the last that failed, zero since one did not
	renewed  time.Time  // likewise, of those with the module begun anew
	final    error      // never tried again
	closed   bool
	reopened atomic.Uint64

	state atomic.Pointer[hsm.Info] // for Info, which waits for nobody
	probe atomic.Pointer[findings]
}

var _ hsm.Token = (*Token)(nil)

// Open finds the token, logs in and probes it.
func Open(ctx context.Context, o Options) (hsm.Token, error) {
	o, err := o.normal()
	if err != nil {
		return nil, err
	}
	m, err := acquire(o.Module)
	if err != nil {
		return nil, err
	}
	t := &Token{opt: o, mod: m, api: &api{Ctx: m.ctx, fault: o.Fault}, queue: newQueue(o.Sessions, o.Queue), making: make(chan struct{}, 1)}
	t.report(nil, errors.New("not opened yet"))
	found, err := runFor(ctx, t, openPatience, "probe", (*work).probe, func() {})
	if err != nil {
		_ = t.Close()
		return nil, err
	}
	t.probe.Store(found)
	return t, nil
}

// Close logs out. What is in the module goes on until it returns.
func (t *Token) Close() error {
	if !patiently(t.mu.TryLock) {
		return errors.New("hsm/pkcs11: a call hangs in the module: it stays open")
	}
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	t.final = fmt.Errorf("%w: it was closed", hsm.ErrUnavailable)
	if t.now != nil {
		t.hangUp(t.now)
		t.now = nil
	}
	t.report(nil, t.final)
	t.mod.release()
	return nil
}

// Info implements hsm.Informer.
func (t *Token) Info() hsm.Info {
	info := *t.state.Load()
	info.Queue = t.queue.info()
	info.Queue.Reopened = t.reopened.Load()
	if f := t.probe.Load(); f != nil {
		info.Findings = f.list
	}
	return info
}

// report keeps what Info says.
func (t *Token) report(g *login, problem error) {
	info := &hsm.Info{Backend: "pkcs11", URI: t.opt.Token.TokenURI().String()}
	if old := t.state.Load(); old != nil {
		*info = *old
	}
	info.Ready, info.Problem = problem == nil, ""
	if problem != nil {
		info.Problem = problem.Error()
	}
	if g != nil {
		info.URI, info.Model = g.uri.String(), g.uri.Manufacturer+" "+g.uri.Model
		info.Firmware = fmt.Sprintf("%d.%d", g.info.FirmwareVersion.Major, g.info.FirmwareVersion.Minor)
	}
	t.state.Store(info)
}

// work is one call at work: a login and one of its sessions.
type work struct {
	*Token
	*login
	s p11.SessionHandle
}

// openPatience is for somebody who types a PIN.
const openPatience = 2 * time.Minute

func run[T any](ctx context.Context, t *Token, what string, f func(*work) (T, error)) (T, error) {
	return runFor(ctx, t, t.opt.Timeout, what, f, func() {})
}

// runFor does a call in a worker, and once more when the token was lost and found.
func runFor[T any](ctx context.Context, t *Token, patience time.Duration, what string, f func(*work) (T, error), after func()) (T, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return call(limited, t.queue, what, func() (T, error) {
		for again := false; ; again = true {
			var none T
			g, err := t.login(limited)
			if err != nil {
				return none, err
			}
			v, err := inSession(t, g, f)
			l := lossOf(err)
			if l == kept {
				return v, err
			}
			t.lost(g, l, err)
			if again || limited.Err() != nil {
				return none, unavailable(err)
			}
		}
	}, after)
}

// inSession runs f with a session of the login.
func inSession[T any](t *Token, g *login, f func(*work) (T, error)) (T, error) {
	t.mod.mu.RLock()
	defer t.mod.mu.RUnlock()
	var none T
	if !t.mod.up || t.mod.epoch != g.epoch {
		return none, &errLost{session, "the module was initialised anew"}
	}
	s, ok := g.take()
	if !ok {
		return none, &errLost{session, "the login has ended"}
	}
	defer func() { t.closeSessions(g.put(s)) }()
	w := &work{Token: t, login: g, s: s}
	v, err := f(w)
	if lossOf(err) == suspect {
		if _, lost := t.api.GetTokenInfo(g.slot); lost != nil {
			return none, &errLost{token, fmt.Sprintf("%v; then %v", err, lost)}
		}
		// The token is there and refused this call.
		return none, &refused{err}
	}
	return v, err
}

// refused hides a code that would otherwise count as a loss.
type refused struct{ err error }

func (r *refused) Error() string { return r.err.Error() }

// lost closes the sessions of a login, unless somebody has already.
func (t *Token) lost(g *login, l loss, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now != g {
		return
	}
	t.now = nil
	t.renew = t.renew || l == token
	t.problem = why
	t.hangUp(g)
	t.report(nil, why)
	t.opt.Notify(why)
}
