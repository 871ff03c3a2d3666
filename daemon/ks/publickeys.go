package ks

import (
	"context"
	"sync"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/hsm"
)

// publicKeys are the public halves of signature keys. What is known is not asked for again, so that the configuration can
// be read while the token is gone.
type publicKeys struct {
	h     keyStore
	mu    sync.Mutex
	known map[namedSpec][]byte
}

type namedSpec struct {
	name string
	spec hsm.Spec
}

func newPublicKeys(h keyStore) *publicKeys { return &publicKeys{h: h, known: map[namedSpec][]byte{}} }

// ensure returns the public half of a group's key, which is made if it is not there.
func (p *publicKeys) ensure(ctx context.Context, k config.KEK) ([]byte, error) {
	return p.recall(k, func() ([]byte, error) { return publicKey(ctx, p.h, k) })
}

// get returns the public half of a group's key if it is there.
func (p *publicKeys) get(ctx context.Context, k config.KEK) ([]byte, error) {
	return p.recall(k, func() ([]byte, error) { return knownKey(ctx, p.h, k) })
}

// forget is for a key that is destroyed: another may get its name.
func (p *publicKeys) forget(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for is := range p.known {
		if is.name == name {
			delete(p.known, is)
		}
	}
}

func (p *publicKeys) recall(k config.KEK, ask func() ([]byte, error)) ([]byte, error) {
	is := namedSpec{k.SignatureKey, signatureSpec(k)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if der := p.known[is]; der != nil {
		return der, nil
	}
	der, err := ask()
	if err == nil {
		p.known[is] = der
	}
	return der, err
}
