package custody

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"testing"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func TestSignatures(t *testing.T) {
	for _, kind := range []string{"rsa", "ecdsa256", "ecdsa384", "ecdsa521"} {
		t.Run(kind, func(t *testing.T) {
			key, err := pkitest.NewKey(kind)
			if err != nil {
				t.Fatal(err)
			}
			own := config.Certificate{KeyFile: "/k.pem", Key: key, Chain: []*x509.Certificate{{Raw: []byte(kind)}}}
			keys := New(&config.Certificates{Own: []config.Certificate{own}})
			p := suite.Phase1{Cipher: suite.AES128CBC, Hash: machine.SHA256, Group: suite.ECP256}
			if p.Auth, err = suite.AuthOfKey(key.Public()); err != nil {
				t.Fatal(err)
			}
			digest := make([]byte, suite.HashLen(p.SignatureHash()))
			_, _ = rand.Read(digest)
			ask := machine.Sign{Key: KeyName(&own), Scheme: p.SignScheme(), Hash: p.SignatureHash(), Digest: digest}
			sig, err := keys.Sign(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.VerifySignature(key.Public(), digest, sig); err != nil {
				t.Error(err)
			}
			ask.Scheme = machine.SignRSAPKCS1
			if _, err := keys.Sign(t.Context(), ask); err == nil {
				t.Error("signs in a form that phase 1 does not have")
			}
			ask.Key = "rekey-blue"
			if _, err := keys.Sign(t.Context(), ask); !errors.Is(err, ErrNoKey) || keys.Has(ask.Key) {
				t.Error(err)
			}
		})
	}
	first := config.Certificates{Own: []config.Certificate{{KeyFile: "k", Key: mustKey(t), Chain: []*x509.Certificate{{Raw: []byte("1")}}}}}
	second := config.Certificates{Own: []config.Certificate{{KeyFile: "k", Key: mustKey(t), Chain: []*x509.Certificate{{Raw: []byte("2")}}}}}
	keys := New(&first)
	keys.Add(&second)
	if !keys.Has(KeyName(&first.Own[0])) || !keys.Has(KeyName(&second.Own[0])) {
		t.Error("a negotiation under way has lost its key")
	}
	keys.Add(&second)
	if keys.Has(KeyName(&first.Own[0])) || !keys.Has(KeyName(&second.Own[0])) {
		t.Error("the old key stays for ever")
	}
	if New(nil).Has("x") {
		t.Error("keys from nothing")
	}
}

func mustKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := pkitest.NewKey("ecdsa256")
	if err != nil {
		t.Fatal(err)
	}
	return k
}
