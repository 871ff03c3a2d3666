package hsm

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Selftest makes keys of each use in a custody, uses them, compares what comes of it with what this process computes, and
// removes them. It leaves the keys that are there alone. done hears of each part, in order; the error joins what failed.
func Selftest(ctx context.Context, t Token, done func(part string, err error)) error {
	s := &selftest{Token: t, ctx: ctx}
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	s.prefix = "getvpn-selftest-" + hex.EncodeToString(b[:]) + "-"
	var all error
	part := func(name string, f func() error) {
		err := f()
		done(name, err)
		if err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", name, err))
		}
	}
	part("random octets", s.random)
	part("RSA signature", s.rsa)
	part("ECDSA signature", s.ecdsa)
	part("AES-CBC encryption", s.encrypt)
	part("wrapping and unwrapping", s.wrap)
	part("sealing", s.seal)
	part("removal of the keys of this test", s.clean)
	return all
}

// cleanTime is for removing half a dozen keys from a slow token.
const cleanTime = 30 * time.Second

type selftest struct {
	Token
	ctx    context.Context
	prefix string
	made   []string
}

// make makes a key of this test.
func (s *selftest) make(name string, spec Spec) (string, error) {
	name = s.prefix + name
	s.made = append(s.made, name) // it may be there in spite of an error
	return name, s.Ensure(s.ctx, name, spec)
}

var errDiffers = errors.New("it is not what this process computes")

func (s *selftest) random() error {
	a, err := s.Random(s.ctx, 32)
	if err != nil {
		return err
	}
	b, err := s.Random(s.ctx, 32)
	if err == nil && (len(a) != 32 || bytes.Equal(a, b)) {
		return errors.New("the same octets came twice")
	}
	return err
}

// signed makes a key and has it sign; check verifies.
func (s *selftest) signed(name string, kind Kind, scheme Scheme, check func(public crypto.PublicKey, digest, sig []byte) bool) error {
	key, err := s.make(name, Spec{Kind: kind, Use: Sign})
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(key))
	sig, err := s.Sign(s.ctx, key, scheme, crypto.SHA256, digest[:])
	if err != nil {
		return err
	}
	public, err := s.Public(s.ctx, key)
	if err == nil && !check(public, digest[:], sig) {
		return errDiffers
	}
	return err
}

func (s *selftest) rsa() error {
	return s.signed("rsa", RSA2048, RSAPKCS1v15, func(public crypto.PublicKey, digest, sig []byte) bool {
		p, ok := public.(*rsa.PublicKey)
		return ok && rsa.VerifyPKCS1v15(p, crypto.SHA256, digest, sig) == nil
	})
}

func (s *selftest) ecdsa() error {
	return s.signed("ecdsa", P256, ECDSAConcat, func(public crypto.PublicKey, digest, sig []byte) bool {
		p, ok := public.(*ecdsa.PublicKey)
		return ok && len(sig) == 64 && ecdsa.Verify(p, digest, new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	})
}

// kek is what a group's KEK is made as.
var kek = Spec{Kind: AES256, Use: Encrypt, Movable: true}

// encrypt shows itself the value of a key, as a registration must, and encrypts beside the custody.
func (s *selftest) encrypt() error {
	key, err := s.make("kek", kek)
	if err != nil {
		return err
	}
	w, err := NewWindow()
	if err != nil {
		return err
	}
	value, err := w.Reveal(s.ctx, s, key)
	if err != nil {
		return err
	}
	defer clear(value)
	block, err := aes.NewCipher(value)
	if err != nil {
		return err
	}
	plain, iv := make([]byte, 64), []byte(s.prefix)[:aes.BlockSize]
	theirs, err := s.EncryptCBC(s.ctx, key, iv, plain)
	if err != nil {
		return err
	}
	ours := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(ours, plain)
	if !bytes.Equal(ours, theirs) {
		return errDiffers
	}
	return nil
}

// wrap sends a key to itself, as key servers send KEKs to each other.
func (s *selftest) wrap() error {
	key, err := s.make("kek", kek)
	if err != nil {
		return err
	}
	transport, err := s.make("transport", Spec{Kind: RSA2048, Use: Transport})
	if err != nil {
		return err
	}
	to, err := s.TransportKey(s.ctx, transport)
	if err != nil {
		return err
	}
	wrapped, err := s.Wrap(s.ctx, key, to)
	if err != nil {
		return err
	}
	again := s.prefix + "kek-again"
	s.made = append(s.made, again)
	if err := s.Unwrap(s.ctx, transport, wrapped, again, kek); err != nil {
		return err
	}
	var out [2][]byte
	for i, k := range []string{key, again} {
		if out[i], err = s.EncryptCBC(s.ctx, k, make([]byte, aes.BlockSize), make([]byte, aes.BlockSize)); err != nil {
			return err
		}
	}
	if !bytes.Equal(out[0], out[1]) {
		return errors.New("what was unwrapped is another key")
	}
	return nil
}

func (s *selftest) seal() error {
	key, err := s.make("seal", Spec{Kind: AES256, Use: Seal})
	if err != nil {
		return err
	}
	plain, aad := []byte(s.prefix), []byte("selftest")
	sealed, err := s.SealWith(s.ctx, key, plain, aad)
	if err != nil {
		return err
	}
	opened, err := s.OpenWith(s.ctx, key, sealed, aad)
	if err != nil {
		return err
	}
	if !bytes.Equal(opened, plain) || bytes.Contains(sealed, plain) {
		return errDiffers
	}
	if _, err := s.OpenWith(s.ctx, key, sealed, []byte("another context")); err == nil {
		return errors.New("it opens in another context")
	}
	return nil
}

// clean removes the keys, also when the caller's time is up.
func (s *selftest) clean() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), cleanTime)
	defer cancel()
	var all error
	seen := map[string]bool{}
	for _, name := range s.made {
		if seen[name] {
			continue
		}
		seen[name] = true
		if err := s.Destroy(ctx, name); err != nil && !errors.Is(err, ErrNoKey) {
			all = errors.Join(all, fmt.Errorf("%s is left: %w", name, err))
		}
	}
	return all
}
