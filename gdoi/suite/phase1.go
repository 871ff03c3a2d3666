package suite

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// AuthPSK is the phase-1 authentication method "pre-shared key" (RFC 2409 App. A).
const AuthPSK uint16 = 1

// Phase1 is what one phase-1 transform negotiates.
type Phase1 struct {
	Cipher Cipher
	Hash   machine.Hash
	Group  Group
	Auth   uint16
}

// Option relaxes ParsePhase1.
type Option uint8

// AllowSHA1 lets a suite name sha1; without it such a suite is ErrNotAllowed.
const AllowSHA1 Option = 1

// ParsePhase1 reads the text form CIPHER-HASH-GROUP, "aes256-sha256-modp2048".
func ParsePhase1(s string, opts ...Option) (Phase1, error) {
	parts := strings.Split(s, "-")
	if len(parts) != 3 {
		return Phase1{}, fmt.Errorf("%w: suite %q; write CIPHER-HASH-GROUP, as aes256-sha256-modp2048", ErrUnknown, s)
	}
	p := Phase1{Auth: AuthPSK}
	for _, c := range []Cipher{AES128CBC, AES256CBC} {
		if c.String() == parts[0] {
			p.Cipher = c
		}
	}
	if p.Cipher == 0 {
		return Phase1{}, fmt.Errorf("%w: cipher %q in suite %q; use aes128 or aes256", ErrUnknown, parts[0], s)
	}
	var err error
	if p.Hash, err = ParseHash(parts[1]); err != nil {
		return Phase1{}, fmt.Errorf("suite %q: %w", s, err)
	}
	if p.Group, err = parseGroup(parts[2]); err != nil {
		return Phase1{}, fmt.Errorf("suite %q: %w", s, err)
	}
	if p.Hash == machine.SHA1 {
		for _, o := range opts {
			if o == AllowSHA1 {
				return p, nil
			}
		}
		return Phase1{}, fmt.Errorf("%w: sha1 in suite %q; use sha256, or set phase1.allow-sha1", ErrNotAllowed, s)
	}
	return p, nil
}

// String is the text form that ParsePhase1 reads.
func (p Phase1) String() string {
	return p.Cipher.String() + "-" + HashName(p.Hash) + "-" + p.Group.String()
}

// DefaultPhase1 is what a configuration without a list of suites means, best first.
func DefaultPhase1() []Phase1 {
	return []Phase1{
		{AES256CBC, machine.SHA256, MODP2048, AuthPSK},
		{AES256CBC, machine.SHA384, ECP384, AuthPSK},
		{AES128CBC, machine.SHA256, ECP256, AuthPSK},
	}
}
