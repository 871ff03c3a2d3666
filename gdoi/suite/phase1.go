package suite

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Phase-1 authentication methods: RFC 2409 App. A, RFC 4754 §3.
const (
	AuthPSK      uint16 = 1
	AuthRSA      uint16 = 3
	AuthECDSA256 uint16 = 9
	AuthECDSA384 uint16 = 10
	AuthECDSA521 uint16 = 11
)

// authNames are the fourth part of a suite's text; a suite without one is for pre-shared keys.
var authNames = []struct {
	method uint16
	name   string
}{{AuthRSA, "rsa"}, {AuthECDSA256, "ecdsa256"}, {AuthECDSA384, "ecdsa384"}, {AuthECDSA521, "ecdsa521"}}

// AuthName is the text of an authentication method, "psk" or the fourth part of a suite.
func AuthName(method uint16) string {
	for _, a := range authNames {
		if a.method == method {
			return a.name
		}
	}
	if method == AuthPSK {
		return "psk"
	}
	return fmt.Sprintf("auth(%d)", method)
}

// WithCertificate tells a method of signatures from pre-shared keys.
func (p Phase1) WithCertificate() bool {
	for _, a := range authNames {
		if a.method == p.Auth {
			return true
		}
	}
	return false
}

// SignatureHash is the hash under HASH_I and HASH_R: that of the method where it has one of its own (RFC 2409 §5.1,
// RFC 4754 §3), else the negotiated one.
func (p Phase1) SignatureHash() machine.Hash {
	switch p.Auth {
	case AuthECDSA256:
		return machine.SHA256
	case AuthECDSA384:
		return machine.SHA384
	case AuthECDSA521:
		return machine.SHA512
	default:
		return p.Hash
	}
}

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

// ParsePhase1 reads the text form CIPHER-HASH-GROUP for pre-shared keys, "aes256-sha256-modp2048", or
// CIPHER-HASH-GROUP-AUTH for certificates, "aes256-sha256-modp2048-rsa".
func ParsePhase1(s string, opts ...Option) (Phase1, error) {
	parts := strings.Split(s, "-")
	if len(parts) != 3 && len(parts) != 4 {
		return Phase1{}, fmt.Errorf("%w: suite %q; write CIPHER-HASH-GROUP, as aes256-sha256-modp2048, and with certificates CIPHER-HASH-GROUP-AUTH", ErrUnknown, s)
	}
	p := Phase1{Auth: AuthPSK}
	if len(parts) == 4 {
		p.Auth = 0
		for _, a := range authNames {
			if a.name == parts[3] {
				p.Auth = a.method
			}
		}
		if p.Auth == 0 {
			return Phase1{}, fmt.Errorf("%w: authentication %q in suite %q; use rsa, ecdsa256, ecdsa384 or ecdsa521, or leave it out for pre-shared keys", ErrUnknown, parts[3], s)
		}
	}
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
	s := p.Cipher.String() + "-" + HashName(p.Hash) + "-" + p.Group.String()
	if p.WithCertificate() {
		s += "-" + AuthName(p.Auth)
	}
	return s
}

// DefaultPhase1 is what a configuration without a list of suites means, best first.
func DefaultPhase1() []Phase1 {
	return []Phase1{
		{AES256CBC, machine.SHA256, MODP2048, AuthPSK},
		{AES256CBC, machine.SHA384, ECP384, AuthPSK},
		{AES128CBC, machine.SHA256, ECP256, AuthPSK},
	}
}
