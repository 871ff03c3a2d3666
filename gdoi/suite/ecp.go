package suite

import (
	"crypto/ecdh"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// ecp is an exchange on a NIST curve. KE is x|y without the point format octet (RFC 5903 §7).
type ecp struct {
	group Group
	curve ecdh.Curve
	key   *ecdh.PrivateKey
}

// newECP draws scalars until one is in range: ecdh.GenerateKey would ignore env.
func newECP(g Group, env *machine.Env) *ecp {
	d := &ecp{group: g, curve: ecdh.P256()}
	if g == ECP384 {
		d.curve = ecdh.P384()
	}
	for d.key == nil {
		b := env.Bytes(g.PublicLen() / 2)
		if k, err := d.curve.NewPrivateKey(b); err == nil {
			d.key = k
		}
		clear(b)
	}
	return d
}

// uncompressed is the point format octet that RFC 5903 leaves out and crypto/ecdh wants.
const uncompressed = 4

func (d *ecp) Public() []byte { return d.key.PublicKey().Bytes()[1:] }

func (d *ecp) Shared(peer []byte) (*machine.Secret, error) {
	if len(peer) != d.group.PublicLen() {
		return nil, fmt.Errorf("%w: %d octets, the group has %d", ErrPublicValue, len(peer), d.group.PublicLen())
	}
	if d.key == nil {
		return nil, fmt.Errorf("%w: the exchange is over", ErrPublicValue)
	}
	pub, err := d.curve.NewPublicKey(append([]byte{uncompressed}, peer...))
	if err != nil {
		return nil, fmt.Errorf("%w: not a point of %s", ErrPublicValue, d.group)
	}
	x, err := d.key.ECDH(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrPublicValue, d.group)
	}
	return machine.TakeSecret(x), nil
}

// Destroy drops the key; crypto/ecdh offers no way to wipe it.
func (d *ecp) Destroy() { d.key = nil }
