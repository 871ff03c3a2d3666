package hsmtest

import (
	"context"
	"crypto"
	"strings"

	"github.com/getvpn/getvpn/hsm"
)

// liar is a custody that does one thing wrong.
type liar struct {
	hsm.Token
	about string
}

func (l liar) bend(about string, b []byte, err error) ([]byte, error) {
	if err == nil && about == l.about {
		b[len(b)-1] ^= 1
	}
	return b, err
}

func (l liar) Sign(ctx context.Context, key string, s hsm.Scheme, h crypto.Hash, digest []byte) ([]byte, error) {
	b, err := l.Token.Sign(ctx, key, s, h, digest)
	return l.bend(s.String(), b, err)
}

func (l liar) EncryptCBC(ctx context.Context, key string, iv, plain []byte) ([]byte, error) {
	b, err := l.Token.EncryptCBC(ctx, key, iv, plain)
	return l.bend("encrypt", b, err)
}

// Unwrap makes a new key instead.
func (l liar) Unwrap(ctx context.Context, transport string, wrapped []byte, key string, spec hsm.Spec) error {
	if l.about == "unwrap" {
		return l.Ensure(ctx, key, spec)
	}
	return l.Token.Unwrap(ctx, transport, wrapped, key, spec)
}

// OpenWith opens whatever the context is.
func (l liar) OpenWith(ctx context.Context, key string, sealed, aad []byte) ([]byte, error) {
	if l.about == "aad" {
		aad = []byte("selftest")
	}
	return l.Token.OpenWith(ctx, key, sealed, aad)
}

func (l liar) Random(ctx context.Context, n int) ([]byte, error) {
	if l.about == "random" {
		return make([]byte, n), nil
	}
	return l.Token.Random(ctx, n)
}

// Destroy does not.
func (l liar) Destroy(ctx context.Context, key string) error {
	if l.about == "destroy" {
		return hsm.ErrUnavailable
	}
	return l.Token.Destroy(ctx, key)
}

// selftests: a good custody passes, leaves nothing, and each lie is found by the part that it is about.
func selftests(o *one) {
	count := func() (n int) {
		o.Helper()
		keys, err := o.h.Inventory(o.Context())
		if err != nil {
			o.Fatal(err)
		}
		for _, k := range keys {
			if strings.HasPrefix(k.Name, "getvpn-selftest-") {
				n++
			}
		}
		return n
	}
	parts := 0
	if err := hsm.Selftest(o.Context(), o.h, func(part string, err error) {
		if parts++; err != nil {
			o.Errorf("%s: %v", part, err)
		}
	}); err != nil || parts < 6 {
		o.Errorf("%d parts, and then: %v", parts, err)
	}
	if n := count(); n != 0 {
		o.Errorf("%d keys are left behind", n)
	}
	for about, part := range map[string]string{
		"random": "random octets", "RSA-PKCS1v15": "RSA signature", "ECDSA-r|s": "ECDSA signature", "encrypt": "AES-CBC encryption",
		"unwrap": "wrapping and unwrapping", "aad": "sealing", "destroy": "removal",
	} {
		var failed []string
		err := hsm.Selftest(o.Context(), liar{o.h, about}, func(part string, err error) {
			if err != nil {
				failed = append(failed, part)
			}
		})
		if err == nil || len(failed) != 1 || !strings.HasPrefix(failed[0], part) {
			o.Errorf("a custody that lies about %s: %q: %v", about, failed, err)
		}
	}
	keys, err := o.h.Inventory(o.Context())
	if err != nil {
		o.Fatal(err)
	}
	for _, k := range keys {
		if strings.HasPrefix(k.Name, "getvpn-selftest-") { // of the one that does not destroy
			o.discard(k.Name)
		}
	}
}
