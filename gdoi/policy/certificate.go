package policy

import (
	"slices"
	"strings"
	"time"
)

// Certificate is what a peer's certificate says, as plain text: it goes into records, journals and rules.
type Certificate struct {
	Subject     string // RFC 4514, "CN=gm1,OU=Branches,O=Example"
	Issuer      string
	Serial      string // hexadecimal
	Fingerprint string // SHA-256 of the certificate, hexadecimal
	O, OU, CN   []string
	SAN         []string // host names, mail addresses and addresses, as text
	NotAfter    time.Time
	// Path has one entry for each certificate from the peer's own to the last one below the trust anchor.
	Path []CertRef
}

// CertRef is what a revocation list is asked about one certificate.
type CertRef struct {
	Issuer string // hexadecimal SHA-256 of the issuer's DER name
	Serial string // hexadecimal
	Key    string // base64 of the issuer's SubjectPublicKeyInfo, which signs the list
}

// CertRule is what a certificate must say; empty fields ask nothing. All that are given must hold.
type CertRule struct {
	Subject string // the whole name
	Issuer  string
	O       string // one of the attributes of the subject
	OU      string
	CN      string
	SAN     string // one of the alternative names
}

// IsZero tells a rule that asks nothing.
func (r CertRule) IsZero() bool { return r == CertRule{} }

// matches: a peer without a certificate meets no rule about certificates.
func (r CertRule) matches(c *Certificate) bool {
	if r.IsZero() {
		return true
	}
	if c == nil {
		return false
	}
	name := func(want, have string) bool { return want == "" || tidyName(want) == tidyName(have) }
	one := func(want string, have []string) bool { return want == "" || slices.Contains(have, want) }
	return name(r.Subject, c.Subject) && name(r.Issuer, c.Issuer) && one(r.O, c.O) && one(r.OU, c.OU) && one(r.CN, c.CN) && one(r.SAN, c.SAN)
}

// tidyName takes the blanks after the separators of a distinguished name away: people write them, RFC 4514 does not.
func tidyName(s string) string {
	var b strings.Builder
	separator, escaped := false, false
	for _, r := range s {
		if r == ' ' && separator {
			continue
		}
		separator = !escaped && (r == ',' || r == '+')
		escaped = !escaped && r == '\\'
		b.WriteRune(r)
	}
	return b.String()
}
