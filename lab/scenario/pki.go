package scenario

import (
	"fmt"
	"net/netip"
	"slices"
)

// PKI is the certificate authorities of a lab and what they have issued. Each run makes fresh ones, under ${secrets}:
//
//	AUTHORITY.pem, AUTHORITY.crl        the certificate and the revocation list of each
//	NAME.pem, NAME.key                  a certificate with its chain up to the root, and its key
type PKI struct {
	Authorities  []Authority   `yaml:"authorities"`
	Certificates []Certificate `yaml:"certificates"`
}

// Authority issues certificates.
type Authority struct {
	Name  string `yaml:"name"`
	Under string `yaml:"under"` // another authority, defined above; empty: a root
	Key   string `yaml:"key"`   // rsa, rsa4096, ecdsa256, ecdsa384 or ecdsa521
}

// Certificate is one that an authority has issued.
type Certificate struct {
	Name      string       `yaml:"name"`
	By        string       `yaml:"by"`
	Key       string       `yaml:"key"`
	CN        string       `yaml:"cn"` // default: the name
	O         string       `yaml:"o"`
	OU        string       `yaml:"ou"`
	DNS       []string     `yaml:"dns"`
	Mail      []string     `yaml:"mail"`
	Addresses []netip.Addr `yaml:"addresses"`
	Padding   int          `yaml:"padding"` // octets that mean nothing, for large certificates
	Expired   bool         `yaml:"expired"`
	Revoked   bool         `yaml:"revoked"` // from the beginning
}

// Certificate finds one by name.
func (p *PKI) Certificate(name string) *Certificate {
	if p == nil {
		return nil
	}
	for i := range p.Certificates {
		if p.Certificates[i].Name == name {
			return &p.Certificates[i]
		}
	}
	return nil
}

var keyKinds = []string{"rsa", "rsa4096", "ecdsa256", "ecdsa384", "ecdsa521"}

func (s *Scenario) validatePKI(bad func(at Pos, format string, args ...any)) {
	if s.PKI == nil {
		return
	}
	var names []string
	name := func(what, n, key string) {
		switch {
		case !fileName.MatchString(n):
			bad(Pos{}, "pki: %s name %q is no plain file name", what, n)
		case slices.Contains(names, n):
			bad(Pos{}, "pki: %s is defined twice", n)
		case !slices.Contains(keyKinds, key):
			bad(Pos{}, "pki: %s: key %q; write one of %v", n, key, keyKinds)
		}
		names = append(names, n)
	}
	var above []string
	for _, a := range s.PKI.Authorities {
		name("authority", a.Name, a.Key)
		if a.Under != "" && !slices.Contains(above, a.Under) {
			bad(Pos{}, "pki: authority %s: there is no authority %q above it", a.Name, a.Under)
		}
		above = append(above, a.Name)
	}
	for _, c := range s.PKI.Certificates {
		name("certificate", c.Name, c.Key)
		if !slices.Contains(above, c.By) {
			bad(Pos{}, "pki: certificate %s: there is no authority %q", c.Name, c.By)
		}
		if c.Padding < 0 || c.Padding > 6000 {
			bad(Pos{}, "pki: certificate %s: padding %d is outside 0..6000", c.Name, c.Padding)
		}
	}
}

// HasCertificate says why a certificate cannot be named.
func (s *Scenario) HasCertificate(name string) error {
	if s.PKI.Certificate(name) == nil {
		return fmt.Errorf("pki: has no certificate %q", name)
	}
	return nil
}
