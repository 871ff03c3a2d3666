package pull

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/gdoi/isakmp"
)

func newKey(t testing.TB, bits int) []byte {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestTrustedThereAndBack: nothing said, none, and some are three things; a peer of another make is told nothing.
func TestTrustedThereAndBack(t *testing.T) {
	a, b := spki(t), newKey(t, 2048)
	for _, want := range [][][]byte{nil, {}, {a}, {b, a}} {
		o := testOffer(t)
		o.Trusted = want
		sa, err := isakmp.ParseSAGDOI(o.SA(true).AppendBody(nil))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParsePolicy(sa)
		if err != nil {
			t.Fatal(err)
		}
		if (got.Trusted == nil) != (want == nil) || !slices.EqualFunc(got.Trusted, want, slices.Equal[[]byte]) {
			t.Errorf("%d keys become %d", len(want), len(got.Trusted))
		}
		if got, err = ParsePolicy(o.SA(false)); err != nil || got.Trusted != nil {
			t.Errorf("a peer of another make is told %d keys, %v", len(got.Trusted), err)
		}
	}
}

// TestTrustedNonsense: what a member would not be able to check, it does not take.
func TestTrustedNonsense(t *testing.T) {
	list := func(ders ...[]byte) (b []byte) {
		for _, d := range ders {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(d))), d...)
		}
		return b
	}
	k := spki(t)
	var many [][]byte
	for i := range MaxTrusted + 1 {
		many = append(many, slices.Concat(k[:len(k)-6], []byte{byte(i)}, k[len(k)-5:]))
	}
	for _, c := range []struct {
		name string
		b    []byte
		want error
		text string
	}{
		{"half a length", []byte{1}, ErrMalformed, "half"},
		{"half a key", list(k)[:100], ErrMalformed, "half"},
		{"an empty key", list(nil), ErrUnsupported, "trusted key"},
		{"twice", list(k, k), ErrMalformed, "twice"},
		{"too many", list(many...), ErrMalformed, "more than 8"},
		{"noise", list([]byte("not a key")), ErrUnsupported, "trusted key"},
		{"a weak key", list(newKey(t, 1024)), ErrUnsupported, "1024 bits"},
		{"another curve", list(curveKey(t, elliptic.P521())), ErrUnsupported, "P-521"},
	} {
		if _, err := parseTrusted(c.b); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// FuzzTrusted: what is accepted is written again in the same octets.
func FuzzTrusted(f *testing.F) {
	k := spki(f)
	f.Add((&Offer{Trusted: [][]byte{k}}).trusted().Value)
	f.Add((&Offer{Trusted: [][]byte{k, curveKey(f, elliptic.P256()), curveKey(f, elliptic.P384())}}).trusted().Value)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := parseTrusted(b)
		if err != nil {
			return
		}
		if a := (&Offer{Trusted: keys}).trusted(); string(a.Value) != string(b) || keys == nil {
			t.Fatalf("%x becomes %x", b, a.Value)
		}
	})
}
