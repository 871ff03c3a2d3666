package custody

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/hsm"
)

// issued is a certificate for a key of a custody.
func issued(t *testing.T, h hsm.Signer, key string) config.Certificate {
	t.Helper()
	public, err := h.Public(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	caKey, err := pkitest.NewKey("ecdsa256")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pkitest.NewRoot(time.Now(), pkitest.Name("Root", "Example", ""), caKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(time.Now(), pkitest.Request{Subject: pkitest.Name("gm1", "Example", ""), Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.1")}}, public)
	if err != nil {
		t.Fatal(err)
	}
	return config.Certificate{File: "/gm1.pem", TokenKey: hsm.URI{Object: key}, Chain: []*x509.Certificate{cert}}
}

var identityKinds = map[string]hsm.Kind{"rsa": hsm.RSA2048, "p256": hsm.P256, "p384": hsm.P384}

// TestIdentityInToken: phase 1 is signed by keys that stay in the token, in the forms that peers verify.
func TestIdentityInToken(t *testing.T) {
	files := files(t, t.TempDir())
	for name, h := range map[string]hsm.Token{"files": files, "SoftHSM": softToken(t, softHSM(t, "gm1"), "gm1")} {
		for key, kind := range identityKinds {
			t.Run(name+" "+key, func(t *testing.T) {
				if err := h.Ensure(t.Context(), key, hsm.Spec{Kind: kind, Use: hsm.Sign}); err != nil {
					t.Fatal(err)
				}
				own := &config.Certificates{Own: []config.Certificate{issued(t, h, key)}}
				keys := New(own)
				if _, err := keys.Sign(t.Context(), machine.Sign{Key: KeyName(&own.Own[0])}); !errors.Is(err, ErrNoKey) {
					t.Errorf("before there is a token: %v", err)
				}
				if err := keys.UseToken(t.Context(), h, own); err != nil {
					t.Fatal(err)
				}
				public := own.Own[0].Chain[0].PublicKey
				for _, hash := range []machine.Hash{machine.SHA256, machine.SHA384, machine.SHA512} {
					p := suite.Phase1{Cipher: suite.AES128CBC, Hash: hash, Group: suite.ECP256}
					var err error
					if p.Auth, err = suite.AuthOfKey(public); err != nil {
						t.Fatal(err)
					}
					digest := make([]byte, suite.HashLen(p.SignatureHash()))
					_, _ = rand.Read(digest)
					sig, err := keys.Sign(t.Context(), machine.Sign{Key: KeyName(&own.Own[0]), Scheme: p.SignScheme(), Hash: p.SignatureHash(), Digest: digest})
					if err == nil {
						err = p.VerifySignature(public, digest, sig)
					}
					if err != nil {
						t.Errorf("%s: %v", suite.HashName(hash), err)
					}
				}
				if _, err := keys.Sign(t.Context(), machine.Sign{Key: KeyName(&own.Own[0]), Scheme: machine.SignRSAPKCS1, Hash: machine.SHA256, Digest: make([]byte, 32)}); err == nil {
					t.Error("it signs in the form of rekeys: a peer in phase 1 could have a rekey signed")
				}
			})
		}
	}
}

// TestIdentityMismatch: a certificate for another key, and a key that is not there, are said at the start.
func TestIdentityMismatch(t *testing.T) {
	h := softToken(t, softHSM(t, "gm1"), "gm1")
	for key, kind := range identityKinds {
		if err := h.Ensure(t.Context(), key, hsm.Spec{Kind: kind, Use: hsm.Sign}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Ensure(t.Context(), "other", hsm.Spec{Kind: hsm.P256, Use: hsm.Sign}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ cert, key, want string }{
		{"p256", "other", "pkcs11:object=other in the token is not the key of the certificate in /gm1.pem: the token has P-256 "},
		{"p256", "rsa", "the token has RSA-2048 "},
		{"rsa", "p384", "the token has P-384 "},
		{"p256", "absent", "have a certificate issued for it"},
	} {
		c := issued(t, h, row.cert)
		c.TokenKey.Object = row.key
		own := &config.Certificates{Own: []config.Certificate{c}}
		if err := New(own).UseToken(t.Context(), h, own); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("certificate for %s, key %s: %v", row.cert, row.key, err)
		}
	}
	own := &config.Certificates{Own: []config.Certificate{issued(t, h, "rsa")}}
	if err := New(own).Check(t.Context(), own); !errors.Is(err, ErrNoKey) {
		t.Errorf("without a token: %v", err)
	}
}

// TestIdentityReplaced: somebody else makes another key of the same name in the token. What would be signed with it is not
// sent, and a renewed certificate for it is taken up.
func TestIdentityReplaced(t *testing.T) {
	token := softHSM(t, "gm1")
	h, somebody := softToken(t, token, "gm1"), softToken(t, token, "gm1")
	spec := hsm.Spec{Kind: hsm.P256, Use: hsm.Sign}
	if err := h.Ensure(t.Context(), "id", spec); err != nil {
		t.Fatal(err)
	}
	own := &config.Certificates{Own: []config.Certificate{issued(t, h, "id")}}
	keys := New(own)
	if err := keys.UseToken(t.Context(), h, own); err != nil {
		t.Fatal(err)
	}
	sign := func(c *config.Certificates) error {
		_, err := keys.Sign(t.Context(), machine.Sign{Key: KeyName(&c.Own[0]), Scheme: machine.SignECDSAConcat, Hash: machine.SHA256, Digest: make([]byte, 32)})
		return err
	}
	if err := sign(own); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(somebody.Destroy(t.Context(), "id"), somebody.Ensure(t.Context(), "id", spec)); err != nil {
		t.Fatal(err)
	}
	if err := keys.Check(t.Context(), own); err == nil || !strings.Contains(err.Error(), "is not the key of the certificate") {
		t.Errorf("the old certificate: %v", err)
	}
	if err := sign(own); err == nil || !strings.Contains(err.Error(), "no longer with the key of the certificate") {
		t.Errorf("a signature with the old certificate: %v", err)
	}
	fresh := &config.Certificates{Own: []config.Certificate{issued(t, h, "id")}}
	if err := keys.Check(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	keys.Add(fresh)
	if err := sign(fresh); err != nil {
		t.Errorf("with the new certificate: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := keys.Sign(ctx, machine.Sign{Key: KeyName(&fresh.Own[0])}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestRequest: a request for a certificate is signed by the key in the token, and an authority takes it.
func TestRequest(t *testing.T) {
	h := softToken(t, softHSM(t, "gm1"), "gm1")
	for key, kind := range identityKinds {
		if err := h.Ensure(t.Context(), key, hsm.Spec{Kind: kind, Use: hsm.Sign}); err != nil {
			t.Fatal(err)
		}
		der, err := Request(t.Context(), h, key, &x509.CertificateRequest{Subject: pkitest.Name("gm1", "Example", "Branches"), DNSNames: []string{"gm1.example"}})
		if err != nil {
			t.Fatal(key, err)
		}
		r, err := x509.ParseCertificateRequest(der)
		if err == nil {
			err = r.CheckSignature()
		}
		if err != nil || r.Subject.CommonName != "gm1" || len(r.DNSNames) != 1 {
			t.Errorf("%s: %+v, %v", key, r, err)
		}
		public, err := h.Public(t.Context(), key)
		if err != nil || !config.SamePublic(r.PublicKey, public) {
			t.Errorf("%s: the request is for another key: %v", key, err)
		}
	}
	if _, err := Request(t.Context(), h, "nobody", new(x509.CertificateRequest)); !errors.Is(err, hsm.ErrNoKey) {
		t.Error(err)
	}
}
