package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/hsm"
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
	File      string
	KeyFile   string  // empty: the key is in the custody
	TokenKey  hsm.URI // its name there; none with KeyFile
	ChainFile string  // may be empty
	Method    uint16  // what its key is for, suite.AuthRSA for example
	Chain     []*x509.Certificate
	Key       crypto.Signer // nil: it is in the custody
}

// certificates decodes the key of that name. keep is where keys may be that are in no file; nil: nowhere. revocation is set on
// a key server.
func (d *decoder) certificates(v *value, c *Certificates, keep *Custody, revocation bool) {
	policy, onRevocation := "warn", "remove"
	c.Fragmentation = true
	var crlAt *value
	fields := []field{
		must("own", func(v *value) {
			d.list(func(v *value) {
				if o := d.certificate(v, keep); o != nil {
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
func (d *decoder) certificate(v *value, keep *Custody) *Certificate {
	var o Certificate
	at := map[string]*value{}
	before := len(d.errs)
	path := func(key string, into *string) func(*value) {
		return func(v *value) { at[key] = v; d.path(into)(v) }
	}
	d.object(v, must("file", path("file", &o.File)), opt("key-file", path("key-file", &o.KeyFile)),
		opt("key", func(v *value) { at["key"] = v; d.tokenKey(&o.TokenKey, keep)(v) }), opt("chain", path("chain", &o.ChainFile)))
	switch {
	case v.kind != mapping:
	case at["key"] != nil && at["key-file"] != nil:
		d.fail(at["key"], "the key is in a file or in the custody: leave out key-file, or key")
	case at["key"] == nil && at["key-file"] == nil:
		d.fail(v, "missing here: key-file, or key for one that is in the custody")
	}
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
	if o.KeyFile == "" {
		return "", "key", o.fitsToken()
	}
	if o.Key, problem, err = loadKey(o.KeyFile); err != nil {
		return "", "key-file", err
	}
	if !SamePublic(o.Key.Public(), o.Chain[0].PublicKey) {
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
		o := Certificate{File: was.File, KeyFile: was.KeyFile, TokenKey: was.TokenKey, ChainFile: was.ChainFile}
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

// SamePublic tells whether both are the same RSA or ECDSA key.
func SamePublic(a, b crypto.PublicKey) bool {
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
