package push

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// The private keys of RFC 4754 §8.1 and §8.2.
const (
	w256 = "dc51d3866a15bacde33d96f992fca99da7e6ef0934e7097559c27f1614c88a7f"
	w384 = "0beb646634ba87735d77ae4809a0ebea865535de4c1e1dcb692e84708e81a5af62e528c38b2a81b35309668d73524d9f"
)

func curveKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	w := w256
	if c == elliptic.P384() {
		w = w384
	}
	b, err := hex.DecodeString(w)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ecdsa.ParseRawPrivateKey(c, b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signatureKey is the public half of a key.
func signatureKey(t testing.TB, k crypto.Signer) *suite.SignatureKey {
	t.Helper()
	p, err := suite.NewSignatureKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var stdHash = map[machine.Hash]crypto.Hash{machine.SHA256: crypto.SHA256, machine.SHA384: crypto.SHA384, machine.SHA512: crypto.SHA512}

// signBy is a key custody with one key.
func signBy(t testing.TB, u *Unsigned, by crypto.Signer) []byte {
	t.Helper()
	e := u.Sign(1, "k")
	if k, ok := by.(*ecdsa.PrivateKey); ok {
		if e.Scheme != machine.SignECDSAConcat || len(e.Digest) != stdHash[e.Hash].Size() {
			t.Fatalf("asked for %+v", e)
		}
		r, s, err := ecdsa.Sign(nil, k, e.Digest)
		if err != nil {
			t.Fatal(err)
		}
		n := (k.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
	}
	sig, err := rsa.SignPKCS1v15(nil, by.(*rsa.PrivateKey), stdHash[e.Hash], e.Digest)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func write(t testing.TB, k *Key, m *Message, by crypto.Signer) []byte {
	t.Helper()
	u, err := Build(k, m, k.Public.Scheme(0))
	if err != nil {
		t.Fatal(err)
	}
	b, err := u.Finish(signBy(t, u, by))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestForeignECDSA opens rekeys that another program wrote and OpenSSL signed (testdata/ecdsa.py).
func TestForeignECDSA(t *testing.T) {
	v := fixture(t, "testdata/ecdsa.txt")
	for bits, c := range map[string]struct {
		is   suite.Signature
		hash machine.Hash
	}{"256": {suite.SignatureECDSA256, machine.SHA256}, "384": {suite.SignatureECDSA384, machine.SHA384}} {
		k, err := KeyFromOffer(&pull.KEKOffer{
			SPI: gdoi.KEKSPI(v["spi"+bits]), Suite: suite.KEKAES256CBC, Key: machine.NewSecret(v["kek"+bits]), IV: machine.NewSecret(v["iv"+bits]),
			Signature: c.is, SigHash: c.hash, SigKeyDER: v["spki"+bits],
		})
		if err != nil {
			t.Fatal(err)
		}
		k.Strict = true
		good := v["push"+bits]
		m, err := Open(k, 0, good)
		if err != nil || m.Seq != 1 || !m.DeletesTEK(0x1001) || m.DeletesTEK(0x1002) || !m.Signer.Equal(k.Public) || m.Signer.Signature() != c.is {
			t.Fatalf("%s: %+v, %v", bits, m, err)
		}
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 0x10
			if m, err := Open(k, 0, bad); err == nil {
				t.Fatalf("%s: octet %d changed: %+v", bits, i, m)
			}
		}
		// The same octets by our own hand: what is signed is the same.
		u, err := Build(k, &Message{Seq: 1, Deletes: []isakmp.Delete{DeleteTEKs(0x1001)}}, machine.SignECDSAConcat)
		if err != nil {
			t.Fatal(err)
		}
		_, f, err := k.open(0, good)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(u.plain[:len(u.plain)-4], f.signed) {
			t.Errorf("%s: we write %x, not %x", bits, u.plain, f.signed)
		}
		if again, err := u.Finish(f.sig); err != nil || !bytes.Equal(again, good) {
			t.Errorf("%s: their signature does not fit to what we write: %v", bits, err)
		}
	}
}

func TestECDSARoundTrip(t *testing.T) {
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		by := curveKey(t, c)
		k := testKey(t)
		k.Public, k.Strict = signatureKey(t, by), true
		next := kekOffer(t, 0x20)
		der, err := x509.MarshalPKIXPublicKey(by.Public())
		if err != nil {
			t.Fatal(err)
		}
		next.Signature, next.SigKeyDER, next.SigKeyBits = k.Public.Signature(), der, k.Public.Bits()
		next.SigHash = k.Public.Hash(0)
		both := tekOffer(t)
		both.KEK = next
		for i, m := range []*Message{
			{Seq: 1, Offer: tekOffer(t), SendAccessList: true}, {Seq: 2, Offer: &pull.Offer{KEK: next}}, {Seq: 3, Offer: both},
			{Seq: 4, Deletes: []isakmp.Delete{DeleteTEKs(), DeleteKEK(gdoi.KEKSPI{})}},
		} {
			b := write(t, k, m, by)
			got, err := Open(k, m.Seq-1, b)
			if err != nil || !same(got, m) {
				t.Fatalf("%v: message %d: %+v, %v", k.Public, i, got, err)
			}
			if _, err := Open(k, m.Seq, b); !errors.Is(err, ErrReplay) {
				t.Errorf("%v: again: %v", k.Public, err)
			}
		}
		u, err := Build(k, &Message{Seq: 1, Offer: tekOffer(t)}, machine.SignECDSAConcat)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Finish(make([]byte, k.Public.Len())); !errors.Is(err, ErrMessage) {
			t.Errorf("a wrong signature went out: %v", err)
		}
		if _, err := Build(k, &Message{Seq: 1, Offer: tekOffer(t)}, machine.SignRSAPKCS1); !errors.Is(err, ErrMessage) {
			t.Errorf("an RSA form with an ECDSA key: %v", err)
		}
	}
}

// TestSignersOfSeveralKinds: while the key servers of a group change from RSA to ECDSA, one signs so and the other so, under a
// KEK that came with the key of either.
func TestSignersOfSeveralKinds(t *testing.T) {
	keys := []crypto.Signer{signKey(t), curveKey(t, elliptic.P256()), curveKey(t, elliptic.P384())}
	for i, from := range keys {
		for j, by := range keys {
			t.Run(fmt.Sprintf("%v by %v", signatureKey(t, from), signatureKey(t, by)), func(t *testing.T) {
				member := testKey(t)
				member.Public, member.Strict = signatureKey(t, from), true
				member.Hash = member.Public.Hash(machine.SHA256)
				sender := testKey(t)
				sender.Public, sender.Hash = signatureKey(t, by), machine.SHA256
				b := write(t, sender, &Message{Seq: 1, Offer: tekOffer(t)}, by)
				if i != j {
					if _, err := Open(member, 0, b); !errors.Is(err, ErrSignature) {
						t.Fatalf("a stranger's: %v", err)
					}
				}
				member.Trusted = []*suite.SignatureKey{signatureKey(t, keys[(j+1)%3]), signatureKey(t, by)}
				if m, err := Open(member, 0, b); err != nil || !m.Signer.Equal(sender.Public) {
					t.Fatalf("%+v, %v", m, err)
				}
			})
		}
	}
}
