package pki

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

func TestMakeAndRevoke(t *testing.T) {
	p := &scenario.PKI{
		Authorities: []scenario.Authority{{Name: "root", Key: "ecdsa384"}, {Name: "branch", Under: "root", Key: "ecdsa256"}},
		Certificates: []scenario.Certificate{
			{Name: "a", By: "branch", Key: "ecdsa256", OU: "Branches"}, {Name: "b", By: "branch", Key: "rsa", Revoked: true},
		},
	}
	dir, now := t.TempDir(), time.Now()
	if err := Make(dir, p, now); err != nil {
		t.Fatal(err)
	}
	revoked := func() int {
		der, err := read(dir, "branch.crl")
		if err != nil {
			t.Fatal(err)
		}
		l, err := x509.ParseRevocationList(der)
		if err != nil {
			t.Fatal(err)
		}
		ca, err := readCertificate(dir, "branch")
		if err != nil {
			t.Fatal(err)
		}
		if err := l.CheckSignatureFrom(ca); err != nil {
			t.Fatal(err)
		}
		return len(l.RevokedCertificateEntries)
	}
	if n := revoked(); n != 1 {
		t.Errorf("%d revoked at first", n)
	}
	if err := Revoke(dir, p, "a", now); err != nil {
		t.Fatal(err)
	}
	if n := revoked(); n != 2 {
		t.Errorf("%d revoked", n)
	}
	if err := Revoke(dir, p, "c", now); err == nil {
		t.Error("revoked what there is not")
	}
	for name, mode := range map[string]os.FileMode{"a.key": 0o600, "branch.key": 0o600, "a.pem": 0o644} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
}
