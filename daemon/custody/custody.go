// Package custody signs phase 1 with the private keys of the daemon's own certificates, which lie in files that only the
// daemon may read. Keys in a token are a matter of package hsm.
package custody

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// ErrNoKey is what a request for a key that is not here wraps.
var ErrNoKey = errors.New("custody: no such key")

// KeyName is the name under which machines ask for the key of a certificate. No key of a group can have it.
func KeyName(c *config.Certificate) string { return "certificate:" + c.KeyFile }

// Keys are private keys by name. They do not change, so several goroutines may use them.
type Keys map[string]crypto.Signer

// New takes the keys of the configured certificates; nil is possible and holds none.
func New(c *config.Certificates) Keys {
	k := Keys{}
	if c != nil {
		for i := range c.Own {
			k[KeyName(&c.Own[i])] = c.Own[i].Key
		}
	}
	return k
}

// Has tells whether the key is here.
func (k Keys) Has(name string) bool { return k[name] != nil }

// Sign makes a signature over a digest: RSA without DigestInfo (RFC 2409 §5.1), or r | s (RFC 4754 §7).
func (k Keys) Sign(ctx context.Context, s machine.Sign) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch key := k[s.Key].(type) {
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
