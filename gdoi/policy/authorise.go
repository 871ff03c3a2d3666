package policy

import (
	"net/netip"
	"strings"
)

// Peer is a phase-1 peer as the key server knows it after authentication.
type Peer struct {
	Addr   netip.Addr // where it speaks from; with pre-shared keys, what selected the key
	IDType uint8      // phase-1 identity type, RFC 2407 §4.6.2.1
	ID     string     // phase-1 identity, printable
	// Cert is what it was authenticated with; nil for a pre-shared key.
	Cert *Certificate
}

// AuthRule allows peers of a prefix, of an identity, or with a certificate that says something; what is given must all
// hold. An ID that is an address
// is met by identities of an address type only: phase 1 compares those with where the peer speaks from, whereas with a
// pre-shared key a peer may call itself by any name, "10.1.0.1" too. A name alone therefore proves no more than that
// the peer has some key; give Prefix as well. With a certificate, a name is one that the certificate has.
type AuthRule struct {
	Prefix netip.Prefix
	ID     string
	Cert   CertRule
}

// Authorisation is a group's list of allowed members (RFC 6407 §3.1: a key server SHOULD have one and then MUST
// use the phase-1 identity). The empty list allows nobody.
type Authorisation []AuthRule

// Identity types, RFC 2407 §4.6.2.1. The case of a host name's letters says nothing.
const (
	idIPv4Addr = 1
	idFQDN     = 2
	idIPv6Addr = 5
	idDN       = 9
)

// Allows says whether some rule allows the peer.
func (a Authorisation) Allows(p Peer) bool {
	for _, r := range a {
		if r.matches(p) {
			return true
		}
	}
	return false
}

func (r AuthRule) matches(p Peer) bool {
	if !r.Prefix.IsValid() && r.ID == "" && r.Cert.IsZero() {
		return false
	}
	if !r.Cert.matches(p.Cert) {
		return false
	}
	if r.Prefix.IsValid() && !r.Prefix.Contains(p.Addr.Unmap()) {
		return false
	}
	if r.ID == "" {
		return true
	}
	if a, err := netip.ParseAddr(r.ID); err == nil {
		b, err := netip.ParseAddr(p.ID)
		return err == nil && a == b && (p.IDType == idIPv4Addr || p.IDType == idIPv6Addr)
	}
	if p.IDType == idDN {
		return tidyName(r.ID) == tidyName(p.ID)
	}
	if p.IDType == idFQDN {
		return strings.EqualFold(r.ID, p.ID)
	}
	return r.ID == p.ID
}
