package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// pkiDir is a directory with an authority and two certificates of ks1.
type pkiDir struct {
	t    *testing.T
	dir  string
	root *pkitest.CA
}

func (p *pkiDir) write(name, kind string, der []byte, mode os.FileMode) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pkiDir) issue(name, kind string, r pkitest.Request) {
	p.t.Helper()
	key, err := pkitest.NewKey(kind)
	if err != nil {
		p.t.Fatal(err)
	}
	cert, err := p.root.Issue(time.Now(), r, key.Public())
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(name+".pem", "CERTIFICATE", cert.Raw, 0o644)
	p.writeKey(name+".key", key)
}

// writeKey uses the forms in turn: PKCS#1 for RSA, SEC 1 for P-256, PKCS#8 for others.
func (p *pkiDir) writeKey(name string, key crypto.Signer) {
	p.t.Helper()
	switch k := key.(type) {
	case *rsa.PrivateKey:
		p.write(name, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k), 0o600)
		return
	case *ecdsa.PrivateKey:
		if k.Curve.Params().BitSize == 256 {
			der, err := x509.MarshalECPrivateKey(k)
			if err != nil {
				p.t.Fatal(err)
			}
			p.write(name, "EC PRIVATE KEY", der, 0o600)
			return
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(name, "PRIVATE KEY", der, 0o600)
}

func newPKIDir(t *testing.T) *pkiDir {
	t.Helper()
	p := &pkiDir{t: t, dir: t.TempDir()}
	key, err := pkitest.NewKey("ecdsa256")
	if err == nil {
		p.root, err = pkitest.NewRoot(time.Now(), pkitest.Name("Root", "Example", ""), key)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.write("root.pem", "CERTIFICATE", p.root.Cert.Raw, 0o644)
	ks := pkitest.Request{Subject: pkitest.Name("ks1", "Example", "Core"), DNS: []string{"ks1.example"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}
	p.issue("rsa", "rsa", ks)
	p.issue("ec", "ecdsa256", ks)
	p.issue("ec384", "ecdsa384", ks)
	ks.NotBefore, ks.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	p.issue("old", "rsa", ks)
	list, err := p.root.List(time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	p.write("root.crl", "X509 CRL", list, 0o644)
	if list, err = p.root.List(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	p.write("old.crl", "X509 CRL", list, 0o644)
	return p
}

// load loads a key server with these parts of the file.
func (p *pkiDir) load(identity, certificates, rest string) (*KS, error) {
	text := "name: ks1\nlisten: 10.0.0.1\ncontrol: c\nstate: s\nidentity: " + identity + "\n"
	if certificates != "" {
		text += "certificates: " + certificates + "\n"
	}
	text += rest + `
groups:
  - {name: g, id: 1, authorise: [{certificate: {o: Example, ou: Branches}}], policy: ["deny udp any eq 848 any eq 848", "permit ip 10.7.0.0/16 10.7.0.0/16"]}
`
	path := filepath.Join(p.dir, "ks.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return LoadKS(path)
}

const both = "{own: [{file: rsa.pem, key-file: rsa.key}, {file: ec.pem, key-file: ec.key}], ca: [root.pem], crl: [root.crl]}"

func TestCertificates(t *testing.T) {
	p := newPKIDir(t)
	c, err := p.load("{dn: subject}", both, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("warnings %q", c.Warnings)
	}
	own := c.Certificates.Own
	if len(own) != 2 || own[0].Method != suite.AuthRSA || own[1].Method != suite.AuthECDSA256 || c.Certificates.Trust == nil || !c.Certificates.Fragmentation {
		t.Errorf("%+v", c.Certificates)
	}
	if s := c.Phase1.Suites; len(s) != 2 || s[0].String() != "aes256-sha256-modp2048-rsa" || s[1].String() != "aes256-sha256-ecp256-ecdsa256" {
		t.Errorf("suites %v: those of the certificates are meant, and no pre-shared key is there", s)
	}
	if got := c.Groups[0].Authorise[0].Cert; got.O != "Example" || got.OU != "Branches" {
		t.Errorf("rule %+v", got)
	}
	for _, want := range []string{"identity: CN=ks1,OU=Core,O=Example", "crl-policy: warn", `certificate: {o: "Example", ou: "Branches"}`, "method: ecdsa256"} {
		if !strings.Contains(c.Effective(), want) {
			t.Errorf("no %q in\n%s", want, c.Effective())
		}
	}
}

func TestCertificateMistakes(t *testing.T) {
	p := newPKIDir(t)
	p.write("open.key", "PRIVATE KEY", nil, 0o644)
	if err := os.WriteFile(filepath.Join(p.dir, "junk"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	const psk = "pre-shared-keys: [{peer: 10.1.0.1, secret: 0123456789abcdef}]"
	for _, c := range []struct{ name, identity, certificates, rest, err, warn string }{
		{"neither", "{address: 10.0.0.1}", "", "", "missing here: pre-shared-keys, or certificates", ""},
		{"key of another", "{address: 10.0.0.1}", "{own: [{file: rsa.pem, key-file: ec.key}], ca: [root.pem]}", "", "is not the key of the certificate", ""},
		{"open key", "{address: 10.0.0.1}", "{own: [{file: rsa.pem, key-file: open.key}], ca: [root.pem]}", "", "is open to everybody", ""},
		{"no such file", "{address: 10.0.0.1}", "{own: [{file: none.pem, key-file: rsa.key}], ca: [root.pem]}", "", "no such file", ""},
		{"junk", "{address: 10.0.0.1}", "{own: [{file: junk, key-file: rsa.key}], ca: [root.pem]}", "", "not a certificate", ""},
		{"junk key", "{address: 10.0.0.1}", "{own: [{file: rsa.pem, key-file: junk}], ca: [root.pem]}", "", "not an RSA or EC private key", ""},
		{"no authority", "{address: 10.0.0.1}", "{own: [{file: rsa.pem, key-file: rsa.key}], ca: [rsa.pem]}", "", "is not a certificate authority", ""},
		{"strict without a list", "{address: 10.0.0.1}", "{own: [{file: rsa.pem, key-file: rsa.key}], ca: [root.pem], crl-policy: strict}", "", "refuses everybody", ""},
		{"junk list", "{address: 10.0.0.1}", "{own: [{file: rsa.pem, key-file: rsa.key}], ca: [root.pem], crl: [junk]}", "", "not a revocation list", ""},
		{"old list", "{address: 10.0.0.1}", "{own: [{file: rsa.pem, key-file: rsa.key}], ca: [root.pem], crl: [old.crl]}", "", "", "out of date since"},
		{"expired", "{address: 10.0.0.1}", "{own: [{file: old.pem, key-file: old.key}], ca: [root.pem]}", "", "", "has expired"},
		{"unused", "{address: 10.0.0.1}", both, "phase1: {suites: [aes256-sha256-modp2048-rsa]}", "", "is not used"},
		{"suite without a certificate", "{address: 10.0.0.1}", both, "phase1: {suites: [aes256-sha384-ecp384-ecdsa384]}", "certificates.own has none", ""},
		{"suite without any certificate", "{address: 10.0.0.1}", "", "phase1: {suites: [aes256-sha256-modp2048-rsa]}\n" + psk, "certificates.own has none", ""},
		{"another address", "{address: 10.0.0.2}", both, "", "does not have it as an alternative name", ""},
		{"another name", "{fqdn: ks2.example}", both, "", "does not have it as an alternative name", ""},
		{"another subject", "{dn: 'CN=ks2,O=Example'}", both, "", "has the subject CN=ks1,OU=Core,O=Example", ""},
		{"subject without certificates", "{dn: subject}", "", psk, "take certificates", ""},
		{"two identities", "{dn: subject, fqdn: ks1.example}", both, "", "give one of", ""},
		{"unknown key", "{fqdn: ks1.example}", "{own: [{file: rsa.pem, key-file: rsa.key}], ca: [root.pem], crls: [x]}", "", `did you mean "crl"?`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ks, err := p.load(c.identity, c.certificates, c.rest)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if (c.err == "") != (err == nil) || !strings.Contains(got, c.err) {
				t.Fatalf("error %q, want %q", got, c.err)
			}
			if w := strings.Join(ks.Warnings, "\n"); c.warn != "" && !strings.Contains(w, c.warn) {
				t.Errorf("warnings %q, want %q", w, c.warn)
			}
			if err != nil && !strings.Contains(got, "ks.yml:") {
				t.Errorf("no place in %q", got)
			}
		})
	}
}

// TestPeerCertificates: other key servers that have certificates need no pre-shared key, but a name, if it is not their address.
func TestPeerCertificates(t *testing.T) {
	p := newPKIDir(t)
	c, err := p.load("{fqdn: ks1.example}", both, "cooperation: {id: 1, peers: [{id: 2, address: 10.0.0.2, identity: ks2.example}, {id: 3, address: 10.0.0.3}]}")
	if err != nil {
		t.Fatal(err)
	}
	if peers := c.Cooperation.Peers; peers[0].Identity != "ks2.example" || len(c.Warnings) != 0 {
		t.Errorf("%+v, warnings %q", peers, c.Warnings)
	}
	if h := strings.Join(c.Hints, "\n"); !strings.Contains(h, "key server 3 is the one whose certificate has the address 10.0.0.3") || strings.Contains(h, "key server 2 is") {
		t.Errorf("hints %q", h)
	}
	if !strings.Contains(c.Effective(), "{id: 2, address: 10.0.0.2:848, identity: ks2.example}") {
		t.Error(c.Effective())
	}
}

func TestRenew(t *testing.T) {
	p := newPKIDir(t)
	c, err := p.load("{fqdn: ks1.example}", both, "")
	if err != nil {
		t.Fatal(err)
	}
	before := c.Certificates
	ks := pkitest.Request{Subject: pkitest.Name("ks1", "Example", "Core"), DNS: []string{"ks1.example"}}
	p.issue("ec", "ecdsa256", ks)
	fresh, err := before.Renew(c.Identity)
	if err != nil {
		t.Fatal(err)
	}
	if !fresh.Own[0].Chain[0].Equal(before.Own[0].Chain[0]) || fresh.Own[1].Chain[0].Equal(before.Own[1].Chain[0]) || fresh.Trust == before.Trust {
		t.Error("the second certificate alone was renewed")
	}
	p.issue("ec", "ecdsa384", ks)
	if _, err := before.Renew(c.Identity); err == nil || !strings.Contains(err.Error(), "takes a restart") {
		t.Errorf("another kind of key: %v", err)
	}
	ks.DNS = []string{"ks2.example"}
	p.issue("ec", "ecdsa256", ks)
	if _, err := before.Renew(c.Identity); err == nil || !strings.Contains(err.Error(), "alternative name") {
		t.Errorf("another name: %v", err)
	}
	if err := os.Remove(filepath.Join(p.dir, "root.crl")); err != nil {
		t.Fatal(err)
	}
	ks.DNS = []string{"ks1.example"}
	p.issue("ec", "ecdsa256", ks)
	if _, err := before.Renew(c.Identity); err == nil {
		t.Error("a list is missing")
	}
}
