package soft

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/getvpn/getvpn/hsm"
)

// get returns a key that is for that use. What it holds is read only, but for AES keys, which Destroy wipes: copy them.
func (s *Store) get(ctx context.Context, name string, use hsm.Use) (*key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.calls.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.load(name)
	if err != nil {
		return nil, err
	}
	if use != 0 && k.spec.Use != use {
		return nil, fmt.Errorf("%w: hsm/soft: key %s is %s, not to %s", hsm.ErrKey, name, k.spec, use)
	}
	return &key{spec: k.spec, signer: k.signer, aes: append([]byte(nil), k.aes...)}, nil
}

// Public implements hsm.Signer.
func (s *Store) Public(ctx context.Context, name string) (crypto.PublicKey, error) {
	k, err := s.get(ctx, name, 0)
	if err != nil {
		return nil, err
	}
	if k.signer == nil {
		return nil, fmt.Errorf("%w: hsm/soft: key %s is %s: it has no public half", hsm.ErrKey, name, k.spec)
	}
	return k.signer.Public(), nil
}

// Sign implements hsm.Signer.
func (s *Store) Sign(ctx context.Context, name string, scheme hsm.Scheme, hash crypto.Hash, digest []byte) ([]byte, error) {
	k, err := s.get(ctx, name, hsm.Sign)
	if err != nil {
		return nil, err
	}
	if len(digest) != hash.Size() {
		return nil, fmt.Errorf("hsm/soft: a digest of %d octets for %s", len(digest), hash)
	}
	switch p := k.signer.(type) {
	case *rsa.PrivateKey:
		switch scheme {
		case hsm.RSAPKCS1v15:
			return rsa.SignPKCS1v15(nil, p, hash, digest)
		case hsm.RSABare:
			return rsa.SignPKCS1v15(nil, p, crypto.Hash(0), digest)
		}
	case *ecdsa.PrivateKey:
		if scheme == hsm.ECDSAConcat {
			r, t, err := ecdsa.Sign(rand.Reader, p, digest)
			if err != nil {
				return nil, fmt.Errorf("hsm/soft: %w", err)
			}
			n := k.spec.Kind.Bits() / 8
			sig := make([]byte, 2*n)
			r.FillBytes(sig[:n])
			t.FillBytes(sig[n:])
			return sig, nil
		}
	}
	return nil, fmt.Errorf("%w: scheme %s with the key %s, which is %s", hsm.ErrUnsupported, scheme, name, k.spec.Kind)
}

// EncryptCBC implements hsm.Encrypter.
func (s *Store) EncryptCBC(ctx context.Context, name string, iv, plain []byte) ([]byte, error) {
	if err := hsm.CheckCBC(iv, plain); err != nil {
		return nil, err
	}
	k, err := s.get(ctx, name, hsm.Encrypt)
	if err != nil {
		return nil, err
	}
	defer clear(k.aes)
	b, err := aes.NewCipher(k.aes)
	if err != nil {
		return nil, fmt.Errorf("hsm/soft: %w", err)
	}
	out := make([]byte, len(plain))
	cipher.NewCBCEncrypter(b, iv).CryptBlocks(out, plain)
	return out, nil
}

func (s *Store) box(ctx context.Context, name string) (cipher.AEAD, error) {
	k, err := s.get(ctx, name, hsm.Seal)
	if err != nil {
		return nil, err
	}
	defer clear(k.aes)
	return chacha20poly1305.NewX(k.aes)
}

// SealWith implements hsm.Vault.
func (s *Store) SealWith(ctx context.Context, name string, plain, aad []byte) ([]byte, error) {
	aead, err := s.box(ctx, name)
	if err != nil {
		return nil, err
	}
	return hsm.SealBox(aead, plain, aad), nil
}

// OpenWith implements hsm.Vault.
func (s *Store) OpenWith(ctx context.Context, name string, sealed, aad []byte) ([]byte, error) {
	aead, err := s.box(ctx, name)
	if err != nil {
		return nil, err
	}
	return hsm.OpenBox(aead, sealed, aad)
}

// TransportKey implements hsm.Wrapper.
func (s *Store) TransportKey(ctx context.Context, name string) (hsm.TransportKey, error) {
	k, err := s.get(ctx, name, hsm.Transport)
	if err != nil {
		return hsm.TransportKey{}, err
	}
	return hsm.TransportKey{Public: &k.signer.(*rsa.PrivateKey).PublicKey, OAEP: hsm.OAEPSHA256}, nil
}

// Wrap implements hsm.Wrapper.
func (s *Store) Wrap(ctx context.Context, name string, to hsm.TransportKey) ([]byte, error) {
	if err := to.Check(); err != nil {
		return nil, err
	}
	k, err := s.get(ctx, name, hsm.Encrypt)
	if err != nil {
		return nil, err
	}
	defer clear(k.aes)
	if !k.spec.Movable {
		return nil, fmt.Errorf("%w: hsm/soft: key %s is %s: it does not leave", hsm.ErrKey, name, k.spec)
	}
	return rsa.EncryptOAEP(to.OAEP.New(), rand.Reader, to.Public, k.aes, nil)
}

// Unwrap implements hsm.Wrapper.
func (s *Store) Unwrap(ctx context.Context, transport string, wrapped []byte, name string, spec hsm.Spec) error {
	if err := spec.Check(); err != nil {
		return err
	}
	if spec.Use != hsm.Encrypt {
		return fmt.Errorf("%w: only keys to encrypt are moved, not %s", hsm.ErrUnsupported, spec)
	}
	t, err := s.get(ctx, transport, hsm.Transport)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.load(name); err == nil {
		return fmt.Errorf("%w: %s", hsm.ErrExists, name)
	} else if !errors.Is(err, hsm.ErrNoKey) {
		return err
	}
	value, err := rsa.DecryptOAEP(hsm.OAEPSHA256.New(), nil, t.signer.(*rsa.PrivateKey), wrapped, nil)
	if err != nil {
		return fmt.Errorf("%w: it was changed, or wrapped under another key than %s", hsm.ErrWrapped, transport)
	}
	if hsm.AESOf(len(value)) != spec.Kind {
		clear(value)
		return fmt.Errorf("%w: %d octets were wrapped, not a key of %s", hsm.ErrWrapped, len(value), spec.Kind)
	}
	return s.store(name, &key{spec: spec, aes: value})
}

// Random implements hsm.Random.
func (s *Store) Random(ctx context.Context, n int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]byte, n)
	_, _ = rand.Read(out) // never fails
	return out, nil
}
