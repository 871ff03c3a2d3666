// Package pkitest is a certificate authority for tests and for the lab: roots, intermediate authorities, members'
// certificates with whatever a test wants to be wrong about them, and revocation lists. It is no authority for anything
// else: keys lie in memory, and nobody keeps a register.
package pkitest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net/netip"
	"time"
)

// NewKey makes a key: "rsa" (2048 bits), "rsa4096", "ecdsa256", "ecdsa384" or "ecdsa521".
func NewKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "rsa":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "rsa4096":
		return rsa.GenerateKey(rand.Reader, 4096)
	case "ecdsa256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ecdsa521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	}
	return nil, fmt.Errorf("pkitest: key %q; use rsa, rsa4096, ecdsa256, ecdsa384 or ecdsa521", kind)
}

// CA is an authority.
type CA struct {
	Cert *x509.Certificate
	Key  crypto.Signer
	// Chain are the authorities above, up to the root, which it does not have.
	Chain []*x509.Certificate

	serial  int64
	revoked []x509.RevocationListEntry
	lists   int64
}

// Request is what a certificate says. Zero values are left out, apart from the times: an hour ago, and in a year.
type Request struct {
	Subject             pkix.Name
	DNS, Mail           []string
	Addresses           []netip.Addr
	NotBefore, NotAfter time.Time
	KeyUsage            x509.KeyUsage // zero: digital signature
	ExtKeyUsage         []x509.ExtKeyUsage
	Padding             int // octets of an extension that means nothing: for large certificates
}

// Name is a subject.
func Name(cn, o, ou string) pkix.Name {
	n := pkix.Name{CommonName: cn}
	if o != "" {
		n.Organization = []string{o}
	}
	if ou != "" {
		n.OrganizationalUnit = []string{ou}
	}
	return n
}

// NewRoot makes a root authority that is valid around now.
func NewRoot(now time.Time, name pkix.Name, key crypto.Signer) (*CA, error) {
	t := authority(now, name)
	t.SerialNumber = big.NewInt(1)
	c, err := sign(t, t, key.Public(), key)
	return &CA{Cert: c, Key: key, serial: 1}, err
}

// NewAuthority makes an intermediate authority.
func (ca *CA) NewAuthority(now time.Time, name pkix.Name, key crypto.Signer) (*CA, error) {
	t := authority(now, name)
	t.SerialNumber = ca.next()
	c, err := sign(t, ca.Cert, key.Public(), ca.Key)
	return &CA{Cert: c, Key: key, Chain: append([]*x509.Certificate{c}, ca.Chain...)}, err
}

func authority(now time.Time, name pkix.Name) *x509.Certificate {
	return &x509.Certificate{
		Subject: name, NotBefore: now.Add(-2 * time.Hour), NotAfter: now.AddDate(10, 0, 0),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func (ca *CA) next() *big.Int {
	ca.serial++
	return big.NewInt(ca.serial)
}

// Issue makes a certificate for a key.
func (ca *CA) Issue(now time.Time, r Request, pub crypto.PublicKey) (*x509.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: ca.next(), Subject: r.Subject, NotBefore: r.NotBefore, NotAfter: r.NotAfter,
		KeyUsage: r.KeyUsage, ExtKeyUsage: r.ExtKeyUsage, DNSNames: r.DNS, EmailAddresses: r.Mail, BasicConstraintsValid: true,
	}
	if t.NotBefore.IsZero() {
		t.NotBefore = now.Add(-time.Hour)
	}
	if t.NotAfter.IsZero() {
		t.NotAfter = now.AddDate(1, 0, 0)
	}
	if t.KeyUsage == 0 {
		t.KeyUsage = x509.KeyUsageDigitalSignature
	}
	for _, a := range r.Addresses {
		t.IPAddresses = append(t.IPAddresses, a.AsSlice())
	}
	if r.Padding > 0 {
		t.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Value: make([]byte, r.Padding)}}
	}
	return sign(t, ca.Cert, pub, ca.Key)
}

func sign(t, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("pkitest: %w", err)
	}
	return x509.ParseCertificate(der)
}

// Revoke puts certificates of this authority on its list.
func (ca *CA) Revoke(at time.Time, certs ...*x509.Certificate) {
	for _, c := range certs {
		ca.revoked = append(ca.revoked, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: at})
	}
}

// List is the revocation list, DER.
func (ca *CA) List(from, next time.Time) ([]byte, error) {
	ca.lists++
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(ca.lists), ThisUpdate: from, NextUpdate: next, RevokedCertificateEntries: ca.revoked,
	}, ca.Cert, ca.Key)
	if err != nil {
		return nil, fmt.Errorf("pkitest: %w", err)
	}
	return der, nil
}

// Resume takes up an authority from its certificate, its key and its last list, to revoke more.
func Resume(cert *x509.Certificate, key crypto.Signer, last *x509.RevocationList) *CA {
	return &CA{Cert: cert, Key: key, revoked: last.RevokedCertificateEntries, lists: last.Number.Int64()}
}
