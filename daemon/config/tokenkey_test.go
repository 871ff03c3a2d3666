package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// section is a custody section with a token of that URI; the module need not be there to read the configuration.
func (p *pkiDir) section(token string) string {
	p.t.Helper()
	pin := filepath.Join(p.dir, "pin")
	if err := os.WriteFile(pin, []byte("1234\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return "custody: {module: /usr/lib/softhsm/libsofthsm2.so, token: '" + token + "', pin: {file: pin}}\n"
}

// TestKeyInToken: a certificate whose key is in the token takes no key file, and is renewed like any other.
func TestKeyInToken(t *testing.T) {
	p := newPKIDir(t)
	const own = "{own: [{file: ec.pem, key: 'pkcs11:object=identity;type=private'}, {file: rsa.pem, key-file: rsa.key}], ca: [root.pem]}"
	c, err := p.load("{fqdn: ks1.example}", own, p.section("pkcs11:token=ks1"))
	if err != nil {
		t.Fatal(err)
	}
	o := c.Certificates.Own[0]
	if o.Key != nil || o.TokenKey.String() != "pkcs11:object=identity" || o.Method != suite.AuthECDSA256 || !c.Certificates.InToken() {
		t.Errorf("%+v", o)
	}
	if !strings.Contains(c.Effective(), `key: "pkcs11:object=identity", subject: "CN=ks1,OU=Core,O=Example"`) {
		t.Errorf("effective:\n%s", c.Effective())
	}
	p.issue("ec", "ecdsa256", pkitest.Request{Subject: pkitest.Name("ks1", "Example", "Core"), DNS: []string{"ks1.example"}})
	fresh, err := c.Certificates.Renew(c.Identity)
	if err != nil {
		t.Fatal(err)
	}
	if n := fresh.Own[0]; n.TokenKey.String() != o.TokenKey.String() || n.Key != nil || n.Chain[0].Equal(o.Chain[0]) {
		t.Errorf("renewed: %+v", n)
	}
	p.issue("ec", "ecdsa384", pkitest.Request{Subject: pkitest.Name("ks1", "Example", "Core"), DNS: []string{"ks1.example"}})
	if _, err := c.Certificates.Renew(c.Identity); err == nil || !strings.Contains(err.Error(), "takes a restart") {
		t.Errorf("a key of another kind: %v", err)
	}
	if _, err := p.load("{fqdn: ks1.example}", "{own: [{file: rsa.pem, key: 'pkcs11:token=ks1;object=id'}], ca: [root.pem]}", p.section("pkcs11:serial=47")); err != nil {
		t.Errorf("a token by its label here and by its serial there: %v", err)
	}
	if c, err = p.load("{fqdn: ks1.example}", both, ""); err != nil || c.Certificates.InToken() {
		t.Errorf("keys in files: %v", err)
	}
}

func TestKeyInTokenMistakes(t *testing.T) {
	p := newPKIDir(t)
	p.issue("p521", "ecdsa521", pkitest.Request{Subject: pkitest.Name("ks1", "Example", "Core"), DNS: []string{"ks1.example"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}})
	for _, c := range []struct{ name, own, custody, want string }{
		{"neither", "{file: ec.pem}", "pkcs11:token=ks1", "missing here: key-file, or key"},
		{"both", "{file: ec.pem, key-file: ec.key, key: 'pkcs11:object=id'}", "pkcs11:token=ks1", "leave out key-file, or key"},
		{"no custody", "{file: ec.pem, key: 'pkcs11:object=id'}", "", "there is no section custody"},
		{"a label alone", "{file: ec.pem, key: identity}", "pkcs11:token=ks1", "a key is written pkcs11:object=LABEL"},
		{"no object", "{file: ec.pem, key: 'pkcs11:token=ks1'}", "pkcs11:token=ks1", "this names no key"},
		{"a certificate", "{file: ec.pem, key: 'pkcs11:object=id;type=cert'}", "pkcs11:token=ks1", "this names a cert"},
		{"another token", "{file: ec.pem, key: 'pkcs11:token=ks2;object=id'}", "pkcs11:token=ks1", "in another token than pkcs11:token=ks1"},
		{"a module", "{file: ec.pem, key: 'pkcs11:object=id?module-path=/x'}", "pkcs11:token=ks1", "leave module-path and pin-source out"},
		{"a PIN", "{file: ec.pem, key: 'pkcs11:object=id?pin-value=78787878'}", "pkcs11:token=ks1", "a PIN does not belong into a URI"},
		{"a slot", "{file: ec.pem, key: 'pkcs11:slot-id=3;object=id'}", "pkcs11:token=ks1", "slots are numbered anew"},
		{"P-521", "{file: p521.pem, key: 'pkcs11:object=id'}", "pkcs11:token=ks1", "take P-256, P-384 or RSA"},
	} {
		rest := ""
		if c.custody != "" {
			rest = p.section(c.custody)
		}
		_, err := p.load("{fqdn: ks1.example}", "{own: ["+c.own+"], ca: [root.pem]}", rest)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "ks.yml:") {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "78787878") {
			t.Errorf("the error shows the PIN: %v", err)
		}
	}
}

// TestMemberWithoutUseOfToken: a member whose keys are elsewhere is told that its token has nothing to do.
func TestMemberWithoutUseOfToken(t *testing.T) {
	p := newPKIDir(t)
	text := p.section("pkcs11:token=gm1") + `name: gm1
control: c
state: s
identity: {fqdn: ks1.example}
local: 10.1.0.1
certificates: {own: [{file: ec.pem, KEY}], ca: [root.pem]}
interfaces: {wan: wan0}
groups: [{name: g, id: 1, key-servers: [{address: 10.0.0.1}], protect: [10.0.0.0/8]}]
`
	for key, want := range map[string]bool{"key-file: ec.key": true, "key: 'pkcs11:object=id'": false} {
		path := filepath.Join(p.dir, "gm.yml")
		if err := os.WriteFile(path, []byte(strings.Replace(text, "KEY", key, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadGM(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(c.Warnings, "\n"), "custody is not used"); got != want {
			t.Errorf("%s: warnings %q", key, c.Warnings)
		}
	}
}

// TestLoadRequest: what is needed to make a key is read while the certificate for it is not there.
func TestLoadRequest(t *testing.T) {
	p := newPKIDir(t)
	own := "{own: [{file: none.pem, key: 'pkcs11:object=identity'}, {file: rsa.pem, key-file: rsa.key}], ca: [nobody.pem]}"
	if _, err := p.load("{fqdn: ks1.example}", own, p.section("pkcs11:token=ks1")); err == nil {
		t.Fatal("the test has a certificate")
	}
	r, err := LoadRequest(filepath.Join(p.dir, "ks.yml"), true)
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "ks1" || r.Identity.FQDN != "ks1.example" || r.Custody == nil || r.Custody.Token.Token != "ks1" || len(r.Keys) != 1 || r.Keys[0].Object != "identity" {
		t.Errorf("%+v", r)
	}
	if _, err := p.load("{fqdn: ks1.example}", "{own: [{file: none.pem, key: identity}], ca: [nobody.pem]}", p.section("pkcs11:token=ks1")); err == nil {
		t.Fatal("loaded")
	}
	if _, err := LoadRequest(filepath.Join(p.dir, "ks.yml"), true); err == nil || !strings.Contains(err.Error(), "a key is written pkcs11:object=LABEL") || !strings.Contains(err.Error(), "ks.yml:") {
		t.Errorf("a mistake: %v", err)
	}
}
