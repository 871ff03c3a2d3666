//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

// login is the sessions of one login, and the handles that are good in it.
type login struct {
	epoch uint64
	slot  uint
	uri   hsm.URI
	info  p11.TokenInfo
	count int // of sessions
	idle  chan p11.SessionHandle
	ended chan struct{} // closed when the login is given up

	keysMu sync.Mutex
	keys   map[string]*object
	// canary is some object of the token: when its handle is good, what is not found is not there. A module that has lost
	// sight of its token may answer searches with nothing, and a key must not be made twice for that.
	canary p11.ObjectHandle
}

// take waits for a session; there is none when the login has ended.
func (g *login) take() (p11.SessionHandle, bool) {
	select {
	case <-g.ended:
		return 0, false
	default:
	}
	select {
	case s := <-g.idle:
		return s, true
	case <-g.ended:
		return 0, false
	}
}

// put gives a session back, and returns those to be closed: a session is closed only when nobody is in it.
func (g *login) put(s p11.SessionHandle) []p11.SessionHandle {
	g.idle <- s
	select {
	case <-g.ended:
		return g.drain()
	default:
		return nil
	}
}

func (g *login) drain() (all []p11.SessionHandle) {
	for {
		select {
		case s := <-g.idle:
			all = append(all, s)
		default:
			return all
		}
	}
}

// login returns the login, made anew if the token was lost.
func (t *Token) login(ctx context.Context) (*login, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.final != nil {
		return nil, t.final
	}
	if t.now != nil {
		return t.now, nil
	}
	if time.Since(t.attempt) < t.opt.Backoff {
		return nil, unavailable(t.problem)
	}
	g, err := t.find(ctx)
	if err != nil {
		t.attempt, t.problem = time.Now(), err
		if refusedPIN(err) {
			err = fmt.Errorf("%w: %w", errPIN, err)
			t.final = unavailable(err)
		}
		err = unavailable(err)
		t.report(nil, err)
		return nil, err
	}
	if t.seen > 0 {
		t.reopened.Add(1)
		t.opt.Notify(nil)
	}
	t.now, t.seen, t.renew, t.problem = g, g.epoch, false, nil
	t.attempt, t.renewed = time.Time{}, time.Time{}
	t.report(g, nil)
	return g, nil
}

// renewEvery times the backoff is the least time between two beginnings of the module that did not bring the token back.
const renewEvery = 4

// find looks for the token: as the module is, and if it is not there, with the module initialised anew.
func (t *Token) find(ctx context.Context) (*login, error) {
	epoch := t.epoch()
	if !t.renew {
		g, err := t.enter(ctx)
		if err == nil || errors.Is(err, errAmbiguous) || refusedPIN(err) || lossOf(err) == kept {
			return g, err
		}
	} else if t.seen > 0 {
		epoch = t.seen // somebody else may have begun anew since
	}
	// Other tokens of the module lose their sessions by it, so not too often when it does not help.
	if time.Since(t.renewed) < renewEvery*t.opt.Backoff {
		return nil, t.problem
	}
	t.renewed = time.Now()
	if err := t.mod.begin(epoch); err != nil {
		return nil, err
	}
	return t.enter(ctx)
}

func (t *Token) epoch() uint64 {
	t.mod.mu.RLock()
	defer t.mod.mu.RUnlock()
	return t.mod.epoch
}

// enter opens the sessions and logs in.
func (t *Token) enter(ctx context.Context) (*login, error) {
	t.mod.mu.RLock()
	defer t.mod.mu.RUnlock()
	if !t.mod.up {
		return nil, &errLost{token, "the module is not initialised"}
	}
	slot, uri, info, err := t.mod.find(t.api, t.opt.Token)
	if err != nil {
		return nil, err
	}
	g := &login{epoch: t.mod.epoch, slot: slot, uri: uri, info: info, keys: map[string]*object{}, idle: make(chan p11.SessionHandle, t.opt.Sessions), ended: make(chan struct{})}
	var first p11.SessionHandle
	for g.count < t.opt.Sessions {
		s, err := get(t.api, "C_OpenSession", func() (p11.SessionHandle, error) {
			return t.api.OpenSession(slot, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
		})
		if is(err, p11.CKR_SESSION_COUNT) && g.count > 0 {
			break // the token has fewer: calls share them
		}
		if err == nil {
			g.idle <- s
			if g.count++; g.count == 1 {
				first = s
				err = t.authenticate(ctx, s)
			}
		}
		if err != nil {
			t.closeSessions(g.drain())
			return nil, err
		}
	}
	objects, err := t.api.find(first, 1, attr(p11.CKA_TOKEN, true))
	if err != nil {
		t.closeSessions(g.drain())
		return nil, err
	}
	if len(objects) > 0 {
		g.canary = objects[0]
	}
	return g, nil
}

func (t *Token) authenticate(ctx context.Context, s p11.SessionHandle) error {
	pin, err := t.opt.PIN(ctx)
	if err != nil {
		return err
	}
	// The login is the token's, for the whole process, so it may be there already.
	if err := t.api.login(t.mod.path, s, pin); err != nil && !is(err, p11.CKR_USER_ALREADY_LOGGED_IN) {
		return err
	}
	return nil
}

// hangUp ends a login; sessions in use are closed when they are given back.
func (t *Token) hangUp(g *login) {
	t.mod.mu.RLock()
	defer t.mod.mu.RUnlock()
	close(g.ended)
	if all := g.drain(); t.mod.up && t.mod.epoch == g.epoch {
		t.closeSessions(all)
	}
}

func (t *Token) closeSessions(all []p11.SessionHandle) {
	for _, s := range all {
		_ = t.api.CloseSession(s) // there is nothing to do about a failure: it is lost in either case
	}
}

// lostBy returns the loss that is behind an error of a mechanism, or nil. What a token says of octets that were changed
// is not agreed upon (CKR_ENCRYPTED_DATA_INVALID, CKR_GENERAL_ERROR, ...), so it is asked.
func (w *work) lostBy(err error) error {
	if gone(err) {
		return err
	}
	return w.there()
}

// there tells whether the token can be believed when it finds nothing.
func (w *work) there() error {
	if _, err := w.api.GetTokenInfo(w.slot); err != nil {
		return &errLost{token, err.Error()}
	}
	w.keysMu.Lock()
	canary := w.canary
	w.keysMu.Unlock()
	if canary == 0 {
		return nil
	}
	_, err := w.api.attrs(w.s, canary, p11.CKA_CLASS)
	return err // an invalid handle is a loss
}
