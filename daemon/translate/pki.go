package translate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/daemon/loop"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/hsm"
)

// renewTimeout bounds the time that a machine may take for new certificates and lists.
const renewTimeout = 10 * time.Second

// PKI is the certificates, keys and revocation lists in force.
type PKI struct {
	id      config.Identity
	keys    *custody.Keys
	current atomic.Pointer[config.Certificates] // nil inside: there are none
}

// NewPKI begins with what the configuration has read.
func NewPKI(c *config.Common) *PKI {
	p := &PKI{id: c.Identity, keys: custody.New(c.Certificates)}
	p.current.Store(c.Certificates)
	return p
}

// Keys sign for our certificates.
func (p *PKI) Keys() *custody.Keys { return p.keys }

// UseToken names the token that has the keys of certificates that are in no file, and checks that they are there.
func (p *PKI) UseToken(ctx context.Context, h hsm.Signer) error {
	return p.keys.UseToken(ctx, h, p.current.Load())
}

// InToken tells whether one of the keys is in the token.
func (p *PKI) InToken() bool { return p.current.Load().InToken() }

// Renew reads certificates, authorities and revocation lists again and has the machine take them up; it returns those in
// force. After an error that is the old ones.
func (p *PKI) Renew(ctx context.Context, l *loop.Loop) (*config.Certificates, string, error) {
	was := p.current.Load()
	if was == nil {
		return nil, "", nil
	}
	fresh, err := was.Renew(p.id)
	if err == nil {
		err = p.check(ctx, was, fresh)
	}
	if err != nil {
		return was, "", fmt.Errorf("the old certificates and revocation lists stay in force: %w", err)
	}
	p.keys.Add(fresh)
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	text, err := commandThen(ctx, l, func(id uint64) machine.Event {
		return node.Recertify{Trust: fresh.Trust, Credentials: Credentials(fresh), ID: id}
	}, func() { p.current.Store(fresh) })
	if errors.Is(err, loop.ErrStopped) {
		return was, "", nil
	}
	if err != nil {
		return was, "", err
	}
	return fresh, text, nil
}

// check asks the token for the keys of renewed certificates. While it is gone, revocation lists can still be renewed, and
// everything else but the certificates whose keys are in it.
func (p *PKI) check(ctx context.Context, was, c *config.Certificates) error {
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	err := p.keys.Check(ctx, c)
	same := func(a, b config.Certificate) bool { return a.KeyFile != "" || a.Chain[0].Equal(b.Chain[0]) }
	if errors.Is(err, hsm.ErrUnavailable) && slices.EqualFunc(was.Own, c.Own, same) {
		return nil
	}
	return err
}

// soon is how long before its end a certificate of ours becomes a warning.
const soon = 14 * 24 * time.Hour

// Warnings says what is wrong with the revocation lists, and which certificates of ours end soon.
func (p *PKI) Warnings(now time.Time) []string {
	c := p.current.Load()
	if c == nil {
		return nil
	}
	out := c.Trust.Warnings(now)
	for _, o := range c.Own {
		switch left := o.Chain[0].NotAfter.Sub(now); {
		case left <= 0:
			out = append(out, fmt.Sprintf("the certificate in %s has expired: peers refuse it; renew it and reload (SIGHUP)", o.File))
		case left < soon:
			out = append(out, fmt.Sprintf("the certificate in %s expires in %d days; renew it and reload (SIGHUP)", o.File, int(left/(24*time.Hour))))
		}
	}
	return out
}
