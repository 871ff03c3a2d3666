// Package hsmtest tests custodies: one suite that every backend passes, faults to inject, and SoftHSM tokens.
package hsmtest

import (
	"context"
	"crypto"
	"fmt"
	"sync"
	"time"

	"github.com/getvpn/getvpn/hsm"
)

// CK_RV of PKCS#11 that faults use.
const (
	DeviceMemory         = 0x31
	DeviceRemoved        = 0x32
	SessionHandleInvalid = 0xB3
	TokenNotPresent      = 0xE0
	UserNotLoggedIn      = 0x101
)

// Faults makes a custody misbehave. The zero value does nothing. It works in two places: Around wraps any custody, and
// PKCS11 is the Fault of the pkcs11 backend's options, below its own recovery.
type Faults struct {
	mu    sync.Mutex
	delay time.Duration
	gone  bool
	full  bool
	once  map[string][]uint
	held  chan struct{}
	calls int
}

// Slow makes every call take that much longer.
func (f *Faults) Slow(d time.Duration) { f.set(func() { f.delay = d }) }

// Gone makes the token vanish, or return.
func (f *Faults) Gone(gone bool) { f.set(func() { f.gone = gone }) }

// Full makes the token have no place for keys.
func (f *Faults) Full(full bool) { f.set(func() { f.full = full }) }

// Once makes the next call of a PKCS#11 function return rv; several are returned one after the other. An empty name is
// any function.
func (f *Faults) Once(function string, rv ...uint) {
	f.set(func() {
		if f.once == nil {
			f.once = map[string][]uint{}
		}
		f.once[function] = append(f.once[function], rv...)
	})
}

// Hold makes calls hang until the function that it returns is called.
func (f *Faults) Hold() (release func()) {
	held := make(chan struct{})
	f.set(func() { f.held = held })
	return sync.OnceFunc(func() {
		f.set(func() { f.held = nil })
		close(held)
	})
}

// Calls is the number of calls that came so far.
func (f *Faults) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *Faults) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// PKCS11 is called before a function of the module; what is not 0 is returned in its place.
func (f *Faults) PKCS11(function string) uint {
	f.mu.Lock()
	f.calls++
	delay, held := f.delay, f.held
	var rv uint
	for _, name := range []string{function, ""} {
		if list := f.once[name]; rv == 0 && len(list) > 0 {
			rv, f.once[name] = list[0], list[1:]
		}
	}
	switch makes := function == "C_GenerateKey" || function == "C_GenerateKeyPair" || function == "C_UnwrapKey" || function == "C_CreateObject"; {
	case rv != 0:
	case f.gone:
		rv = DeviceRemoved
		if function == "C_GetTokenInfo" {
			rv = TokenNotPresent
		}
	case f.full && makes:
		rv = DeviceMemory
	}
	f.mu.Unlock()
	if held != nil {
		<-held
	}
	time.Sleep(delay)
	return rv
}

// before is the fault of a call to a custody.
func (f *Faults) before(ctx context.Context, makes bool) error {
	f.mu.Lock()
	f.calls++
	delay, held, gone, full := f.delay, f.held, f.gone, f.full
	f.mu.Unlock()
	late := func() error { return fmt.Errorf("%w: injected: %w", hsm.ErrUnavailable, ctx.Err()) }
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return late()
		}
	}
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return late()
		}
	}
	switch {
	case gone:
		return fmt.Errorf("%w: injected: the token is gone", hsm.ErrUnavailable)
	case full && makes:
		return fmt.Errorf("hsmtest: injected: the token is full")
	}
	return nil
}

// Around returns the custody with the faults before it.
func (f *Faults) Around(t hsm.Token) hsm.Token { return &faulty{t, f} }

type faulty struct {
	hsm.Token
	f *Faults
}

func with[T any](ctx context.Context, f *Faults, makes bool, call func() (T, error)) (T, error) {
	if err := f.before(ctx, makes); err != nil {
		var none T
		return none, err
	}
	return call()
}

func (x *faulty) Sign(ctx context.Context, key string, scheme hsm.Scheme, hash crypto.Hash, digest []byte) ([]byte, error) {
	return with(ctx, x.f, false, func() ([]byte, error) { return x.Token.Sign(ctx, key, scheme, hash, digest) })
}

func (x *faulty) Public(ctx context.Context, key string) (crypto.PublicKey, error) {
	return with(ctx, x.f, false, func() (crypto.PublicKey, error) { return x.Token.Public(ctx, key) })
}

func (x *faulty) Inventory(ctx context.Context) ([]hsm.KeyInfo, error) {
	return with(ctx, x.f, false, func() ([]hsm.KeyInfo, error) { return x.Token.Inventory(ctx) })
}

func (x *faulty) Ensure(ctx context.Context, key string, spec hsm.Spec) error {
	if err := x.f.before(ctx, true); err != nil {
		return err
	}
	return x.Token.Ensure(ctx, key, spec)
}

func (x *faulty) Destroy(ctx context.Context, key string) error {
	if err := x.f.before(ctx, false); err != nil {
		return err
	}
	return x.Token.Destroy(ctx, key)
}

func (x *faulty) EncryptCBC(ctx context.Context, key string, iv, plain []byte) ([]byte, error) {
	return with(ctx, x.f, false, func() ([]byte, error) { return x.Token.EncryptCBC(ctx, key, iv, plain) })
}

func (x *faulty) TransportKey(ctx context.Context, key string) (hsm.TransportKey, error) {
	return with(ctx, x.f, false, func() (hsm.TransportKey, error) { return x.Token.TransportKey(ctx, key) })
}

func (x *faulty) Wrap(ctx context.Context, key string, to hsm.TransportKey) ([]byte, error) {
	return with(ctx, x.f, false, func() ([]byte, error) { return x.Token.Wrap(ctx, key, to) })
}

func (x *faulty) Unwrap(ctx context.Context, transport string, wrapped []byte, key string, spec hsm.Spec) error {
	if err := x.f.before(ctx, true); err != nil {
		return err
	}
	return x.Token.Unwrap(ctx, transport, wrapped, key, spec)
}

func (x *faulty) SealWith(ctx context.Context, key string, plain, aad []byte) ([]byte, error) {
	return with(ctx, x.f, false, func() ([]byte, error) { return x.Token.SealWith(ctx, key, plain, aad) })
}

func (x *faulty) OpenWith(ctx context.Context, key string, sealed, aad []byte) ([]byte, error) {
	return with(ctx, x.f, false, func() ([]byte, error) { return x.Token.OpenWith(ctx, key, sealed, aad) })
}

func (x *faulty) Random(ctx context.Context, n int) ([]byte, error) {
	return with(ctx, x.f, false, func() ([]byte, error) { return x.Token.Random(ctx, n) })
}

func (x *faulty) Info() hsm.Info {
	info := x.Token.Info()
	x.f.mu.Lock()
	defer x.f.mu.Unlock()
	if x.f.gone {
		info.Ready, info.Problem = false, "injected: the token is gone"
	}
	return info
}
