package hsm

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // for OAEP, which does not rest on collisions
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"

	"github.com/getvpn/getvpn/hsm/wipe"
)

// OAEP is the hash of RSA-OAEP (RFC 8017 §7.1), of its mask too; the label is empty.
type OAEP uint8

// Forms of OAEP. SHA-1 is for tokens that have nothing else (SoftHSM 2.6.1); the security of OAEP does not rest on the
// collisions that SHA-1 has, but policies may forbid it, so it must be allowed explicitly.
const (
	OAEPSHA256 OAEP = iota + 1
	OAEPSHA1
)

func (o OAEP) String() string { return name(int(o), "OAEP-SHA-256", "OAEP-SHA-1") }

// New is the hash.
func (o OAEP) New() hash.Hash {
	if o == OAEPSHA1 {
		return sha1.New() //nolint:gosec // see above
	}
	return sha256.New()
}

// TransportKey is where wrapped keys go: the public half of a key in another custody, with the form that custody can
// undo. Whoever wraps must know from elsewhere whose it is.
type TransportKey struct {
	Public *rsa.PublicKey
	OAEP   OAEP
}

// Wrapper moves AES keys between custodies.
type Wrapper interface {
	// TransportKey returns the public half of a key whose Use is Transport.
	TransportKey(ctx context.Context, transport string) (TransportKey, error)
	// Wrap encrypts a movable key for whoever has the private half of to.
	Wrap(ctx context.Context, key string, to TransportKey) ([]byte, error)
	// Unwrap makes a key of what was wrapped for the transport key. ErrExists if the name is taken.
	Unwrap(ctx context.Context, transport string, wrapped []byte, key string, spec Spec) error
}

// MarshalBinary returns the form as one octet and the key as SubjectPublicKeyInfo.
func (k TransportKey) MarshalBinary() ([]byte, error) {
	if err := k.Check(); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil {
		return nil, fmt.Errorf("hsm: %w", err)
	}
	return append([]byte{byte(k.OAEP)}, der...), nil
}

// ParseTransportKey reverses MarshalBinary; what it accepts marshals to the same octets.
func ParseTransportKey(b []byte) (TransportKey, error) {
	if len(b) < 2 || len(b) > 1024 {
		return TransportKey{}, fmt.Errorf("%w: %d octets are no transport key", ErrKey, len(b))
	}
	public, err := x509.ParsePKIXPublicKey(b[1:])
	if err != nil {
		return TransportKey{}, fmt.Errorf("%w: transport key: %w", ErrKey, err)
	}
	rsaKey, _ := public.(*rsa.PublicKey)
	k := TransportKey{Public: rsaKey, OAEP: OAEP(b[0])}
	again, err := k.MarshalBinary()
	if err != nil {
		return TransportKey{}, err
	}
	if string(again) != string(b) {
		return TransportKey{}, fmt.Errorf("%w: transport key is not in its only form", ErrKey)
	}
	return k, nil
}

// Check refuses what nothing should be wrapped under.
func (k TransportKey) Check() error {
	switch {
	case k.Public == nil:
		return fmt.Errorf("%w: a transport key is an RSA key", ErrKey)
	case RSAOf(k.Public.N.BitLen()) == 0 || k.Public.N.BitLen() > 4096 || k.Public.E != 65537:
		return fmt.Errorf("%w: a transport key has 2048 to 4096 bits and the exponent 65537, not %d and %d", ErrKey, k.Public.N.BitLen(), k.Public.E)
	case k.OAEP != OAEPSHA256 && k.OAEP != OAEPSHA1:
		return fmt.Errorf("%w: OAEP form %d is unknown", ErrKey, k.OAEP)
	}
	return nil
}

// Window is how a process sees the value of a movable key, as GDOI forces it to: the KEK goes in clear into the
// registration message. The custody wraps the key for a transport key that only this process has.
type Window struct{ key *rsa.PrivateKey }

// NewWindow makes the key; it lives as long as the process.
func NewWindow() (*Window, error) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("hsm: %w", err)
	}
	return &Window{key: k}, nil
}

// Reveal returns the value of a movable key. The caller wipes it (clear) as soon as the message is made.
func (w *Window) Reveal(ctx context.Context, h Wrapper, key string) ([]byte, error) {
	// The value does not travel, so the weaker form loses nothing.
	form := OAEPSHA256
	wrapped, err := h.Wrap(ctx, key, TransportKey{Public: &w.key.PublicKey, OAEP: form})
	if errors.Is(err, ErrUnsupported) {
		form = OAEPSHA1
		wrapped, err = h.Wrap(ctx, key, TransportKey{Public: &w.key.PublicKey, OAEP: form})
	}
	if err != nil {
		return nil, err
	}
	defer clear(wrapped) // with the key of the window it is as good as the value
	out := make([]byte, 0, maxValue)
	wipe.After(func() {
		var value []byte
		if value, err = rsa.DecryptOAEP(form.New(), nil, w.key, wrapped, nil); err == nil {
			out = append(out, value...)
		}
		clear(value)
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWrapped, err)
	}
	return out, nil
}

const maxValue = 32 // octets of AES-256

// Import brings a key that the process has (derived, or received in clear) into a custody, wrapped under the custody's
// own transport key. The caller wipes the value.
func Import(ctx context.Context, h Wrapper, transport, key string, value []byte, spec Spec) error {
	if AESOf(len(value)) != spec.Kind {
		return fmt.Errorf("%w: %d octets are no %s key", ErrKey, len(value), spec.Kind)
	}
	to, err := h.TransportKey(ctx, transport)
	if err != nil {
		return err
	}
	var wrapped []byte
	wipe.After(func() { wrapped, err = rsa.EncryptOAEP(to.OAEP.New(), rand.Reader, to.Public, value, nil) })
	if err != nil {
		return fmt.Errorf("hsm: %w", err)
	}
	return h.Unwrap(ctx, transport, wrapped, key, spec)
}
