package suite

import (
	"crypto/ecdh"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// ecp is an exchange on a NIST curve. KE is x|y without the point format octet (RFC 5903 §7).
type ecp struct {
	group  Group
	key    *ecdh.PrivateKey
	public []byte
}

// newECP draws scalars until one is in range: ecdh.GenerateKey would ignore env.
func newECP(g Group, env *machine.Env) *ecp {
	d := &ecp{group: g}
	for d.key == nil {
		b := env.Bytes(g.PublicLen() / 2)
		if k, err := curveOf(g).NewPrivateKey(b); err == nil {
			d.key, d.public = k, k.PublicKey().Bytes()[1:]
		}
		clear(b)
	}
	return d
}

// uncompressed is the point format octet that RFC 5903 leaves out and crypto/ecdh wants.
const uncompressed = 4

func (d *ecp) Public() []byte { return d.public }

func (d *ecp) Shared(peer []byte) (*machine.Secret, error) {
	if err := d.group.Check(peer); err != nil {
		return nil, err
	}
	if d.key == nil {
		return nil, errOver
	}
	pub, err := ecpPoint(d.group, peer)
	if err != nil {
		return nil, err
	}
	x, err := d.key.ECDH(pub)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrPublicValue, d.group)
	}
	return machine.TakeSecret(x), nil
}

func curveOf(g Group) ecdh.Curve {
	if g == ECP384 {
		return ecdh.P384()
	}
	return ecdh.P256()
}

// ecpPoint wants x|y on the curve.
func ecpPoint(g Group, peer []byte) (*ecdh.PublicKey, error) {
	pub, err := curveOf(g).NewPublicKey(append([]byte{uncompressed}, peer...))
	if err != nil {
		return nil, fmt.Errorf("%w: not a point of %s", ErrPublicValue, g)
	}
	return pub, nil
}

// Destroy drops the key; crypto/ecdh offers no way to wipe it.
func (d *ecp) Destroy() { d.key = nil }
