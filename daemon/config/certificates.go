package config

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Certificates is what phase 1 with certificates needs.
type Certificates struct {
	Own           []Certificate
	CAFiles       []string
	CRLFiles      []string
	Anchors       []*x509.Certificate
	StrictCRL     bool
	RevokeRefuse  bool // key server: let revoked members keep what they have
	Fragmentation bool
	Trust         *pki.Trust
}

// Certificate is one of our own.
type Certificate struct {
	File, KeyFile string
	ChainFile     string // may be empty
	Method        uint16 // what its key is for, suite.AuthRSA for example
	Chain         []*x509.Certificate
	Key           crypto.Signer
}

// certificates decodes the key of that name. revocation is set on a key server.
func (d *decoder) certificates(v *value, c *Certificates, revocation bool) {
	policy, onRevocation := "warn", "remove"
	c.Fragmentation = true
	var crlAt *value
	fields := []field{
		must("own", func(v *value) {
			d.list(func(v *value) {
				if o := d.certificate(v); o != nil {
					c.Own = append(c.Own, *o)
				}
			})(v)
			if v.kind == sequence && len(v.items) == 0 {
				d.fail(v, "no certificate")
			}
		}),
		must("ca", func(v *value) {
			d.list(func(v *value) { d.ca(v, c) })(v)
			if v.kind == sequence && len(v.items) == 0 {
				d.fail(v, "no authority: nobody could be trusted")
			}
		}),
		opt("crl", func(v *value) {
			crlAt = v
			d.list(func(v *value) {
				var f string
				d.path(&f)(v)
				c.CRLFiles = append(c.CRLFiles, f)
			})(v)
		}),
		opt("crl-policy", d.oneOf(&policy, "warn", "strict")),
		opt("fragmentation", d.boolean(&c.Fragmentation)),
	}
	if revocation {
		fields = append(fields, opt("on-revocation", d.oneOf(&onRevocation, "remove", "refuse")))
	}
	before := len(d.errs)
	d.object(v, fields...)
	c.StrictCRL, c.RevokeRefuse = policy == "strict", onRevocation == "refuse"
	if len(d.errs) > before {
		return
	}
	if crlAt == nil {
		crlAt = v
		if c.StrictCRL {
			d.fail(v, "crl-policy strict refuses everybody without a crl")
		}
	}
	var err error
	if c.Trust, err = c.LoadTrust(); err != nil {
		d.fail(crlAt, "%s", trim(err))
		return
	}
	for _, w := range c.Trust.Warnings(d.wall()) {
		d.warn(crlAt, "%s", w)
	}
}

// LoadTrust reads the revocation lists, which may have changed, and makes a new judge.
func (c *Certificates) LoadTrust() (*pki.Trust, error) {
	t := pki.Config{Anchors: c.Anchors, Strict: c.StrictCRL}
	for _, f := range c.CRLFiles {
		lists, err := loadCRLs(f)
		if err != nil {
			return nil, err
		}
		t.CRLs = append(t.CRLs, lists...)
	}
	return pki.New(t)
}

// certificate decodes one of own; nil after an error.
func (d *decoder) certificate(v *value) *Certificate {
	var o Certificate
	at := map[string]*value{}
	before := len(d.errs)
	path := func(key string, into *string) func(*value) {
		return func(v *value) { at[key] = v; d.path(into)(v) }
	}
	d.object(v, must("file", path("file", &o.File)), must("key-file", path("key-file", &o.KeyFile)), opt("chain", path("chain", &o.ChainFile)))
	if len(d.errs) > before {
		return nil
	}
	problem, key, err := o.load()
	if err != nil {
		d.fail(at[key], "%s", trim(err))
		return nil
	}
	if problem != "" {
		d.warn(at[key], "%s", problem)
	}
	leaf := o.Chain[0]
	switch now := d.wall(); {
	case now.After(leaf.NotAfter):
		d.warn(at["file"], "the certificate has expired at %s: peers refuse it; renew it", leaf.NotAfter.Format(time.DateTime))
	case now.Before(leaf.NotBefore):
		d.warn(at["file"], "the certificate is not valid before %s: peers refuse it; check the clock", leaf.NotBefore.Format(time.DateTime))
	}
	return &o
}

// load reads the files. What is wrong, an error or only a problem, is with the key of the configuration.
func (o *Certificate) load() (problem, key string, err error) {
	if o.Chain, err = loadCertificates(o.File); err != nil {
		return "", "file", err
	}
	if o.ChainFile != "" {
		more, err := loadCertificates(o.ChainFile)
		if err != nil {
			return "", "chain", err
		}
		o.Chain = append(o.Chain, more...)
	}
	if o.Method, err = suite.AuthOfKey(o.Chain[0].PublicKey); err != nil {
		return "", "file", fmt.Errorf("%s: %s", o.File, trim(err))
	}
	if o.Key, problem, err = loadKey(o.KeyFile); err != nil {
		return "", "key-file", err
	}
	if !samePublic(o.Key.Public(), o.Chain[0].PublicKey) {
		return "", "key-file", fmt.Errorf("%s is not the key of the certificate in %s", o.KeyFile, o.File)
	}
	return problem, "key-file", nil
}

// Renew reads all files again: certificates that were renewed, other authorities, newer revocation lists. What the
// configuration says of them stays, and so do the kinds of keys and the identity.
func (c *Certificates) Renew(id Identity) (*Certificates, error) {
	fresh := *c
	fresh.Own, fresh.Anchors = nil, nil
	for _, was := range c.Own {
		o := Certificate{File: was.File, KeyFile: was.KeyFile, ChainFile: was.ChainFile}
		if _, _, err := o.load(); err != nil {
			return nil, err
		}
		if o.Method != was.Method {
			return nil, fmt.Errorf("%s has a key for %s now, and had one for %s: that takes a restart", o.File, suite.AuthName(o.Method), suite.AuthName(was.Method))
		}
		if text := id.missingFrom(o.Chain[0]); text != "" {
			return nil, fmt.Errorf("identity %s: the certificate in %s %s", id, o.File, text)
		}
		fresh.Own = append(fresh.Own, o)
	}
	for _, f := range c.CAFiles {
		certs, err := loadCertificates(f)
		if err != nil {
			return nil, err
		}
		fresh.Anchors = append(fresh.Anchors, certs...)
	}
	var err error
	fresh.Trust, err = fresh.LoadTrust()
	return &fresh, err
}

func (d *decoder) wall() time.Time {
	if d.now.IsZero() {
		return time.Now()
	}
	return d.now
}

func samePublic(a, b crypto.PublicKey) bool {
	switch k := a.(type) {
	case *rsa.PublicKey:
		return k.Equal(b)
	case *ecdsa.PublicKey:
		return k.Equal(b)
	}
	return false
}

func (d *decoder) ca(v *value, c *Certificates) {
	var f string
	d.path(&f)(v)
	if f == "" {
		return
	}
	certs, err := loadCertificates(f)
	if err != nil {
		d.fail(v, "%s", err)
		return
	}
	for _, a := range certs {
		if !a.IsCA {
			d.fail(v, "%s: %s is not a certificate authority", f, pki.NameString(a.RawSubject))
		}
	}
	c.CAFiles, c.Anchors = append(c.CAFiles, f), append(c.Anchors, certs...)
}

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
	if a := i.Address.Unmap(); a.Is4() {
		return isakmp.ID{IDType: isakmp.IDIPv4Addr, Data: a.AsSlice()}
	}
	return isakmp.ID{IDType: isakmp.IDIPv6Addr, Data: i.Address.AsSlice()}
}

// subject is the word for "whatever the certificate says".
const subject = "subject"

// missingFrom says what a certificate lacks to stand for the identity.
func (i Identity) missingFrom(c *x509.Certificate) string {
	id := i.ID()
	if i.DN == "" {
		if !(&pki.Peer{Leaf: c}).SpeaksFor(id) {
			return "does not have it as an alternative name"
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
