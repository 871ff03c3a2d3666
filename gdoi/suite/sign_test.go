package suite

import (
	"errors"
	"testing"

	"github.com/getvpn/getvpn/gdoi/machine"
)

func TestWycheproofRSA(t *testing.T) {
	var v struct {
		Groups []struct {
			PublicKeyDer hexBytes
			Tests        []struct {
				TcID            int
				Comment, Result string
				Msg, Sig        hexBytes
				Flags           []string
			}
		}
	}
	load(t, "wycheproof-rsa2048-sha256.json", &v)
	rows, bare := 0, 0
	for _, g := range v.Groups {
		pub, err := ParseSignatureKey(g.PublicKeyDer)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range g.Tests {
			if c.Result == "acceptable" {
				continue
			}
			rows++
			digest := Sum(machine.SHA256, c.Msg)
			err := pub.Verify(machine.SignRSAPKCS1, machine.SHA256, digest, c.Sig)
			if (err == nil) != (c.Result == "valid") {
				t.Errorf("%d %s: %v, want %s", c.TcID, c.Comment, err, c.Result)
			}
			// What VerifyPush takes beyond the strict form is the bare digest only.
			scheme, err := pub.VerifyPush(machine.SHA256, digest, c.Sig)
			if err == nil && c.Result != "valid" {
				bare++
				if scheme != machine.SignRSABare {
					t.Errorf("%d %s: accepted as scheme %d", c.TcID, c.Comment, scheme)
				}
			}
		}
	}
	if rows < 40 || bare > 1 {
		t.Errorf("%d rows, %d of them bare digests", rows, bare)
	}
}

// The reference program signs the bare digest (protocol digest, trap 2).
func TestReferencePushSignature(t *testing.T) {
	var r reference
	load(t, "reference-session.json", &r)
	s := r.PushSignature
	pub, err := ParseSignatureKey(s.Key)
	if err != nil {
		t.Fatal(err)
	}
	if scheme, err := pub.VerifyPush(machine.SHA256, s.SHA256, s.Signature); err != nil || scheme != machine.SignRSABare {
		t.Errorf("scheme %d, %v", scheme, err)
	}
	if err := pub.Verify(machine.SignRSAPKCS1, machine.SHA256, s.SHA256, s.Signature); !errors.Is(err, ErrSignature) {
		t.Errorf("strict form: %v", err)
	}
	for i := range s.SHA256 {
		s.SHA256[i] ^= 1
		if _, err := pub.VerifyPush(machine.SHA256, s.SHA256, s.Signature); !errors.Is(err, ErrSignature) {
			t.Errorf("digest octet %d changed: %v", i, err)
		}
		s.SHA256[i] ^= 1
	}
	if err := pub.Verify(machine.SignRSABare, machine.SHA256, s.SHA256[:20], s.Signature); !errors.Is(err, ErrLength) {
		t.Errorf("short digest: %v", err)
	}
	if err := pub.Verify(machine.SignECDSAConcat, machine.SHA256, s.SHA256, s.Signature); !errors.Is(err, ErrUnknown) {
		t.Errorf("ECDSA scheme: %v", err)
	}
}
