package pull

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func curveKey(t testing.TB, c elliptic.Curve) []byte {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// signedBy makes rekeys of an offer those of another key.
func signedBy(t testing.TB, k *KEKOffer, c elliptic.Curve) {
	t.Helper()
	k.SigKeyDER = curveKey(t, c)
	public, err := suite.ParseSignatureKey(k.SigKeyDER)
	if err != nil {
		t.Fatal(err)
	}
	k.Signature, k.SigKeyBits, k.SigHash = public.Signature(), public.Bits(), public.Hash(0)
}

// TestECDSAOffer: a SAK with ECDSA says no hash (RFC 6407 §5.3.5), and one that says the implied one is the same.
func TestECDSAOffer(t *testing.T) {
	for _, c := range []struct {
		curve elliptic.Curve
		alg   uint16
		bits  uint16
		hash  machine.Hash
		lkh   bool
	}{
		{elliptic.P256(), isakmp.SigAlgorithmECDSA256, 256, machine.SHA256, false},
		{elliptic.P384(), isakmp.SigAlgorithmECDSA384, 384, machine.SHA384, false},
		{elliptic.P384(), isakmp.SigAlgorithmECDSA384, 384, machine.SHA384, true},
	} {
		o := testOffer(t)
		signedBy(t, o.KEK, c.curve)
		if c.lkh {
			o.LKH = &LKHOffer{Updates: []isakmp.LKHUpdate{{ID: 3, Handle: 9, Keys: lkhPath().Keys}}}
			o.KEK.Key, o.KEK.IV = nil, nil
		}
		sa := o.SA(true)
		if a, ok := isakmp.FindAttribute(sa.SAK.Attributes, isakmp.KEKAttrSigHashAlgorithm); ok {
			t.Errorf("the SAK has SIG_HASH_ALGORITHM %v", a)
		}
		for _, want := range []isakmp.Attribute{isakmp.BasicAttr(isakmp.KEKAttrSigAlgorithm, c.alg), isakmp.BasicAttr(isakmp.KEKAttrSigKeyLength, c.bits)} {
			a, _ := isakmp.FindAttribute(sa.SAK.Attributes, want.Type)
			if got, err := a.Uint(); err != nil {
				t.Error(err)
			} else if w, _ := want.Uint(); got != w {
				t.Errorf("attribute %d is %d, want %d", want.Type, got, w)
			}
		}
		for _, said := range []bool{false, true} {
			if said {
				sa.SAK.Attributes = append(sa.SAK.Attributes, isakmp.BasicAttr(isakmp.KEKAttrSigHashAlgorithm, suite.HashSig(c.hash)))
			}
			parsed, err := isakmp.ParseSAGDOI(sa.AppendBody(nil))
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseOffer(parsed, o.KD(true), nil)
			if err != nil {
				t.Fatal(err)
			}
			if k := got.KEK; k.Signature != o.KEK.Signature || k.SigHash != c.hash || k.SigKeyBits != int(c.bits) || string(k.SigKeyDER) != string(o.KEK.SigKeyDER) {
				t.Errorf("got %+v", k)
			}
		}
	}
}

// TestECDSARefused: what a member must not take. Versions that know RSA alone refuse all of ECDSA by the value of SIG_ALGORITHM.
func TestECDSARefused(t *testing.T) {
	set := func(t16 uint16, v uint16) func(*isakmp.SAGDOI) {
		return func(sa *isakmp.SAGDOI) {
			for i := range sa.SAK.Attributes {
				if sa.SAK.Attributes[i].Type == t16 {
					sa.SAK.Attributes[i] = isakmp.BasicAttr(t16, v)
					return
				}
			}
			sa.SAK.Attributes = append(sa.SAK.Attributes, isakmp.BasicAttr(t16, v))
		}
	}
	for _, c := range []struct {
		name string
		edit func(*isakmp.SAGDOI)
		want error
		text string
	}{
		{"ECDSA-521", set(isakmp.KEKAttrSigAlgorithm, isakmp.SigAlgorithmECDSA521), ErrUnsupported, "SIG_ALGORITHM 6"},
		{"ECDSS", set(isakmp.KEKAttrSigAlgorithm, isakmp.SigAlgorithmECDSS), ErrUnsupported, "SIG_ALGORITHM 3"},
		{"another hash", set(isakmp.KEKAttrSigHashAlgorithm, isakmp.SigHashSHA384), ErrUnsupported, "implies sha256"},
		{"no hash at all", set(isakmp.KEKAttrSigHashAlgorithm, isakmp.SigHashMD5), ErrUnsupported, "SIG_HASH_ALGORITHM 1"},
		{"the key is of another curve", set(isakmp.KEKAttrSigAlgorithm, isakmp.SigAlgorithmECDSA384), ErrMalformed, "the SAK said ecdsa-384"},
		{"the key is not RSA", func(sa *isakmp.SAGDOI) {
			set(isakmp.KEKAttrSigAlgorithm, isakmp.SigAlgorithmRSA)(sa)
			set(isakmp.KEKAttrSigHashAlgorithm, isakmp.SigHashSHA256)(sa)
		}, ErrMalformed, "the SAK said rsa"},
		{"another length", set(isakmp.KEKAttrSigKeyLength, 384), ErrMalformed, "256 bits"},
	} {
		o := testOffer(t)
		signedBy(t, o.KEK, elliptic.P256())
		sa := o.SA(true)
		c.edit(sa)
		if got, err := ParseOffer(sa, o.KD(true), nil); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || got != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
