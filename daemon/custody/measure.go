package custody

import (
	"context"
	"crypto"
	"errors"
	"sync/atomic"
	"time"

	"github.com/getvpn/getvpn/hsm"
)

// Measured is an hsm.Token that keeps account of every call of another, and knows its keys without asking each time: a
// snapshot never waits for a token. Several goroutines may use it.
type Measured struct {
	hsm.Token
	now   func() time.Time
	meter meter
	keys  inventory
	since atomic.Pointer[time.Time]
}

var _ hsm.Token = (*Measured)(nil)

// Measure begins the account.
func Measure(t hsm.Token) *Measured {
	m := &Measured{Token: t, now: time.Now}
	m.keys.list = func(ctx context.Context) ([]hsm.KeyInfo, error) { return m.Inventory(ctx) }
	return m
}

// Changed notes when the custody was lost, or found again.
func (m *Measured) Changed() {
	at := m.now().UTC()
	m.since.Store(&at)
}

// Sealer is the custody's own sealer of data at rest, if it has one; nil if not.
func (m *Measured) Sealer() hsm.Sealer {
	s, _ := m.Token.(hsm.Sealer)
	return s
}

func measured[T any](m *Measured, operation string, f func() (T, error)) (T, error) {
	from := m.now()
	v, err := f()
	m.meter.add(operation, m.now().Sub(from), m.now(), err)
	return v, err
}

func (m *Measured) do(operation string, f func() error) error {
	_, err := measured(m, operation, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// changing is do for what may change the list of keys, whether it succeeds or not.
func (m *Measured) changing(operation string, f func() error) error {
	err := m.do(operation, f)
	if !errors.Is(err, hsm.ErrExists) {
		m.keys.stale.Store(true)
	}
	return err
}

// Sign implements hsm.Signer.
func (m *Measured) Sign(ctx context.Context, key string, scheme hsm.Scheme, hash crypto.Hash, digest []byte) ([]byte, error) {
	return measured(m, "sign", func() ([]byte, error) { return m.Token.Sign(ctx, key, scheme, hash, digest) })
}

// Public implements hsm.Signer.
func (m *Measured) Public(ctx context.Context, key string) (crypto.PublicKey, error) {
	return measured(m, "public", func() (crypto.PublicKey, error) { return m.Token.Public(ctx, key) })
}

// Inventory implements hsm.Informer.
func (m *Measured) Inventory(ctx context.Context) ([]hsm.KeyInfo, error) {
	return measured(m, "list", func() ([]hsm.KeyInfo, error) { return m.Token.Inventory(ctx) })
}

// Ensure implements hsm.Maker.
func (m *Measured) Ensure(ctx context.Context, key string, spec hsm.Spec) error {
	return m.changing("make", func() error { return m.Token.Ensure(ctx, key, spec) })
}

// Destroy implements hsm.Maker.
func (m *Measured) Destroy(ctx context.Context, key string) error {
	return m.changing("destroy", func() error { return m.Token.Destroy(ctx, key) })
}

// EncryptCBC implements hsm.Encrypter.
func (m *Measured) EncryptCBC(ctx context.Context, key string, iv, plain []byte) ([]byte, error) {
	return measured(m, "encrypt", func() ([]byte, error) { return m.Token.EncryptCBC(ctx, key, iv, plain) })
}

// TransportKey implements hsm.Wrapper.
func (m *Measured) TransportKey(ctx context.Context, transport string) (hsm.TransportKey, error) {
	return measured(m, "public", func() (hsm.TransportKey, error) { return m.Token.TransportKey(ctx, transport) })
}

// Wrap implements hsm.Wrapper.
func (m *Measured) Wrap(ctx context.Context, key string, to hsm.TransportKey) ([]byte, error) {
	return measured(m, "wrap", func() ([]byte, error) { return m.Token.Wrap(ctx, key, to) })
}

// Unwrap implements hsm.Wrapper.
func (m *Measured) Unwrap(ctx context.Context, transport string, wrapped []byte, key string, spec hsm.Spec) error {
	return m.changing("unwrap", func() error { return m.Token.Unwrap(ctx, transport, wrapped, key, spec) })
}

// SealWith implements hsm.Vault.
func (m *Measured) SealWith(ctx context.Context, key string, plain, aad []byte) ([]byte, error) {
	return measured(m, "seal", func() ([]byte, error) { return m.Token.SealWith(ctx, key, plain, aad) })
}

// OpenWith implements hsm.Vault.
func (m *Measured) OpenWith(ctx context.Context, key string, sealed, aad []byte) ([]byte, error) {
	return measured(m, "open", func() ([]byte, error) { return m.Token.OpenWith(ctx, key, sealed, aad) })
}

// Random implements hsm.Random.
func (m *Measured) Random(ctx context.Context, n int) ([]byte, error) {
	return measured(m, "random", func() ([]byte, error) { return m.Token.Random(ctx, n) })
}

// Close implements hsm.Custody.
func (m *Measured) Close() error {
	m.keys.close()
	return m.Token.Close()
}
