package hsm

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	envelopeAAD = "getvpn envelope 1"
	boxVersion  = 1
)

// Envelope is a Sealer whose data key lies sealed under a key of a Vault. The token is asked once, when the envelope is
// opened; after that sealing takes no call of the token, and goes on when the token is gone. The price: the data key is
// in the memory of the process while it runs. At rest, and on a stolen disk, it is worth nothing without the token.
type Envelope struct{ aead cipher.AEAD }

// OpenEnvelope opens the envelope that was stored, or makes one when stored is empty. It returns what to store.
func OpenEnvelope(ctx context.Context, v Vault, key string, stored []byte) (*Envelope, []byte, error) {
	var data []byte
	if len(stored) == 0 {
		data = make([]byte, chacha20poly1305.KeySize)
		_, _ = rand.Read(data) // never fails
		var err error
		if stored, err = v.SealWith(ctx, key, data, []byte(envelopeAAD)); err != nil {
			return nil, nil, err
		}
		clear(data)
		// What cannot be opened must be known before anything is sealed with it.
	}
	data, err := v.OpenWith(ctx, key, stored, []byte(envelopeAAD))
	if err != nil {
		return nil, nil, err
	}
	defer clear(data)
	aead, err := chacha20poly1305.NewX(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: data key of %d octets", ErrSealed, len(data))
	}
	return &Envelope{aead: aead}, stored, nil
}

// Seal implements Sealer.
func (e *Envelope) Seal(plain, aad []byte) ([]byte, error) { return SealBox(e.aead, plain, aad), nil }

// Open implements Sealer.
func (e *Envelope) Open(sealed, aad []byte) ([]byte, error) { return OpenBox(e.aead, sealed, aad) }

// SealBox returns version | nonce | ciphertext | tag. The nonce is drawn at random, so the AEAD must have a wide one.
func SealBox(aead cipher.AEAD, plain, aad []byte) []byte {
	n := aead.NonceSize()
	out := make([]byte, 1+n, 1+n+len(plain)+aead.Overhead())
	out[0] = boxVersion
	_, _ = rand.Read(out[1:]) // never fails
	return aead.Seal(out, out[1:1+n], plain, aad)
}

// OpenBox reverses SealBox.
func OpenBox(aead cipher.AEAD, sealed, aad []byte) ([]byte, error) {
	n := aead.NonceSize()
	if len(sealed) < 1+n || sealed[0] != boxVersion {
		return nil, fmt.Errorf("%w: not the format of this version", ErrSealed)
	}
	plain, err := aead.Open(nil, sealed[1:1+n], sealed[1+n:], aad)
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed, or sealed with another key", ErrSealed)
	}
	return plain, nil
}
