package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
)

var now = time.Unix(1_800_000_000, 0)

func root(t testing.TB, name string) *pkitest.CA {
	t.Helper()
	ca, err := pkitest.NewRoot(now, pkitest.Name(name, "Example", ""), key(t))
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func key(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := pkitest.NewKey("ecdsa256")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func issue(t testing.TB, ca *pkitest.CA, r pkitest.Request) *x509.Certificate {
	t.Helper()
	c, err := ca.Issue(now, r, key(t).Public())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func list(t testing.TB, ca *pkitest.CA, next time.Time) *x509.RevocationList {
	t.Helper()
	der, err := ca.List(now.Add(-time.Hour), next)
	if err != nil {
		t.Fatal(err)
	}
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func reason(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func TestWhatIsNoTrust(t *testing.T) {
	ca, other := root(t, "Root"), root(t, "Root")
	leaf := issue(t, ca, pkitest.Request{Subject: pkitest.Name("gm1", "Example", "")})
	critical := func(entry bool) *x509.RevocationList {
		x := []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}}
		l := &x509.RevocationList{Number: big.NewInt(9), ThisUpdate: now, NextUpdate: now.Add(time.Hour), ExtraExtensions: x}
		if entry {
			l.ExtraExtensions = nil
			l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: now, ExtraExtensions: x}}
		}
		der, err := x509.CreateRevocationList(rand.Reader, l, ca.Cert, ca.Key)
		if err != nil {
			t.Fatal(err)
		}
		l, err = x509.ParseRevocationList(der)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, c := range []struct {
		name string
		cfg  Config
		text string
	}{
		{"an anchor that is no authority", Config{Anchors: []*x509.Certificate{leaf}}, "not a certificate authority"},
		{"a list with another key", Config{Anchors: []*x509.Certificate{ca.Cert}, CRLs: []*x509.RevocationList{list(t, other, now)}}, "does not have its signature"},
		{"a partial list", Config{Anchors: []*x509.Certificate{ca.Cert}, CRLs: []*x509.RevocationList{critical(false)}}, "delta or partial"},
		{"a list for others", Config{Anchors: []*x509.Certificate{ca.Cert}, CRLs: []*x509.RevocationList{critical(true)}}, "other authorities"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v; want %q", err, c.text)
			}
		})
	}
	two, err := New(Config{Anchors: []*x509.Certificate{ca.Cert, other.Cert}, CRLs: []*x509.RevocationList{list(t, other, now)}})
	if err != nil || len(two.Names()) != 1 {
		t.Errorf("two authorities of one name, as while a key is replaced: %v", err)
	}
}

func TestVerify(t *testing.T) {
	ca := root(t, "Root")
	sub, err := ca.NewAuthority(now, pkitest.Name("Members", "Example", ""), key(t))
	if err != nil {
		t.Fatal(err)
	}
	trust, err := New(Config{Anchors: []*x509.Certificate{ca.Cert}})
	if err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, sub, pkitest.Request{Subject: pkitest.Name("gm1", "Example", "Branches"), DNS: []string{"gm1.example"}})
	big := issue(t, sub, pkitest.Request{Subject: pkitest.Name("gm1", "Example", ""), Padding: maxCertSize})
	many := [][]byte{leaf.Raw, sub.Cert.Raw}
	for len(many) <= maxChain {
		many = append(many, leaf.Raw)
	}
	for _, c := range []struct {
		name, reason string
		sent         [][]byte
	}{
		{"in order", "", [][]byte{leaf.Raw, sub.Cert.Raw}},
		{"in another order", "", [][]byte{sub.Cert.Raw, leaf.Raw}},
		{"with the root", "", [][]byte{leaf.Raw, sub.Cert.Raw, ca.Cert.Raw}},
		{"alone", ReasonUntrusted, [][]byte{leaf.Raw}},
		{"nothing", ReasonMissing, nil},
		{"too many", ReasonInvalid, many},
		{"too large", ReasonInvalid, [][]byte{big.Raw, sub.Cert.Raw}},
		{"cut off", ReasonInvalid, [][]byte{leaf.Raw[:len(leaf.Raw)-1], sub.Cert.Raw}},
		{"changed", ReasonUntrusted, [][]byte{changed(leaf.Raw), sub.Cert.Raw}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := trust.Verify(now, c.sent)
			if reason(err) != c.reason || (err == nil) != (c.reason == "") {
				t.Fatalf("%v; want %q", err, c.reason)
			}
			if err == nil && (p.Cert.OU[0] != "Branches" || len(p.Cert.Path) != 2 || p.Cert.SAN[0] != "gm1.example" || !p.Cert.NotAfter.Equal(leaf.NotAfter)) {
				t.Errorf("%+v", p.Cert)
			}
		})
	}
}

// changed has another name in it, and so another digest.
func changed(der []byte) []byte { return bytes.Replace(der, []byte("gm1"), []byte("gm2"), 1) }

func TestSpeaksFor(t *testing.T) {
	ca := root(t, "Root")
	p := &Peer{Leaf: issue(t, ca, pkitest.Request{
		Subject: pkitest.Name("gm1", "Example", ""), DNS: []string{"gm1.example", "*.wild.example"}, Mail: []string{"op@Example.com"},
		Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("2001:db8::1")},
	})}
	nobody := &Peer{Leaf: issue(t, ca, pkitest.Request{})}
	id := func(typ isakmp.IDType, data string) isakmp.ID { return isakmp.ID{IDType: typ, Data: []byte(data)} }
	for _, c := range []struct {
		name string
		id   isakmp.ID
		want bool
	}{
		{"address", id(isakmp.IDIPv4Addr, "\x0a\x01\x00\x01"), true},
		{"other address", id(isakmp.IDIPv4Addr, "\x0a\x01\x00\x02"), false},
		{"IPv6", isakmp.ID{IDType: isakmp.IDIPv6Addr, Data: netip.MustParseAddr("2001:db8::1").AsSlice()}, true},
		{"name", id(isakmp.IDFQDN, "GM1.example"), true},
		{"a wildcard is no name", id(isakmp.IDFQDN, "x.wild.example"), false},
		{"mail, host without case", id(isakmp.IDUserFQDN, "op@example.COM"), true},
		{"mail, other user", id(isakmp.IDUserFQDN, "Op@example.com"), false},
		{"mail without a host", id(isakmp.IDUserFQDN, "op"), false},
		{"subject", isakmp.ID{IDType: isakmp.IDDERASN1DN, Data: p.Leaf.RawSubject}, true},
		{"other subject", isakmp.ID{IDType: isakmp.IDDERASN1DN, Data: ca.Cert.RawSubject}, false},
		{"a range is nobody", id(isakmp.IDIPv4Range, "\x0a\x01\x00\x01\x0a\x01\x00\x01"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := p.SpeaksFor(c.id); got != c.want {
				t.Errorf("%t", got)
			}
		})
	}
	if nobody.SpeaksFor(isakmp.ID{IDType: isakmp.IDDERASN1DN, Data: nobody.Leaf.RawSubject}) {
		t.Error("an empty subject names somebody")
	}
}

func TestWarnings(t *testing.T) {
	ca := root(t, "Root")
	trust, err := New(Config{Anchors: []*x509.Certificate{ca.Cert}, CRLs: []*x509.RevocationList{list(t, ca, now)}})
	if err != nil {
		t.Fatal(err)
	}
	if w := trust.Warnings(now); len(w) != 0 {
		t.Errorf("%q", w)
	}
	if w := trust.Warnings(now.Add(time.Second)); len(w) != 1 || !strings.Contains(w[0], "CN=Root,O=Example is out of date since") {
		t.Errorf("%q", w)
	}
	if w := (*Trust)(nil).Warnings(now); w != nil {
		t.Errorf("%q", w)
	}
}

// A name goes into journals and onto terminals.
func TestNamesPrint(t *testing.T) {
	evil := issue(t, root(t, "Root"), pkitest.Request{Subject: pkitest.Name("gm\x1b[2J", "Ex\nample", "")})
	if got := NameString(evil.RawSubject); strings.ContainsAny(got, "\x1b\n") || !strings.Contains(got, "[2J") {
		t.Errorf("%q", got)
	}
	if got := facts(evil, nil); strings.ContainsAny(got.CN[0]+got.O[0], "\x1b\n") {
		t.Errorf("%q", got)
	}
	if got := NameString([]byte{1, 2}); got != "0x0102" {
		t.Errorf("%q", got)
	}
}

// FuzzVerify: whatever a peer sends as certificates, it is refused with a reason, or has a path to the anchor.
func FuzzVerify(f *testing.F) {
	ca := root(f, "Root")
	leaf := issue(f, ca, pkitest.Request{Subject: pkitest.Name("gm1", "Example", "")})
	trust, err := New(Config{Anchors: []*x509.Certificate{ca.Cert}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(leaf.Raw, ca.Cert.Raw)
	f.Add(ca.Cert.Raw, []byte{})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		p, err := trust.Verify(now, [][]byte{a, b})
		if (p == nil) == (err == nil) || err != nil && reason(err) == "" {
			t.Fatalf("%v, %v", p, err)
		}
	})
}
