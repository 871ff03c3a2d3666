package soft

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/getvpn/getvpn/hsm"
)

// key is a private key or an AES key.
type key struct {
	spec   hsm.Spec
	signer crypto.Signer
	aes    []byte
}

// PEM types and headers. A private key without a header is for signatures: so were all before there were uses.
const (
	pemPrivate = "PRIVATE KEY"
	pemAES     = "AES KEY"
	headerUse  = "Use"
	headerMove = "Movable"
)

// Ensure implements hsm.Maker.
func (s *Store) Ensure(ctx context.Context, name string, spec hsm.Spec) error {
	if err := errors.Join(ctx.Err(), spec.Check()); err != nil {
		return err
	}
	s.calls.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.load(name)
	if errors.Is(err, hsm.ErrNoKey) {
		if k, err = generate(spec); err != nil {
			return err
		}
		return s.store(name, k)
	}
	if err != nil {
		return err
	}
	if k.spec != spec {
		return fmt.Errorf("%w: hsm/soft: key %s is %s, not %s", hsm.ErrKey, name, k.spec, spec)
	}
	return nil
}

func generate(spec hsm.Spec) (*key, error) {
	k := &key{spec: spec}
	var err error
	switch spec.Kind {
	case hsm.P256:
		k.signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case hsm.P384:
		k.signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case hsm.AES128, hsm.AES192, hsm.AES256:
		k.aes = make([]byte, spec.Kind.Bits()/8)
		_, _ = rand.Read(k.aes) // never fails
	default:
		k.signer, err = rsa.GenerateKey(rand.Reader, spec.Kind.Bits())
	}
	if err != nil {
		return nil, fmt.Errorf("hsm/soft: %w", err)
	}
	return k, nil
}

// store writes a key; the caller holds mu.
func (s *Store) store(name string, k *key) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: pemAES, Bytes: k.aes, Headers: map[string]string{headerUse: k.spec.Use.String()}}
	if k.spec.Movable {
		block.Headers[headerMove] = "yes"
	}
	if k.signer != nil {
		block.Type = pemPrivate
		if k.spec.Use == hsm.Sign {
			block.Headers = nil // other tools read this file too
		}
		if block.Bytes, err = x509.MarshalPKCS8PrivateKey(k.signer); err != nil {
			return fmt.Errorf("hsm/soft: %w", err)
		}
		defer clear(block.Bytes)
	}
	text := pem.EncodeToMemory(block)
	defer clear(text)
	if err := write(path, text); err != nil {
		return err
	}
	s.keys[path] = k
	return nil
}

// path is the file of a key.
func (s *Store) path(name string) (string, error) {
	u, err := hsm.ParseKey(name)
	if err != nil {
		return "", err
	}
	if !u.Matches(hsm.URI{Token: backend}) || u.ID != nil {
		return "", fmt.Errorf("%w: %s is not of the files in %s", hsm.ErrNoKey, u, s.dir)
	}
	if strings.ContainsRune(u.Object, '/') || strings.HasPrefix(u.Object, ".") || len(u.Object) > 200 {
		return "", fmt.Errorf("hsm/soft: %q cannot be the name of a key", u.Object)
	}
	return filepath.Join(s.dir, u.Object+".pem"), nil
}

// load returns a key; the caller holds mu.
func (s *Store) load(name string) (*key, error) {
	path, err := s.path(name)
	if err != nil {
		return nil, err
	}
	if k := s.keys[path]; k != nil {
		return k, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", hsm.ErrNoKey, path)
	}
	if err != nil {
		return nil, fmt.Errorf("hsm/soft: %w", err)
	}
	defer clear(text)
	if err := private(path); err != nil {
		return nil, err
	}
	k, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("hsm/soft: %s %w", path, err)
	}
	s.keys[path] = k
	return k, nil
}

func parse(text []byte) (*key, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("is not PEM")
	}
	k := &key{spec: hsm.Spec{Use: hsm.Sign, Movable: block.Headers[headerMove] == "yes"}}
	for _, u := range []hsm.Use{hsm.Transport, hsm.Encrypt, hsm.Seal} {
		if block.Headers[headerUse] == u.String() {
			k.spec.Use = u
		}
	}
	switch block.Type {
	case pemAES:
		k.aes = block.Bytes
		k.spec.Kind = hsm.AESOf(len(k.aes))
	case pemPrivate:
		defer clear(block.Bytes)
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, errors.New("is not a key in PKCS#8 form")
		}
		switch p := private.(type) {
		case *rsa.PrivateKey:
			k.signer, k.spec.Kind = p, hsm.RSAOf(p.N.BitLen())
		case *ecdsa.PrivateKey:
			k.signer = p
			switch p.Curve {
			case elliptic.P256():
				k.spec.Kind = hsm.P256
			case elliptic.P384():
				k.spec.Kind = hsm.P384
			}
		}
	}
	if err := k.spec.Check(); err != nil {
		return nil, fmt.Errorf("holds no key that can be used: %w", err)
	}
	return k, nil
}

// Destroy implements hsm.Maker. A copy of the file, and the blocks of the disk, are beyond it.
func (s *Store) Destroy(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.calls.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.load(name)
	if err != nil {
		return err
	}
	path, err := s.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("hsm/soft: %w", err)
	}
	clear(k.aes)
	delete(s.keys, path)
	return nil
}
