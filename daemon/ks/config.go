package ks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/hsm"
)

// Check finds what is wrong with a configuration beyond what package config knows; it makes no keys.
func Check(c *config.KS) error {
	if err := custody.Loadable(c.Custody); err != nil {
		return err
	}
	var any standIns
	_, err := translate.KeyServerNode(c, c.Listen, nil, func(_ string, k config.KEK) (translate.SignatureKey, error) {
		der, err := any.of(k)
		return translate.SignatureKey{Name: k.SignatureKey, Public: der}, err
	})
	return err
}

// standIns are public keys for groups whose own is not there yet: whether a group is valid depends on the kind of its key, not
// on the key. Nobody signs with them.
type standIns map[hsm.Kind][]byte

func (s *standIns) of(k config.KEK) ([]byte, error) {
	kind := signatureSpec(k).Kind
	if der := (*s)[kind]; der != nil {
		return der, nil
	}
	var key crypto.Signer
	var err error
	switch kind {
	case hsm.P256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case hsm.P384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default: // of any size
		key, err = rsa.GenerateKey(rand.Reader, suite.MinRSABits)
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err == nil {
		if *s == nil {
			*s = standIns{}
		}
		(*s)[kind] = der
	}
	return der, err
}

// keyStore is what the key server needs of a custody.
type keyStore interface {
	hsm.Signer
	hsm.Maker
}

// publicKey makes sure that the key is there.
func publicKey(ctx context.Context, h keyStore, k config.KEK) ([]byte, error) {
	err := h.Ensure(ctx, k.SignatureKey, signatureSpec(k))
	if errors.Is(err, hsm.ErrKey) {
		return nil, fmt.Errorf("%w: %s", err, otherKey(k))
	}
	if err != nil {
		return nil, err
	}
	return knownKey(ctx, h, k)
}

// otherKey is what to do where the key of a name is of another kind.
func otherKey(k config.KEK) string {
	if k.Signature == suite.SignatureRSA {
		return "set signature and signature-bits to that, or name another key in signature-key"
	}
	return "set signature to that, or name another key in signature-key"
}

// knownKey is the public half of a key that is there, if it is of the kind that the configuration says.
func knownKey(ctx context.Context, h hsm.Signer, k config.KEK) ([]byte, error) {
	pub, err := h.Public(ctx, k.SignatureKey)
	if err != nil {
		return nil, err
	}
	key, err := suite.NewSignatureKey(pub)
	if err != nil {
		return nil, err
	}
	if key.Signature() != k.Signature {
		return nil, fmt.Errorf("%w: it is %v, and kek.signature says %v: %s", hsm.ErrKey, key, k.Signature, otherKey(k))
	}
	return x509.MarshalPKIXPublicKey(pub)
}
