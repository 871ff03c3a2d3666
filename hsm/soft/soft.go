// Package soft keeps keys in files: RSA keys as PEM (PKCS#8), the state key as 32 octets, all of mode 0600 in a
// directory of mode 0700.
//
// This is not custody. Whoever reads the directory has the keys, and a copy leaves no trace; it is meant for labs, and
// for groups whose threat model allows it. Notice says so, and daemons log it at every start.
package soft

import (
	"context"
	"crypto"
	"crypto/cipher"
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
	"sync"

	"github.com/google/renameio/v2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/getvpn/getvpn/hsm"
)

// Notice is what daemons say at every start with this backend.
const Notice = "keys are kept in plain files: this is not custody; whoever reads the state directory can sign rekeys and open the sealed state"

const (
	stateKeyFile = "state.key"
	stateKeyLen  = chacha20poly1305.KeySize
	sealVersion  = 1
)

// Store is a directory of keys.
type Store struct {
	dir  string
	aead cipher.AEAD

	mu   sync.Mutex
	keys map[string]*rsa.PrivateKey
}

var (
	_ hsm.Signer    = (*Store)(nil)
	_ hsm.Generator = (*Store)(nil)
	_ hsm.Sealer    = (*Store)(nil)
)

// Open opens the directory and makes what is missing: the directory and the state key.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("hsm/soft: %w", err)
	}
	if err := private(dir); err != nil {
		return nil, err
	}
	key, err := stateKey(filepath.Join(dir, stateKeyFile))
	if err != nil {
		return nil, err
	}
	defer clear(key)
	// The extended nonce may be drawn at random for as many records as the key server will ever write; the 12 octets
	// of AES-GCM would bound them.
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("hsm/soft: %w", err)
	}
	return &Store{dir: dir, aead: aead, keys: map[string]*rsa.PrivateKey{}}, nil
}

// private refuses what others than the owner may open.
func private(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("hsm/soft: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("hsm/soft: %s is open to others (mode %04o): chmod go= %s, and replace the keys if others have had access", path, info.Mode().Perm(), path)
	}
	return nil
}

func stateKey(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b = make([]byte, stateKeyLen)
		_, _ = rand.Read(b) // never fails
		if err := renameio.WriteFile(path, b, 0o600, renameio.IgnoreUmask()); err != nil {
			return nil, fmt.Errorf("hsm/soft: %w", err)
		}
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("hsm/soft: %w", err)
	}
	if err := private(path); err != nil {
		return nil, err
	}
	if len(b) != stateKeyLen {
		return nil, fmt.Errorf("hsm/soft: %s has %d octets instead of %d: restore it from a copy, or remove it together with the state to start anew", path, len(b), stateKeyLen)
	}
	return b, nil
}

// Seal returns version | nonce | ciphertext | tag (XChaCha20-Poly1305).
func (s *Store) Seal(plain, aad []byte) ([]byte, error) {
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(plain)+chacha20poly1305.Overhead)
	_, _ = rand.Read(nonce) // never fails
	return append([]byte{sealVersion}, s.aead.Seal(nonce, nonce, plain, aad)...), nil
}

// Open reverses Seal.
func (s *Store) Open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < 1+chacha20poly1305.NonceSizeX || sealed[0] != sealVersion {
		return nil, fmt.Errorf("%w: not the format of this version", hsm.ErrSealed)
	}
	nonce, box := sealed[1:1+chacha20poly1305.NonceSizeX], sealed[1+chacha20poly1305.NonceSizeX:]
	plain, err := s.aead.Open(nil, nonce, box, aad)
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed, or sealed with another state key than %s", hsm.ErrSealed, filepath.Join(s.dir, stateKeyFile))
	}
	return plain, nil
}

// EnsureRSA implements hsm.Generator.
func (s *Store) EnsureRSA(_ context.Context, name string, bits int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.load(name)
	if errors.Is(err, hsm.ErrNoKey) {
		return s.generate(name, bits)
	}
	if err != nil {
		return err
	}
	if k.N.BitLen() != bits {
		return fmt.Errorf("hsm/soft: key %s has %d bits instead of %d: set signature-bits to that, or name another key", name, k.N.BitLen(), bits)
	}
	return nil
}

func (s *Store) generate(name string, bits int) error {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return fmt.Errorf("hsm/soft: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return fmt.Errorf("hsm/soft: %w", err)
	}
	defer clear(der)
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	defer clear(text)
	if err := renameio.WriteFile(s.path(name), text, 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("hsm/soft: %w", err)
	}
	s.keys[name] = k
	return nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name+".pem") }

// load returns a key; the caller holds mu.
func (s *Store) load(name string) (*rsa.PrivateKey, error) {
	if k := s.keys[name]; k != nil {
		return k, nil
	}
	if name == "" || strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("hsm/soft: %q cannot be the name of a key", name)
	}
	text, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", hsm.ErrNoKey, s.path(name))
	}
	if err != nil {
		return nil, fmt.Errorf("hsm/soft: %w", err)
	}
	defer clear(text)
	if err := private(s.path(name)); err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("hsm/soft: %s is not PEM", s.path(name))
	}
	defer clear(block.Bytes)
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	k, ok := any.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("hsm/soft: %s is not an RSA key in PKCS#8 form", s.path(name))
	}
	s.keys[name] = k
	return k, nil
}

// Public implements hsm.Signer.
func (s *Store) Public(_ context.Context, name string) (crypto.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.load(name)
	if err != nil {
		return nil, err
	}
	return &k.PublicKey, nil
}

// Sign implements hsm.Signer.
func (s *Store) Sign(ctx context.Context, name string, scheme hsm.Scheme, hash crypto.Hash, digest []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	k, err := s.load(name)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if len(digest) != hash.Size() {
		return nil, fmt.Errorf("hsm/soft: a digest of %d octets for %s", len(digest), hash)
	}
	switch scheme {
	case hsm.RSAPKCS1v15:
		return rsa.SignPKCS1v15(nil, k, hash, digest)
	case hsm.RSABare:
		return rsa.SignPKCS1v15(nil, k, crypto.Hash(0), digest)
	default:
		return nil, fmt.Errorf("%w: signature scheme %d", hsm.ErrUnsupported, scheme)
	}
}
