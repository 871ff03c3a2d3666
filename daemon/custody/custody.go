// Package custody opens what keeps the keys of a daemon: files, or a PKCS#11 token (OpenToken), which then seals the state
// too (OpenState). And it signs phase 1 with the private keys of the daemon's own certificates (Keys), which lie in files that
// only the daemon may read, or in the token.
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
	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/hsm"
)

// ErrNoKey is what a request for a key that is not here wraps.
var ErrNoKey = errors.New("custody: no such key")

// KeyName is the name under which machines ask for the key of a certificate. No key of a group can have it. A renewed
// certificate has another name, so that nothing is signed with a key that does not go with the certificate that is sent.
func KeyName(c *config.Certificate) string {
	serial := sha256.Sum256(c.Chain[0].Raw)
	return fmt.Sprintf("certificate:%s#%x", c.KeyText(), serial[:4])
}

// own is the private key of a certificate.
type own struct {
	signer crypto.Signer // nil: it is in the token
	uri    string        // of the key in the token
	public crypto.PublicKey
}

// Keys are private keys by name. Several goroutines may use them.
type Keys struct {
	mu    sync.Mutex
	token hsm.Signer // nil: there is none
	keys  map[string]own
	was   []string // names from before the last Add
}

// New takes the keys of the configured certificates; nil is possible and holds none. Those that are in a token sign once there
// is one: UseToken.
func New(c *config.Certificates) *Keys {
	k := &Keys{keys: map[string]own{}}
	k.Add(c)
	return k
}

// UseToken names the token, in which the keys of c must be.
func (k *Keys) UseToken(ctx context.Context, h hsm.Signer, c *config.Certificates) error {
	k.mu.Lock()
	k.token = h
	k.mu.Unlock()
	return k.Check(ctx, c)
}

// Check asks the token for the keys of c that are in it: each must be that of its certificate.
func (k *Keys) Check(ctx context.Context, c *config.Certificates) error {
	if !c.InToken() {
		return nil
	}
	k.mu.Lock()
	h := k.token
	k.mu.Unlock()
	if h == nil {
		return fmt.Errorf("%w: there is no token for %s", ErrNoKey, c.Own[0].KeyText())
	}
	for i := range c.Own {
		o := &c.Own[i]
		if o.KeyFile != "" {
			continue
		}
		public, err := h.Public(ctx, o.KeyText())
		switch {
		case errors.Is(err, hsm.ErrNoKey):
			return fmt.Errorf("certificates: the certificate in %s: %w: make it there and have a certificate issued for it, or name the key that the certificate is for", o.File, err)
		case err != nil:
			return fmt.Errorf("certificates: the certificate in %s: %w", o.File, err)
		case !config.SamePublic(public, o.Chain[0].PublicKey):
			return fmt.Errorf("certificates: %s in the token is not the key of the certificate in %s: the token has %s, the certificate is for %s; name the key that it was issued for, or have one issued for this key",
				o.KeyText(), o.File, keyText(public), keyText(o.Chain[0].PublicKey))
		}
	}
	return nil
}

// keyText names a public key so that two of one kind can be told apart.
func keyText(public crypto.PublicKey) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		sum := sha256.Sum256(k.N.Bytes())
		return fmt.Sprintf("RSA-%d %x", k.N.BitLen(), sum[:4])
	case *ecdsa.PublicKey:
		b, err := k.Bytes()
		if err != nil {
			return "an ECDSA key that is no point"
		}
		sum := sha256.Sum256(b)
		return fmt.Sprintf("%s %x", k.Curve.Params().Name, sum[:4])
	}
	return fmt.Sprintf("%T", public)
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
		o := &c.Own[i]
		k.keys[KeyName(o)] = own{o.Key, o.KeyText(), o.Chain[0].PublicKey}
	}
}

func (k *Keys) get(name string) (own, hsm.Signer, bool) {
	if k == nil {
		return own{}, nil, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	o, ok := k.keys[name]
	return o, k.token, ok
}

// Has tells whether the key is here, or in the token.
func (k *Keys) Has(name string) bool {
	_, _, ok := k.get(name)
	return ok
}

// Sign makes a signature over a digest: RSA without DigestInfo (RFC 2409 §5.1), or r | s (RFC 4754 §7).
func (k *Keys) Sign(ctx context.Context, s machine.Sign) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, token, ok := k.get(s.Key)
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNoKey, s.Key)
	}
	if s.Scheme == machine.SignRSAPKCS1 {
		return nil, fmt.Errorf("custody: %s is not for signatures of scheme %d", s.Key, s.Scheme)
	}
	switch key := o.signer.(type) {
	case *rsa.PrivateKey:
		if s.Scheme == machine.SignRSABare {
			return rsa.SignPKCS1v15(nil, key, crypto.Hash(0), s.Digest)
		}
	case *ecdsa.PrivateKey:
		if s.Scheme == machine.SignECDSAConcat {
			return signECDSA(key, s.Digest)
		}
	case nil:
		return o.signInToken(ctx, token, s)
	}
	return nil, fmt.Errorf("custody: %s is not for signatures of scheme %d", s.Key, s.Scheme)
}

// signInToken asks the token, whose key of that name may be another one since it was checked: then peers would only say that
// we are not who we are.
func (o *own) signInToken(ctx context.Context, token hsm.Signer, s machine.Sign) ([]byte, error) {
	if token == nil {
		return nil, fmt.Errorf("%w: there is no token for %s", ErrNoKey, o.uri)
	}
	sig, err := SignWith(ctx, token, o.uri, s)
	if err != nil {
		return nil, err
	}
	switch k := o.public.(type) {
	case *rsa.PublicKey:
		err = suite.VerifyRSA(k, s.Scheme, s.Hash, s.Digest, sig)
	case *ecdsa.PublicKey:
		err = suite.VerifyECDSA(k, s.Digest, sig)
	}
	if err != nil {
		return nil, fmt.Errorf("custody: %s signs, but no longer with the key of the certificate: %w", o.uri, err)
	}
	return sig, nil
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
