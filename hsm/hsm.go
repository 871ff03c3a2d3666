// Package hsm is key custody: whoever holds the keys signs and seals, and the rest of the house only names keys.
//
// The interfaces are small on purpose. A token may be slow or gone, so every call takes a context, and callers run it
// in goroutines of their own with a timeout. Backends are safe for concurrent use. This package knows nothing of the
// protocol: algorithm numbers are its own.
package hsm

import (
	"context"
	"crypto"
	"errors"
)

// Errors of every backend.
var (
	ErrNoKey       = errors.New("hsm: no such key")
	ErrUnavailable = errors.New("hsm: the custody does not answer")
	ErrUnsupported = errors.New("hsm: not supported by this custody")
	ErrSealed      = errors.New("hsm: sealed data cannot be opened")
)

// Scheme is a signature's form.
type Scheme uint8

// Signature forms.
const (
	RSAPKCS1v15 Scheme = iota + 1 // EMSA-PKCS1-v1_5 with DigestInfo (RFC 8017 §9.2)
	RSABare                       // PKCS#1 type 1 padding of the bare digest (RFC 2409 §5.1)
)

// Signer signs digests with named keys.
type Signer interface {
	// Sign returns the signature of digest, made with hash, by the key of that name.
	Sign(ctx context.Context, key string, scheme Scheme, hash crypto.Hash, digest []byte) ([]byte, error)
	// Public returns the public half of the key.
	Public(ctx context.Context, key string) (crypto.PublicKey, error)
}

// Generator is the optional capability of making keys.
type Generator interface {
	// EnsureRSA makes an RSA key of that size unless a key of that name exists; a key of another size is an error.
	EnsureRSA(ctx context.Context, key string, bits int) error
}

// Sealer protects data at rest. What is sealed with one context (aad) opens only with the same.
type Sealer interface {
	Seal(plain, aad []byte) ([]byte, error)
	Open(sealed, aad []byte) ([]byte, error)
}
