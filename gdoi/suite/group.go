package suite

import (
	"fmt"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Group is a Diffie-Hellman group by its IANA number, the value of the phase-1 attribute "Group Description".
type Group uint16

// Groups.
const (
	MODP2048 Group = 14 // RFC 3526 §3
	ECP256   Group = 19 // RFC 5903 §3.1
	ECP384   Group = 20 // RFC 5903 §3.2
)

// DH is one ephemeral exchange. Destroy ends it.
type DH interface {
	// Public is the octets of the KE payload, in the group's fixed width.
	Public() []byte
	// Shared is g^xy as key derivation wants it: fixed width; for elliptic curves the x coordinate alone
	// (RFC 5903 §7). A peer value that is not a proper member of the group is ErrPublicValue.
	Shared(peer []byte) (*machine.Secret, error)
	// Destroy forgets the private value.
	Destroy()
}

// New draws a private value from env.
func (g Group) New(env *machine.Env) (DH, error) {
	switch g {
	case MODP2048, MODP1024:
		return newMODP(g, env), nil
	case ECP256, ECP384:
		return newECP(g, env), nil
	default:
		return nil, fmt.Errorf("%w: Diffie-Hellman group %d; use 14, 19 or 20", ErrUnknown, uint16(g))
	}
}

// Check judges a peer's public value without an exponentiation, so that junk costs nothing.
func (g Group) Check(peer []byte) error {
	if g.PublicLen() == 0 || len(peer) != g.PublicLen() {
		return fmt.Errorf("%w: %d octets, %s has %d", ErrPublicValue, len(peer), g, g.PublicLen())
	}
	var err error
	if g.modulus() != nil {
		_, err = modpElement(g.modulus(), peer)
	} else {
		_, err = ecpPoint(g, peer)
	}
	return err
}

// PublicLen is the length of the KE payload's data in octets; 0 for a group that is not in the registry.
func (g Group) PublicLen() int {
	switch g {
	case MODP2048:
		return 256
	case MODP1024:
		return 128
	case ECP256:
		return 64
	case ECP384:
		return 96
	default:
		return 0
	}
}

// String is the text form, "modp2048".
func (g Group) String() string {
	switch g {
	case MODP2048:
		return "modp2048"
	case MODP1024:
		return "modp1024"
	case ECP256:
		return "ecp256"
	case ECP384:
		return "ecp384"
	default:
		return fmt.Sprintf("group(%d)", uint16(g))
	}
}

func parseGroup(s string) (Group, error) {
	for _, g := range []Group{MODP2048, ECP256, ECP384} {
		if g.String() == s {
			return g, nil
		}
	}
	return 0, fmt.Errorf("%w: Diffie-Hellman group %q; use modp2048, ecp256 or ecp384", ErrUnknown, s)
}
