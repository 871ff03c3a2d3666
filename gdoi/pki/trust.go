package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi/policy"
)

// Limits of what a peer may send; each certificate costs parsing, and perhaps a signature check.
const (
	maxChain    = 8
	maxCertSize = 8192
)

// Config is what a Trust is made of.
type Config struct {
	// Anchors end every path. They are trusted as they are: their own validity counts, their revocation does not.
	Anchors []*x509.Certificate
	CRLs    []*x509.RevocationList
	// Strict refuses a certificate when an authority on its path has no current revocation list. Otherwise a list that
	// is out of date still revokes, and a missing one revokes nothing.
	Strict bool
}

// Trust decides which certificates are good. It belongs to one goroutine.
type Trust struct {
	anchors *x509.CertPool
	names   [][]byte // of the anchors, DER
	crls    []*crl
	strict  bool
}

// New checks what can be checked without a peer: anchors must be authorities, and lists that one of them has issued must
// have its signature.
func New(c Config) (*Trust, error) {
	t := &Trust{anchors: x509.NewCertPool(), strict: c.Strict}
	for _, a := range c.Anchors {
		if !a.BasicConstraintsValid || !a.IsCA {
			return nil, fmt.Errorf("pki: %s is not a certificate authority", nameOf(a.RawSubject))
		}
		t.anchors.AddCert(a)
		if !slices.ContainsFunc(t.names, func(n []byte) bool { return bytes.Equal(n, a.RawSubject) }) {
			t.names = append(t.names, a.RawSubject)
		}
	}
	for _, l := range c.CRLs {
		r, err := newCRL(l)
		if err != nil {
			return nil, err
		}
		if err := r.signedByOneOf(c.Anchors); err != nil {
			return nil, err
		}
		t.crls = append(t.crls, r)
	}
	return t, nil
}

// Names are the DER names of the trust anchors, for certificate requests.
func (t *Trust) Names() [][]byte { return t.names }

// Peer is a peer whose certificate is good. That it holds the key is not proven by this.
type Peer struct {
	Leaf *x509.Certificate
	Cert *policy.Certificate
}

// Verify finds a path from the certificates that a peer sent, its own and perhaps others in any order (RFC 4945 §3.3.2),
// to a trust anchor. An error is an *Error.
func (t *Trust) Verify(now time.Time, sent [][]byte) (*Peer, error) {
	leaf, others, err := parse(sent)
	if err != nil {
		return nil, err
	}
	if err := usable(leaf); err != nil {
		return nil, err
	}
	paths, verr := leaf.Verify(x509.VerifyOptions{
		Roots: t.anchors, Intermediates: others, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if verr != nil {
		return nil, verifyError(leaf, verr)
	}
	// One good path is enough; when all are revoked, the first says why.
	var why error
	for _, path := range paths {
		refs := references(path)
		if err := t.check(now, refs, path); err != nil {
			if why == nil {
				why = err
			}
			continue
		}
		return &Peer{Leaf: leaf, Cert: facts(leaf, refs)}, nil
	}
	return nil, why
}

func parse(sent [][]byte) (leaf *x509.Certificate, others *x509.CertPool, err error) {
	switch {
	case len(sent) == 0:
		return nil, nil, failed(ReasonMissing, "the peer sent no certificate; give it one, and its chain up to one of our authorities")
	case len(sent) > maxChain:
		return nil, nil, failed(ReasonInvalid, "%d certificates; at most %d are accepted", len(sent), maxChain)
	}
	others = x509.NewCertPool()
	var first *x509.Certificate
	for i, der := range sent {
		if len(der) > maxCertSize {
			return nil, nil, failed(ReasonInvalid, "a certificate of %d octets; at most %d are accepted", len(der), maxCertSize)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, failed(ReasonInvalid, "certificate %d does not parse: %w", i+1, err)
		}
		if err := keySize(c); err != nil {
			return nil, nil, err
		}
		if first == nil {
			first = c
		}
		if leaf == nil && !c.IsCA {
			leaf = c
			continue
		}
		others.AddCert(c)
	}
	if leaf == nil {
		leaf = first
	}
	return leaf, others, nil
}

func verifyError(leaf *x509.Certificate, err error) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	name := nameOf(leaf.RawSubject)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return failed(ReasonExpired, "the certificate of %s, or one on its path, is not valid at this time (its own: %s to %s); renew it, or set the clocks",
			name, leaf.NotBefore.Format(time.DateTime), leaf.NotAfter.Format(time.DateTime))
	case errors.As(err, &unknown):
		return failed(ReasonUntrusted, "the certificate of %s, issued by %s, has no path to an authority that we trust; check ca here and chain there",
			name, nameOf(leaf.RawIssuer))
	default:
		return failed(ReasonInvalid, "the certificate of %s: %w", name, err)
	}
}

// check asks the revocation lists about a path.
func (t *Trust) check(now time.Time, refs []policy.CertRef, path []*x509.Certificate) error {
	if by := t.revokedBy(refs); by != "" {
		return failed(ReasonRevoked, "the certificate of %s is revoked: %s", nameOf(path[0].RawSubject), by)
	}
	if !t.strict {
		return nil
	}
	for i, r := range refs {
		if !slices.ContainsFunc(t.crls, func(c *crl) bool { return c.current(now) && c.covers(r) }) {
			return failed(ReasonNoCRL, "crl-policy is strict, and there is no current revocation list of %s; get a new one", nameOf(path[i+1].RawSubject))
		}
	}
	return nil
}

// Revoked tells whether a list names a certificate that was good once, and says which.
func (t *Trust) Revoked(c *policy.Certificate) (text string, revoked bool) {
	if t == nil || c == nil {
		return "", false
	}
	text = t.revokedBy(c.Path)
	return text, text != ""
}

func (t *Trust) revokedBy(refs []policy.CertRef) string {
	for i, r := range refs {
		for _, c := range t.crls {
			if at, ok := c.revokes(r); ok {
				what := "serial " + r.Serial
				if i > 0 {
					what = "the authority on its path with " + what
				}
				return fmt.Sprintf("%s is on the list of %s, since %s", what, c.issuer, at.Format(time.DateTime))
			}
		}
	}
	return ""
}

// Warnings says what is wrong with the revocation lists at this time.
func (t *Trust) Warnings(now time.Time) []string {
	if t == nil {
		return nil
	}
	var out []string
	for _, c := range t.crls {
		if !c.current(now) {
			effect := "it still counts, but what was revoked since is not known"
			if t.strict {
				effect = "peers whose certificates this authority issued are refused (crl-policy strict)"
			}
			out = append(out, fmt.Sprintf("the revocation list of %s is out of date since %s: %s; get a new one and reload (SIGHUP)",
				c.issuer, c.list.NextUpdate.Format(time.DateTime), effect))
		}
	}
	return out
}
