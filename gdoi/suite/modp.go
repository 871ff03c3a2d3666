package suite

import (
	"encoding/hex"
	"fmt"

	"filippo.io/bigmod"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// modpExponentLen is 320 bits: twice the larger estimate of the group's strength (RFC 3526 §8).
const modpExponentLen = 40

// group14 is the prime of RFC 3526 §3; the generator is 2.
var group14 = mustModulus("" +
	"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD" +
	"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F" +
	"83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B" +
	"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510" +
	"15728E5A8AACAA68FFFFFFFFFFFFFFFF")

// modulus is the prime of a MODP group; nil for the others.
func (g Group) modulus() *bigmod.Modulus {
	switch g {
	case MODP2048:
		return group14
	case MODP1024:
		return group2
	default:
		return nil
	}
}

func mustModulus(s string) *bigmod.Modulus {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	m, err := bigmod.NewModulus(b)
	if err != nil {
		panic(err)
	}
	return m
}

// modp is an exchange in a MODP group; exponentiation is constant time.
type modp struct {
	g      Group
	m      *bigmod.Modulus
	x      *machine.Secret
	public []byte
}

func newMODP(group Group, env *machine.Env) *modp {
	d := &modp{g: group, m: group.modulus(), x: machine.TakeSecret(env.Bytes(modpExponentLen))}
	g := bigmod.NewNat().SetUint(2).ExpandFor(d.m)
	d.public = bigmod.NewNat().Exp(g, d.x.Bytes(), d.m).Bytes(d.m)
	return d
}

func (d *modp) Public() []byte { return d.public }

func (d *modp) Shared(peer []byte) (*machine.Secret, error) {
	if err := d.g.Check(peer); err != nil {
		return nil, err
	}
	if d.x.Len() == 0 {
		return nil, errOver
	}
	y, err := modpElement(d.m, peer)
	if err != nil {
		return nil, err
	}
	return machine.TakeSecret(bigmod.NewNat().Exp(y, d.x.Bytes(), d.m).Bytes(d.m)), nil
}

// modpElement wants 1 < y < p-1: 0, 1 and p-1 would make the shared value known to anybody.
func modpElement(m *bigmod.Modulus, peer []byte) (*bigmod.Nat, error) {
	y, err := bigmod.NewNat().SetBytes(peer, m) // refuses y >= p
	if err != nil || y.IsZero() == 1 || y.IsOne() == 1 || y.IsMinusOne(m) == 1 {
		return nil, fmt.Errorf("%w: not between 2 and p-2", ErrPublicValue)
	}
	return y, nil
}

func (d *modp) Destroy() { d.x.Destroy() }
