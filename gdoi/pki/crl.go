package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi/policy"
)

// crl is a revocation list. Whose signature it has is found out once for each key that claims it.
type crl struct {
	list     *x509.RevocationList
	issuer   string // printable
	nameHash string
	revoked  map[string]time.Time // by serial
	signed   map[string]bool      // by the issuer's key, as in policy.CertRef
}

// newCRL reads the entries. A list that is not the whole truth about its issuer's certificates (a delta, or one of
// several parts) has a critical extension that says so; such lists are refused (RFC 5280 §5.2).
func newCRL(l *x509.RevocationList) (*crl, error) {
	c := &crl{
		list: l, issuer: nameOf(l.RawIssuer), nameHash: hashHex(l.RawIssuer),
		revoked: make(map[string]time.Time, len(l.RevokedCertificateEntries)), signed: map[string]bool{},
	}
	for _, e := range l.Extensions {
		if e.Critical {
			return nil, fmt.Errorf("pki: the revocation list of %s has the critical extension %s: a delta or partial list; use a whole one", c.issuer, e.Id)
		}
	}
	for _, e := range l.RevokedCertificateEntries {
		for _, x := range e.Extensions {
			if x.Critical {
				return nil, fmt.Errorf("pki: the revocation list of %s speaks for other authorities too (critical extension %s); use one of its own", c.issuer, x.Id)
			}
		}
		c.revoked[e.SerialNumber.Text(16)] = e.RevocationTime
	}
	return c, nil
}

// signedByOneOf checks the signature when one of the anchors has the issuer's name; a list of an authority that only
// peers' chains show is checked when they do.
func (c *crl) signedByOneOf(anchors []*x509.Certificate) error {
	named := false
	for _, a := range anchors {
		if !bytes.Equal(a.RawSubject, c.list.RawIssuer) {
			continue
		}
		named = true
		if a.KeyUsage != 0 && a.KeyUsage&x509.KeyUsageCRLSign == 0 {
			return fmt.Errorf("pki: %s may not sign revocation lists (its key usage says so), but there is one of it", c.issuer)
		}
		if c.signature(keyOf(a)) {
			return nil
		}
	}
	if named {
		return fmt.Errorf("pki: the revocation list of %s does not have its signature", c.issuer)
	}
	return nil
}

// signature tells whether the list is signed with a key.
func (c *crl) signature(key string) bool {
	ok, known := c.signed[key]
	if known {
		return ok
	}
	der, err := base64.StdEncoding.DecodeString(key)
	if err == nil {
		if pub, perr := x509.ParsePKIXPublicKey(der); perr == nil {
			ok = (&x509.Certificate{PublicKey: pub}).CheckSignature(c.list.SignatureAlgorithm, c.list.RawTBSRevocationList, c.list.Signature) == nil
		}
	}
	c.signed[key] = ok
	return ok
}

// covers tells whether the list is the one to ask about a certificate.
func (c *crl) covers(r policy.CertRef) bool { return c.nameHash == r.Issuer && c.signature(r.Key) }

func (c *crl) revokes(r policy.CertRef) (time.Time, bool) {
	at, ok := c.revoked[r.Serial]
	return at, ok && c.covers(r)
}

// current: a list without a next update says nothing about its age.
func (c *crl) current(now time.Time) bool {
	return !now.Before(c.list.ThisUpdate) && (c.list.NextUpdate.IsZero() || !now.After(c.list.NextUpdate))
}

func keyOf(c *x509.Certificate) string {
	return base64.StdEncoding.EncodeToString(c.RawSubjectPublicKeyInfo)
}

func hashHex(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
