package pki

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// references are the questions to the revocation lists about a path that x509 built: the anchor last, which is not asked
// about.
func references(path []*x509.Certificate) []policy.CertRef {
	var out []policy.CertRef
	for i := 0; i+1 < len(path); i++ {
		out = append(out, policy.CertRef{Issuer: hashHex(path[i].RawIssuer), Serial: path[i].SerialNumber.Text(16), Key: keyOf(path[i+1])})
	}
	return out
}

func facts(c *x509.Certificate, refs []policy.CertRef) *policy.Certificate {
	f := &policy.Certificate{
		Subject: nameOf(c.RawSubject), Issuer: nameOf(c.RawIssuer), Serial: c.SerialNumber.Text(16), Fingerprint: hashHex(c.Raw),
		O: printable(c.Subject.Organization), OU: printable(c.Subject.OrganizationalUnit), NotAfter: c.NotAfter, Path: refs,
	}
	if c.Subject.CommonName != "" {
		f.CN = printable([]string{c.Subject.CommonName})
	}
	f.SAN = append(printable(c.DNSNames), printable(c.EmailAddresses)...)
	for _, ip := range c.IPAddresses {
		f.SAN = append(f.SAN, ip.String())
	}
	return f
}

func printable(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.Map(visible, s)
	}
	return out
}

func visible(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

// NameString is a DER name in print (RFC 4514); hexadecimal when it is none.
func NameString(der []byte) string {
	var n pkix.RDNSequence
	rest, err := asn1.Unmarshal(der, &n)
	if err != nil || len(rest) > 0 {
		return "0x" + hex.EncodeToString(der)
	}
	return strings.Map(visible, n.String())
}

func nameOf(der []byte) string { return NameString(der) }

// keySize bounds what a signature check can cost, and what it is worth.
func keySize(c *x509.Certificate) error {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < suite.MinRSABits || n > suite.MaxRSABits {
			return failed(ReasonInvalid, "%s has an RSA key of %d bits; use %d to %d", nameOf(c.RawSubject), n, suite.MinRSABits, suite.MaxRSABits)
		}
	case *ecdsa.PublicKey:
	default:
		return failed(ReasonInvalid, "%s has a key that is neither RSA nor ECDSA", nameOf(c.RawSubject))
	}
	return nil
}

// oidIPsecIKE is id-kp-ipsecIKE (RFC 4945 §5.1.3.12).
var oidIPsecIKE = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 17}

// ikeUsages are the purposes that let a certificate be used here: those of IPsec, and, because many authorities give
// nothing else, those of TLS.
var ikeUsages = []x509.ExtKeyUsage{
	x509.ExtKeyUsageAny, x509.ExtKeyUsageIPSECEndSystem, x509.ExtKeyUsageIPSECTunnel, x509.ExtKeyUsageIPSECUser,
	x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth,
}

// usable judges what a certificate says it is for (RFC 4945 §5.1.3.2, §5.1.3.12).
func usable(c *x509.Certificate) error {
	const signs = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if c.KeyUsage != 0 && c.KeyUsage&signs == 0 {
		return failed(ReasonInvalid, "the certificate of %s is not for signatures (key usage)", nameOf(c.RawSubject))
	}
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 {
		return nil
	}
	ok := slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool { return slices.Contains(ikeUsages, u) }) ||
		slices.ContainsFunc(c.UnknownExtKeyUsage, func(o asn1.ObjectIdentifier) bool { return o.Equal(oidIPsecIKE) })
	if !ok {
		return failed(ReasonInvalid, "the certificate of %s is for something else (extended key usage)", nameOf(c.RawSubject))
	}
	return nil
}
