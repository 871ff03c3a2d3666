package suite

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"testing"

	"github.com/getvpn/getvpn/gdoi/machine"
)

func spki(t *testing.T, public any) []byte {
	t.Helper()
	b, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPushSignatureRFC4754: the signatures of RFC 4754 §8, as those of rekeys.
func TestPushSignatureRFC4754(t *testing.T) {
	for i, want := range []Signature{SignatureECDSA256, SignatureECDSA384} {
		v := rfc4754[i]
		public, err := ecdsa.ParseUncompressedPublicKey(v.curve, append(append([]byte{4}, unhexed(t, v.x)...), unhexed(t, v.y)...))
		if err != nil {
			t.Fatal(err)
		}
		k, err := ParseSignatureKey(spki(t, public))
		if err != nil || k.Signature() != want || k.Len() != v.sigOctets || k.Bits() != v.curve.Params().BitSize || k.String() != want.String() {
			t.Fatalf("%v, %v", k, err)
		}
		sig, digest := unhexed(t, v.sig), Sum(v.hash, []byte("abc"))
		if form, err := k.VerifyPush(k.Hash(machine.SHA512), digest, sig); err != nil || form != machine.SignECDSAConcat {
			t.Fatalf("%v: form %d, %v", k, form, err)
		}
		for i := range sig {
			bad := bytes.Clone(sig)
			bad[i] ^= 0x40
			if _, err := k.VerifyPush(v.hash, digest, bad); !errors.Is(err, ErrSignature) {
				t.Fatalf("octet %d changed: %v", i, err)
			}
		}
		for name, err := range map[string]error{
			"RSA form":     k.Verify(machine.SignRSAPKCS1, v.hash, digest, sig),
			"another hash": k.Verify(machine.SignECDSAConcat, machine.SHA512, Sum(machine.SHA512, []byte("abc")), sig),
			"cut digest":   k.Verify(machine.SignECDSAConcat, v.hash, digest[1:], sig),
			"cut":          k.Verify(machine.SignECDSAConcat, v.hash, digest, sig[1:]),
			"empty":        k.Verify(machine.SignECDSAConcat, v.hash, digest, nil),
			"zeros":        k.Verify(machine.SignECDSAConcat, v.hash, digest, make([]byte, len(sig))),
		} {
			if err == nil {
				t.Errorf("%v: %s: accepted", k, name)
			}
		}
	}
}

func TestParseSignatureKey(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve := func(c elliptic.Curve) []byte {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return spki(t, &k.PublicKey)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		der  []byte
		want error
	}{
		{"1024 bits", spki(t, &small.PublicKey), ErrNotAllowed},
		{"P-521", curve(elliptic.P521()), ErrUnknown},
		{"P-224", curve(elliptic.P224()), ErrUnknown},
		{"Ed25519", spki(t, edwards), ErrUnknown},
		{"octets after it", append(curve(elliptic.P256()), 0), ErrUnknown},
		{"junk", []byte{0x30, 0x80}, ErrUnknown},
		{"empty", nil, ErrUnknown},
	} {
		if k, err := ParseSignatureKey(c.der); !errors.Is(err, c.want) || k != nil {
			t.Errorf("%s: %v, %v", c.name, k, err)
		}
	}
	a, b := curve(elliptic.P256()), curve(elliptic.P256())
	one, _ := ParseSignatureKey(a)
	same, _ := ParseSignatureKey(a)
	other, _ := ParseSignatureKey(b)
	wide, _ := ParseSignatureKey(curve(elliptic.P384()))
	if !one.Equal(same) || one.Equal(other) || one.Equal(wide) || one.Equal(nil) {
		t.Error("equality of keys")
	}
}

// TestSignatureFromSAK: what RFC 6407 §5.3.5 leaves open is taken, what contradicts itself is not.
func TestSignatureFromSAK(t *testing.T) {
	for _, c := range []struct {
		alg, hash uint16
		want      Signature
		wantHash  machine.Hash
	}{
		{1, 3, SignatureRSA, machine.SHA256}, {1, 5, SignatureRSA, machine.SHA512},
		{4, 0, SignatureECDSA256, machine.SHA256}, {4, 3, SignatureECDSA256, machine.SHA256},
		{5, 0, SignatureECDSA384, machine.SHA384}, {5, 4, SignatureECDSA384, machine.SHA384},
	} {
		if s, h, err := SignatureFromSAK(c.alg, c.hash); err != nil || s != c.want || h != c.wantHash || s.Algorithm() != c.alg {
			t.Errorf("%d with hash %d: %v, %d, %v", c.alg, c.hash, s, h, err)
		}
	}
	for _, c := range [][2]uint16{{0, 0}, {0, 3}, {1, 0}, {1, 1}, {1, 6}, {2, 3}, {3, 3}, {4, 4}, {4, 2}, {4, 99}, {5, 3}, {6, 5}, {6, 0}, {7, 3}, {65535, 3}} {
		if _, _, err := SignatureFromSAK(c[0], c[1]); !errors.Is(err, ErrUnknown) {
			t.Errorf("%d with hash %d: %v", c[0], c[1], err)
		}
	}
	for s := SignatureRSA; s <= SignatureECDSA384; s++ {
		if got, err := ParseSignature(s.String()); err != nil || got != s {
			t.Errorf("%v: %v, %v", s, got, err)
		}
	}
	if _, err := ParseSignature("ecdsa-521"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}
