// Package pki makes the certificates of a lab: authorities, what they issue, and revocation lists, as files. Everything of
// a run is in one directory, keys of authorities included, so that any later process can revoke.
package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
	"github.com/getvpn/getvpn/lab/scenario"
)

// listLife is how long a revocation list is good.
const listLife = 30 * 24 * time.Hour

// Make writes all files of a lab's PKI into dir.
func Make(dir string, p *scenario.PKI, now time.Time) error {
	if p == nil {
		return nil
	}
	cas := map[string]*pkitest.CA{}
	for _, a := range p.Authorities {
		ca, err := authority(cas[a.Under], a, now)
		if err != nil {
			return err
		}
		cas[a.Name] = ca
		if err := writeKey(dir, a.Name, ca.Key); err != nil {
			return err
		}
		if err := write(dir, a.Name+".pem", 0o644, "CERTIFICATE", ca.Cert.Raw); err != nil {
			return err
		}
	}
	for _, c := range p.Certificates {
		if err := issue(dir, cas[c.By], c, now); err != nil {
			return err
		}
	}
	for _, a := range p.Authorities {
		if err := list(dir, a.Name, cas[a.Name], now); err != nil {
			return err
		}
	}
	return nil
}

func authority(above *pkitest.CA, a scenario.Authority, now time.Time) (*pkitest.CA, error) {
	key, err := pkitest.NewKey(a.Key)
	if err != nil {
		return nil, err
	}
	name := pkitest.Name(a.Name, "getvpn lab", "")
	if above == nil {
		return pkitest.NewRoot(now, name, key)
	}
	return above.NewAuthority(now, name, key)
}

func issue(dir string, ca *pkitest.CA, c scenario.Certificate, now time.Time) error {
	key, err := pkitest.NewKey(c.Key)
	if err != nil {
		return err
	}
	cn := c.CN
	if cn == "" {
		cn = c.Name
	}
	r := pkitest.Request{
		Subject: pkitest.Name(cn, c.O, c.OU), DNS: c.DNS, Mail: c.Mail, Addresses: c.Addresses, Padding: c.Padding,
	}
	if c.Expired {
		r.NotBefore, r.NotAfter = now.Add(-2*time.Hour), now.Add(-time.Hour)
	}
	cert, err := ca.Issue(now, r, key.Public())
	if err != nil {
		return err
	}
	if c.Revoked {
		ca.Revoke(now, cert)
	}
	chain := [][]byte{cert.Raw}
	for _, a := range ca.Chain {
		chain = append(chain, a.Raw)
	}
	if err := write(dir, c.Name+".pem", 0o644, "CERTIFICATE", chain...); err != nil {
		return err
	}
	return writeKey(dir, c.Name, key)
}

// list writes the revocation list of an authority; it begins a moment ago, because clocks differ.
func list(dir, name string, ca *pkitest.CA, now time.Time) error {
	der, err := ca.List(now.Add(-time.Minute), now.Add(listLife))
	if err != nil {
		return err
	}
	return write(dir, name+".crl", 0o644, "X509 CRL", der)
}

// Revoke puts a certificate on its authority's list. Daemons see it when they reload.
func Revoke(dir string, p *scenario.PKI, name string, now time.Time) error {
	c := p.Certificate(name)
	if c == nil {
		return fmt.Errorf("there is no certificate %q in this lab", name)
	}
	cert, err := readCertificate(dir, name)
	if err != nil {
		return err
	}
	ca, err := load(dir, c.By)
	if err != nil {
		return err
	}
	ca.Revoke(now, cert)
	return list(dir, c.By, ca, now)
}

// load takes up an authority with its list.
func load(dir, name string) (*pkitest.CA, error) {
	cert, err := readCertificate(dir, name)
	if err != nil {
		return nil, err
	}
	signer, err := Key(dir, name)
	if err != nil {
		return nil, err
	}
	block, err := read(dir, name+".crl")
	if err != nil {
		return nil, err
	}
	old, err := x509.ParseRevocationList(block)
	if err != nil {
		return nil, err
	}
	return pkitest.Resume(cert, signer, old), nil
}

// Key reads the key of a certificate or authority.
func Key(dir, name string) (crypto.Signer, error) {
	block, err := read(dir, name+".key")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(block)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key of " + name + " cannot sign")
	}
	return signer, nil
}

func readCertificate(dir, name string) (*x509.Certificate, error) {
	der, err := read(dir, name+".pem")
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// read returns the first block of a file.
func read(dir, name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s is not PEM", name)
	}
	return block.Bytes, nil
}

func writeKey(dir, name string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return write(dir, name+".key", 0o600, "PRIVATE KEY", der)
}

// write replaces a file at once: a daemon may be reading it.
func write(dir, name string, mode os.FileMode, kind string, blocks ...[]byte) error {
	var text []byte
	for _, b := range blocks {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})...)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", text, mode); err != nil {
		return fmt.Errorf("pki: %w", err)
	}
	return os.Rename(path+".new", path)
}
