// Package soft keeps keys in files: private keys as PEM (PKCS#8), AES keys as PEM of their octets, the state key as 32
// octets, all of mode 0600 in a directory of mode 0700.
//
// This is not custody. Whoever reads the directory has the keys, and a copy leaves no trace; it is meant for labs, and
// for groups whose threat model allows it. Notice says so, and daemons log it at every start.
package soft

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/google/renameio/v2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/getvpn/getvpn/hsm"
)

// Notice is what daemons say at every start with this backend.
const Notice = "keys are kept in plain files: this is not custody; whoever reads the state directory can sign rekeys and open the sealed state"

const (
	stateKeyFile = "state.key"
	stateKeyLen  = chacha20poly1305.KeySize
)

// Store is a directory of keys.
type Store struct {
	dir   string
	aead  cipher.AEAD
	calls atomic.Uint64

	mu   sync.Mutex
	keys map[string]*key
}

var (
	_ hsm.Token  = (*Store)(nil)
	_ hsm.Sealer = (*Store)(nil)
)

// Open opens the directory and makes what is missing: the directory and the state key.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("hsm/soft: %w", err)
	}
	if err := private(dir); err != nil {
		return nil, err
	}
	key32, err := stateKey(filepath.Join(dir, stateKeyFile))
	if err != nil {
		return nil, err
	}
	defer clear(key32)
	// The extended nonce may be drawn at random for as many records as the key server will ever write; the 12 octets
	// of AES-GCM would bound them.
	aead, err := chacha20poly1305.NewX(key32)
	if err != nil {
		return nil, fmt.Errorf("hsm/soft: %w", err)
	}
	return &Store{dir: dir, aead: aead, keys: map[string]*key{}}, nil
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

// write puts a secret in its place at once. Until then it is in the same directory: a process that is killed leaves it nowhere else.
func write(path string, secret []byte) error {
	if err := renameio.WriteFile(path, secret, 0o600, renameio.IgnoreUmask(), renameio.WithTempDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("hsm/soft: %w", err)
	}
	return nil
}

func stateKey(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b = make([]byte, stateKeyLen)
		_, _ = rand.Read(b) // never fails
		if err := write(path, b); err != nil {
			return nil, err
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
func (s *Store) Seal(plain, aad []byte) ([]byte, error) { return hsm.SealBox(s.aead, plain, aad), nil }

// Open reverses Seal.
func (s *Store) Open(sealed, aad []byte) ([]byte, error) {
	plain, err := hsm.OpenBox(s.aead, sealed, aad)
	if err != nil {
		return nil, fmt.Errorf("%w (the state key is %s)", err, filepath.Join(s.dir, stateKeyFile))
	}
	return plain, nil
}

// Close implements hsm.Custody.
func (s *Store) Close() error { return nil }
