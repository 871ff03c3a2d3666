// Package custody opens what keeps the keys of a daemon: files, or a PKCS#11 token (OpenToken), which then seals the state
// too (OpenState). And it signs phase 1 with the private keys of the daemon's own certificates, which lie in files that
// only the daemon may read.
package custody

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// ErrNoKey is what a request for a key that is not here wraps.
var ErrNoKey = errors.New("custody: no such key")

// KeyName is the name under which machines ask for the key of a certificate. No key of a group can have it. A renewed
// certificate has another name, so that nothing is signed with a key that does not go with the certificate that is sent.
func KeyName(c *config.Certificate) string {
	serial := sha256.Sum256(c.Chain[0].Raw)
	return fmt.Sprintf("certificate:%s#%x", c.KeyFile, serial[:4])
}

// Keys are private keys by name. Several goroutines may use them.
type Keys struct {
	mu   sync.Mutex
	keys map[string]crypto.Signer
	was  []string // names from before the last Add
}

// New takes the keys of the configured certificates; nil is possible and holds none.
func New(c *config.Certificates) *Keys {
	k := &Keys{keys: map[string]crypto.Signer{}}
	k.Add(c)
	return k
}

// Add takes the keys of renewed certificates. Those of before stay until the next time, for negotiations under way.
func (k *Keys) Add(c *config.Certificates) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.was
	k.was = nil
	for name := range k.keys {
		k.was = append(k.was, name)
	}
	for _, name := range old {
		delete(k.keys, name)
	}
	if c == nil {
		return
	}
	for i := range c.Own {
		k.keys[KeyName(&c.Own[i])] = c.Own[i].Key
	}
}

func (k *Keys) get(name string) crypto.Signer {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys[name]
}

// Has tells whether the key is here.
func (k *Keys) Has(name string) bool { return k.get(name) != nil }

// Sign makes a signature over a digest: RSA without DigestInfo (RFC 2409 §5.1), or r | s (RFC 4754 §7).
func (k *Keys) Sign(ctx context.Context, s machine.Sign) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch key := k.get(s.Key).(type) {
	case *rsa.PrivateKey:
		if s.Scheme == machine.SignRSABare {
			return rsa.SignPKCS1v15(nil, key, crypto.Hash(0), s.Digest)
		}
	case *ecdsa.PrivateKey:
		if s.Scheme == machine.SignECDSAConcat {
			return signECDSA(key, s.Digest)
		}
	case nil:
		return nil, fmt.Errorf("%w: %s", ErrNoKey, s.Key)
	}
	return nil, fmt.Errorf("custody: %s is not for signatures of scheme %d", s.Key, s.Scheme)
}

func signECDSA(key *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		return nil, err
	}
	n := (key.Curve.Params().BitSize + 7) / 8
	sig := make([]byte, 2*n)
	r.FillBytes(sig[:n])
	s.FillBytes(sig[n:])
	return sig, nil
}
