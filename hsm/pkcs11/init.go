//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

var errLength = errors.New("hsm/pkcs11: a PIN is too short or too long")

// Tokens lists the tokens of a module, by slot; nobody logs in.
func Tokens(module string) ([]TokenState, error) {
	m, err := beginModule(module)
	if err != nil {
		return nil, err
	}
	defer m.release()
	return m.tokens()
}

// Init gives a token a label, a security officer and a user, and with that destroys what it held: so only where nothing
// matches Token, or with Wipe. It returns the token's name. ErrExists says that the token is there and was left alone.
func Init(ctx context.Context, o InitOptions) (hsm.URI, error) {
	if err := o.check(); err != nil {
		return hsm.URI{}, err
	}
	m, err := beginModule(o.Module)
	if err != nil {
		return hsm.URI{}, err
	}
	defer m.release()
	chosen, err := m.choose(o)
	if err != nil {
		return hsm.URI{}, err
	}
	officer, err := o.OfficerPIN(ctx)
	if err != nil {
		return hsm.URI{}, err
	}
	defer clear(officer)
	pin, err := o.PIN(ctx)
	if err != nil {
		return hsm.URI{}, err
	}
	defer clear(pin)
	// After C_InitToken it would be too late to find that out.
	for _, p := range [][]byte{officer, pin} {
		if least, most := chosen.MinPIN, chosen.MaxPIN; len(p) < least || most > 0 && len(p) > most {
			return hsm.URI{}, fmt.Errorf("%w: the token takes %d to %d octets; nothing was done", errLength, least, most)
		}
	}
	a := &api{Ctx: m.ctx, fault: func(string) uint { return 0 }}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if err := a.withPIN("C_InitToken", officer, func(text string) error { return a.InitToken(chosen.slot, text, o.Token.Token) }); err != nil {
		if is(err, p11.CKR_SESSION_EXISTS) {
			err = fmt.Errorf("%w: a process has the token open: stop the daemon first", err)
		}
		if refusedPIN(err) {
			err = fmt.Errorf("the token refused the security officer's PIN; after some more it locks itself: %w", err)
		}
		return hsm.URI{}, fmt.Errorf("hsm/pkcs11: %w", err)
	}
	if err := a.setUserPIN(chosen.slot, officer, pin); err != nil {
		return hsm.URI{}, fmt.Errorf("hsm/pkcs11: the token has a label now, but its user has no PIN: %w; do it again with Wipe", err)
	}
	ti, err := a.GetTokenInfo(chosen.slot)
	if err != nil {
		return hsm.URI{}, err
	}
	return uriOf(ti), nil
}

// setUserPIN is what the security officer does after C_InitToken.
func (a *api) setUserPIN(slot uint, officer, pin []byte) error {
	s, err := get(a, "C_OpenSession", func() (p11.SessionHandle, error) {
		return a.OpenSession(slot, p11.CKF_SERIAL_SESSION|p11.CKF_RW_SESSION)
	})
	if err != nil {
		return err
	}
	defer a.CloseSession(s) //nolint:errcheck // it logs out, too, and there is nothing to do about a failure
	if err := a.withPIN("C_Login", officer, func(text string) error { return a.Login(s, p11.CKU_SO, text) }); err != nil {
		return err
	}
	return a.withPIN("C_InitPIN", pin, func(text string) error { return a.InitPIN(s, text) })
}

// beginModule loads a module and initialises it, if nobody has; the caller releases it.
func beginModule(path string) (*module, error) {
	m, err := acquire(path)
	if err != nil {
		return nil, err
	}
	if err := m.begin(0); err != nil {
		m.release()
		return nil, err
	}
	return m, nil
}

func (m *module) tokens() ([]TokenState, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	slots, err := m.ctx.GetSlotList(true)
	if err != nil {
		return nil, in("C_GetSlotList", err)
	}
	var out []TokenState
	for _, s := range slots {
		ti, err := m.ctx.GetTokenInfo(s)
		if err != nil {
			continue // it was taken out meanwhile
		}
		set := func(flag uint) bool { return ti.Flags&flag != 0 }
		out = append(out, TokenState{
			URI: uriOf(ti), Initialised: set(p11.CKF_TOKEN_INITIALIZED), PINSet: set(p11.CKF_USER_PIN_INITIALIZED),
			PINLow: set(p11.CKF_USER_PIN_COUNT_LOW | p11.CKF_USER_PIN_FINAL_TRY), PINLocked: set(p11.CKF_USER_PIN_LOCKED),
			WriteProtected: set(p11.CKF_WRITE_PROTECTED), MinPIN: int(ti.MinPinLen), MaxPIN: int(ti.MaxPinLen), slot: s, //nolint:gosec // lengths of PINs
		})
	}
	return out, nil
}

// choose finds the token that is to be initialised.
func (m *module) choose(o InitOptions) (TokenState, error) {
	all, err := m.tokens()
	if err != nil {
		return TokenState{}, err
	}
	var match, free []TokenState
	for _, t := range all {
		bySerial := o.Token.Serial == "" || t.URI.Serial == o.Token.Serial
		switch {
		case t.Initialised && o.Token.Matches(t.URI):
			match = append(match, t)
		case !t.Initialised && bySerial && !t.WriteProtected:
			free = append(free, t)
		}
	}
	names := func(of []TokenState) string {
		var s []string
		for _, t := range of {
			s = append(s, t.URI.String())
		}
		return list(s)
	}
	switch {
	case len(match) == 1 && o.Wipe:
		return match[0], nil
	case len(match) == 1:
		return TokenState{}, fmt.Errorf("%w: the token %s is initialised, and was left alone", hsm.ErrExists, match[0].URI)
	case len(match) > 1:
		return TokenState{}, fmt.Errorf("%w: %d tokens match %s: name the serial too: %s", errAmbiguous, len(match), o.Token.TokenURI(), names(match))
	case len(free) == 1:
		return free[0], nil
	case len(free) == 0:
		return TokenState{}, fmt.Errorf("hsm/pkcs11: %s has no token that waits to be initialised; it has %d: %s; reset one with the vendor's tool, or name one that may be wiped", m.path, len(all), names(all))
	}
	return TokenState{}, fmt.Errorf("hsm/pkcs11: %s has %d tokens that wait to be initialised: name one by its serial: %s", m.path, len(free), names(free))
}
