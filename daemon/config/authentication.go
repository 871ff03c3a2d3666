package config

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// certificateSuites are proposed when certificates are configured and suites are not.
var certificateSuites = map[uint16]string{
	suite.AuthRSA: "aes256-sha256-modp2048-rsa", suite.AuthECDSA256: "aes256-sha256-ecp256-ecdsa256",
	suite.AuthECDSA384: "aes256-sha384-ecp384-ecdsa384", suite.AuthECDSA521: "aes256-sha512-ecp384-ecdsa521",
}

// authentication checks suites, certificates, keys and the identity against each other; psk says whether there are
// pre-shared keys.
func (d *decoder) authentication(v *value, c *Common, psk bool) {
	own := map[uint16]bool{}
	if c.Certificates != nil {
		for _, o := range c.Certificates.Own {
			own[o.Method] = true
		}
		if len(c.Certificates.Own) == 0 {
			return // reported
		}
	}
	if c.Phase1.at == nil && c.Certificates != nil {
		c.Phase1.Suites = defaultSuites(c.Certificates.Own, psk)
	}
	at := v
	if c.Phase1.at != nil {
		at = c.Phase1.at
	}
	used := map[uint16]bool{}
	for _, s := range c.Phase1.Suites {
		used[s.Auth] = true
		if s.WithCertificate() && !own[s.Auth] {
			d.fail(at, "suite %s takes a certificate with a key for %s, and certificates.own has none", s, suite.AuthName(s.Auth))
		}
	}
	if c.Certificates == nil {
		if c.Identity.DN != "" || c.Identity.Email != "" {
			d.fail(v, "the identities dn and email take certificates")
		}
		return
	}
	for _, o := range c.Certificates.Own {
		if !used[o.Method] {
			d.warn(at, "the certificate in %s is not used: no suite is for %s", o.File, suite.AuthName(o.Method))
		}
		if text := c.Identity.missingFrom(o.Chain[0]); text != "" {
			d.fail(v, "identity %s: the certificate in %s %s, so that peers would refuse it", c.Identity, o.File, text)
		}
	}
	if c.Identity.DN == subject {
		c.Identity.DN = pki.NameString(c.Certificates.Own[0].Chain[0].RawSubject)
	}
}

func defaultSuites(own []Certificate, psk bool) []suite.Phase1 {
	var out []suite.Phase1
	for _, o := range own {
		s, err := suite.ParsePhase1(certificateSuites[o.Method])
		if err == nil && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	if psk {
		out = append(out, suite.DefaultPhase1()...)
	}
	return out
}

// ID is the identity on the wire. That of a certificate's subject has no data here: it is the one of the certificate
// that phase 1 chooses.
func (i Identity) ID() isakmp.ID {
	switch {
	case i.FQDN != "":
		return isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte(i.FQDN)}
	case i.Email != "":
		return isakmp.ID{IDType: isakmp.IDUserFQDN, Data: []byte(i.Email)}
	case i.DN != "":
		return isakmp.ID{IDType: isakmp.IDDERASN1DN}
	}
	if i.Other.IsValid() {
		return isakmp.ID{} // the address that a session is spoken from
	}
	return addressID(i.Address)
}

func addressID(a netip.Addr) isakmp.ID {
	if a = a.Unmap(); a.Is4() {
		return isakmp.ID{IDType: isakmp.IDIPv4Addr, Data: a.AsSlice()}
	}
	return isakmp.ID{IDType: isakmp.IDIPv6Addr, Data: a.AsSlice()}
}

// subject is the word for "whatever the certificate says".
const subject = "subject"

// missingFrom says what a certificate lacks to stand for the identity.
func (i Identity) missingFrom(c *x509.Certificate) string {
	if i.DN == "" {
		ids := []isakmp.ID{i.ID()}
		if i.Other.IsValid() {
			ids = []isakmp.ID{addressID(i.Address), addressID(i.Other)}
		}
		for _, id := range ids {
			if !(&pki.Peer{Leaf: c}).SpeaksFor(id) {
				return "does not have it as an alternative name"
			}
		}
		return ""
	}
	name := pki.NameString(c.RawSubject)
	switch {
	case bytes.Equal(c.RawSubject, []byte{0x30, 0}):
		return "has no subject"
	case i.DN != subject && i.DN != name:
		return fmt.Sprintf("has the subject %s", name)
	}
	return ""
}
