// Package hsm is key custody: whoever holds the keys signs and seals, and the rest of the house only names keys.
//
//	Custody = Signer + Informer + Close       what every backend does
//	Maker, Encrypter, Wrapper, Vault, Random  capabilities; a backend may lack some
//	Token   = all of them                     package soft (files) and package pkcs11 (tokens) are both
//
// Keys are named by a label ("rekey") or by an RFC 7512 URI ("pkcs11:token=ks1;object=rekey"); see URI. A token may be
// slow or gone, so every call takes a context, and callers run it in goroutines of their own. Backends are safe for
// concurrent use. This package knows nothing of the protocol: algorithm numbers are its own.
//
// No interface here returns the value of a key. What the protocol must have in clear (the KEK in a registration) goes
// through a Window, which shows what that costs and where it happens.
package hsm

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
)

// Errors of every backend.
var (
	ErrNoKey       = errors.New("hsm: no such key")
	ErrExists      = errors.New("hsm: a key of that name is there already")
	ErrKey         = errors.New("hsm: the key is not what was asked for")
	ErrUnavailable = errors.New("hsm: the custody does not answer")
	ErrUnsupported = errors.New("hsm: not supported by this custody")
	ErrSealed      = errors.New("hsm: sealed data cannot be opened")
	ErrWrapped     = errors.New("hsm: wrapped key cannot be unwrapped")

	// ErrBusy is an ErrUnavailable: more callers wait for the token than the queue has places.
	ErrBusy = fmt.Errorf("%w: its queue is full", ErrUnavailable)
)

// Scheme is a signature's form.
type Scheme uint8

// Signature forms.
const (
	RSAPKCS1v15 Scheme = iota + 1 // EMSA-PKCS1-v1_5 with DigestInfo (RFC 8017 §9.2)
	RSABare                       // PKCS#1 type 1 padding of the bare digest (RFC 2409 §5.1)
	ECDSAConcat                   // r | s, each as wide as the curve's order (RFC 4754 §7)
)

func (s Scheme) String() string {
	return name(int(s), "RSA-PKCS1v15", "RSA-bare", "ECDSA-r|s")
}

// Signer signs digests with named keys.
type Signer interface {
	// Sign returns the signature of digest, made with hash, by the key of that name.
	Sign(ctx context.Context, key string, scheme Scheme, hash crypto.Hash, digest []byte) ([]byte, error)
	// Public returns the public half of the key.
	Public(ctx context.Context, key string) (crypto.PublicKey, error)
}

// Custody is what every backend does.
type Custody interface {
	Signer
	Informer
	io.Closer
}

// Token has every capability.
type Token interface {
	Custody
	Maker
	Encrypter
	Wrapper
	Vault
	Random
}

// Maker makes and removes keys.
type Maker interface {
	// Ensure makes the key unless it exists; one that does not fit the Spec is ErrKey. In a token a signing key has
	// signed, and the signature was verified, when Ensure returns.
	Ensure(ctx context.Context, key string, spec Spec) error
	// Destroy removes the key; ErrNoKey if there is none.
	Destroy(ctx context.Context, key string) error
}

// Encrypter encrypts with an AES key that stays where it is.
type Encrypter interface {
	// EncryptCBC encrypts whole blocks, without padding.
	EncryptCBC(ctx context.Context, key string, iv, plain []byte) ([]byte, error)
}

// Vault seals under an AES key that stays where it is (Spec.Use is Seal). See Envelope for a Sealer made of it.
type Vault interface {
	SealWith(ctx context.Context, key string, plain, aad []byte) ([]byte, error)
	OpenWith(ctx context.Context, key string, sealed, aad []byte) ([]byte, error)
}

// Random draws from the custody's generator.
type Random interface {
	Random(ctx context.Context, n int) ([]byte, error)
}

// Sealer protects data at rest. What is sealed with one context (aad) opens only with the same.
type Sealer interface {
	Seal(plain, aad []byte) ([]byte, error)
	Open(sealed, aad []byte) ([]byte, error)
}
