package hsmcmd

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/process"
	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
)

// issue is an authority: it reads a request and writes the certificate.
func (b *bench) issue(request, file string, ca *pkitest.CA) *x509.CertificateRequest {
	b.Helper()
	block, _ := pem.Decode([]byte(request))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		b.Fatalf("no request in:\n%s", request)
	}
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = r.CheckSignature()
	}
	if err != nil {
		b.Fatal(err)
	}
	cert, err := ca.Issue(time.Now(), pkitest.Request{Subject: r.Subject, DNS: r.DNSNames}, r.PublicKey)
	if err != nil {
		b.Fatal(err)
	}
	b.write(file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})))
	return r
}

// member runs a verb of a group member.
func (b *bench) member(args ...string) (out, say string, code int) {
	b.Helper()
	cmd := Command(Spec{Daemon: "getvpn-gm", Load: func(file string) (*Target, error) {
		c, err := config.LoadGM(file)
		if err != nil {
			return nil, err
		}
		return &Target{Common: &c.Common}, nil
	}})
	var o, e bytes.Buffer
	cmd.SetOut(&o)
	cmd.SetErr(&e)
	cmd.SetArgs(append(args, "--config", filepath.Join(b.dir, "gm.yml")))
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.ExecuteContext(context.WithoutCancel(b.Context()))
	if err != nil {
		fmt.Fprintln(&e, err)
	}
	return o.String(), e.String(), process.Exit(err)
}

// TestRequestForMember: from a new token to a configuration that loads, without a key outside of the token.
func TestRequestForMember(t *testing.T) {
	s := softHSM(t)
	b := &bench{t, t.TempDir()}
	b.write("pin", userPIN)
	b.write("so", officerPIN)
	b.write("gm.yml", fmt.Sprintf(`name: gm1
control: gm.sock
state: state
identity: {fqdn: gm1.example}
local: 127.0.1.1
custody: {module: %s, token: "pkcs11:token=gm1", pin: {file: pin}, allow-oaep-sha1: true}
certificates: {own: [{file: gm1.pem, key: "pkcs11:object=identity"}], ca: [root.pem]}
interfaces: {wan: eth0, lan: [eth1]}
groups: [{name: blue, id: 1234, key-servers: [{address: 127.0.0.1}], protect: [10.0.0.0/8]}]
`, s.Module))
	if out, say, code := b.member("request"); code != process.ExitFault || !strings.Contains(say, "hsm init") {
		t.Errorf("before there is a token: %d\n%s%s", code, out, say)
	}
	out, say, code := b.member("init", "--so-pin-file", filepath.Join(b.dir, "so"))
	if code != process.ExitOK || !strings.Contains(out, "was initialised") || !strings.Contains(out, "getvpn-gm hsm request --config") || !strings.Contains(out, "gm1.pem: no such file") {
		t.Fatalf("init: %d\n%s%s", code, out, say)
	}
	key, err := pkitest.NewKey("ecdsa256")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pkitest.NewRoot(time.Now(), pkitest.Name("Root", "Example", ""), key)
	if err != nil {
		t.Fatal(err)
	}
	b.write("root.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Cert.Raw})))
	if _, say, code = b.member("request", "--kind", "rsa-1024"); code != process.ExitFault || !strings.Contains(say, "use ecdsa-256") {
		t.Errorf("a weak key: %d %s", code, say)
	}
	if out, say, code = b.member("request", "--kind", "ecdsa-384", "--o", "Example", "--ou", "Branches"); code != process.ExitOK || !strings.Contains(say, "was made: P-384") {
		t.Fatalf("%d %s", code, say)
	}
	r := b.issue(out, "gm1.pem", ca)
	if r.Subject.String() != "CN=gm1,OU=Branches,O=Example" || len(r.DNSNames) != 1 || r.DNSNames[0] != "gm1.example" {
		t.Errorf("asked for %v, %v", r.Subject, r.DNSNames)
	}
	if c, err := config.LoadGM(filepath.Join(b.dir, "gm.yml")); err != nil || !c.Certificates.InToken() {
		t.Errorf("the configuration with the certificate: %v", err)
	}
	again, say, code := b.member("request")
	if code != process.ExitOK || say != "" {
		t.Errorf("again: %d %s", code, say)
	}
	if r2 := b.issue(again, "again.pem", ca); !config.SamePublic(r2.PublicKey, r.PublicKey) {
		t.Error("a second request is for another key")
	}
	if _, say, code = b.member("request", "--kind", "rsa-2048"); code != process.ExitFault || !strings.Contains(say, "P-384") {
		t.Errorf("the key is of another kind: %d %s", code, say)
	}
	if _, _, code = b.member("request", "--key", "second"); code != process.ExitOK {
		t.Error("a key by its label is not made")
	}
	if out, say, code = b.member("status", "--direct"); code != process.ExitOK || !strings.Contains(out, "identity") || !strings.Contains(out, "second") {
		t.Errorf("status: %d\n%s%s", code, out, say)
	}
	if files, err := os.ReadDir(filepath.Join(b.dir, "state")); err == nil && len(files) > 0 {
		t.Errorf("there is state before the daemon ran: %v", files)
	}
}
