package ike1

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
	"github.com/getvpn/getvpn/gdoi/suite"
)

var certNow = time.Unix(1_800_000_000, 0)

// methods are the kinds of keys by their authentication method.
var methods = map[uint16]string{
	suite.AuthRSA: "rsa", suite.AuthECDSA256: "ecdsa256", suite.AuthECDSA384: "ecdsa384", suite.AuthECDSA521: "ecdsa521",
}

// keyNamed makes each key once: RSA takes its time.
var keys sync.Map

func keyNamed(kind, who string) crypto.Signer {
	if k, ok := keys.Load(kind + who); ok {
		return k.(crypto.Signer)
	}
	k, err := pkitest.NewKey(kind)
	if err != nil {
		panic(err)
	}
	keys.Store(kind+who, k)
	return k
}

// sign is the custody of both sides: the name of a key is its kind and its owner.
func (w *wire) sign(fromServer bool, e machine.Sign) {
	w.t.Helper()
	w.signed++
	answer := w.custody
	if answer == nil {
		answer = custody
	}
	ev := machine.Signed{ID: e.ID}
	ev.Signature, ev.Err = answer(e)
	s, list := w.member, &w.memberErr
	if fromServer {
		s, list = w.server, &w.serverErr
	}
	if errors.Is(ev.Err, errSlow) {
		return
	}
	out, err := s.Signed(w.now, ev, nil)
	_ = w.checked(err, s, list)
	w.emit(fromServer, out)
}

var errSlow = errors.New("no answer")

func custody(e machine.Sign) ([]byte, error) {
	kind, who, _ := strings.Cut(e.Key, " ")
	switch k := keyNamed(kind, who).(type) {
	case *rsa.PrivateKey:
		if e.Scheme != machine.SignRSABare {
			return nil, fmt.Errorf("scheme %d", e.Scheme)
		}
		return rsa.SignPKCS1v15(nil, k, 0, e.Digest)
	case *ecdsa.PrivateKey:
		if e.Scheme != machine.SignECDSAConcat {
			return nil, fmt.Errorf("scheme %d", e.Scheme)
		}
		r, s, err := ecdsa.Sign(rand.Reader, k, e.Digest)
		if err != nil {
			return nil, err
		}
		n := (k.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...), nil
	default:
		return nil, errors.New("no key")
	}
}

// house is a root, an authority below it, and what they have issued.
type pkiHouse struct {
	t    testing.TB
	root *pkitest.CA
	sub  *pkitest.CA
}

func newPKI(t testing.TB) *pkiHouse { return pkiWithKeys(t, "") }

// pkiWithKeys has the same names under other keys.
func pkiWithKeys(t testing.TB, who string) *pkiHouse {
	root, err := pkitest.NewRoot(certNow, pkitest.Name("Root", "Example", ""), keyNamed("ecdsa256", "root"+who))
	if err != nil {
		t.Fatal(err)
	}
	sub, err := root.NewAuthority(certNow, pkitest.Name("Members", "Example", ""), keyNamed("ecdsa256", "sub"+who))
	if err != nil {
		t.Fatal(err)
	}
	return &pkiHouse{t: t, root: root, sub: sub}
}

func (h *pkiHouse) trust(strict bool, lists ...[]byte) *pki.Trust {
	c := pki.Config{Anchors: []*x509.Certificate{h.root.Cert}, Strict: strict}
	for _, der := range lists {
		l, err := x509.ParseRevocationList(der)
		if err != nil {
			h.t.Fatal(err)
		}
		c.CRLs = append(c.CRLs, l)
	}
	t, err := pki.New(c)
	if err != nil {
		h.t.Fatal(err)
	}
	return t
}

// issue makes a credential; the name of its key is kind and owner.
func (h *pkiHouse) issue(ca *pkitest.CA, kind, who string, r pkitest.Request) (Credential, *x509.Certificate) {
	if r.Subject.CommonName == "" {
		r.Subject = pkitest.Name(who, "Example", "Branches")
	}
	key := keyNamed(kind, who)
	cert, err := ca.Issue(certNow, r, key.Public())
	if err != nil {
		h.t.Fatal(err)
	}
	method, err := suite.AuthOfKey(key.Public())
	if err != nil {
		h.t.Fatal(err)
	}
	c := Credential{Key: kind + " " + who, Method: method, Chain: [][]byte{cert.Raw}, Subject: cert.RawSubject, Issuers: [][]byte{cert.RawIssuer}}
	for _, a := range ca.Chain {
		c.Chain, c.Issuers = append(c.Chain, a.Raw), append(c.Issuers, a.RawIssuer)
	}
	return c, cert
}

func withAuth(method uint16) suite.Phase1 {
	p := fast
	p.Auth = method
	if p.Auth == suite.AuthECDSA384 {
		p.Hash = machine.SHA384
	}
	return p
}

// certPair is the configurations of both sides for a method, the member's certificate from the authority below the root.
func (h *pkiHouse) certPair(method uint16, member, server pkitest.Request) (m, s *Config) {
	if member.Addresses == nil {
		member.Addresses = []netip.Addr{memberAddr.Addr()}
	}
	if server.Addresses == nil {
		server.Addresses = []netip.Addr{serverAddr.Addr()}
	}
	mc, _ := h.issue(h.sub, methods[method], "gm1", member)
	sc, _ := h.issue(h.root, methods[method], "ks1", server)
	suites := []suite.Phase1{withAuth(method)}
	return &Config{Suites: suites, Credentials: []Credential{mc}, Trust: h.trust(false)},
		&Config{Suites: suites, Credentials: []Credential{sc}, Trust: h.trust(false)}
}

func TestCertificatesEveryMethod(t *testing.T) {
	h := newPKI(t)
	for method, kind := range methods {
		t.Run(kind, func(t *testing.T) {
			m, s := h.certPair(method, pkitest.Request{}, pkitest.Request{})
			w := newWire(t, m, s).start().run(time.Second)
			w.established()
			if w.member.Suite().Auth != method || w.signed != 2 {
				t.Errorf("suite %s, %d signatures", w.member.Suite(), w.signed)
			}
			if c := w.server.PeerCertificate(); c == nil || c.Subject != "CN=gm1,OU=Branches,O=Example" || len(c.Path) != 2 {
				t.Errorf("server knows %+v", c)
			}
			if c := w.member.PeerCertificate(); c == nil || c.Subject != "CN=ks1,OU=Branches,O=Example" || len(c.Path) != 1 {
				t.Errorf("member knows %+v", c)
			}
		})
	}
}

// HASH_I under ECDSA-384 is made with SHA-384 whatever hash was negotiated (RFC 2409 §5.1, RFC 4754 §3).
func TestHashOfTheMethod(t *testing.T) {
	h := newPKI(t)
	m, s := h.certPair(suite.AuthECDSA521, pkitest.Request{}, pkitest.Request{})
	digests := 0
	w := newWire(t, m, s)
	w.custody = func(e machine.Sign) ([]byte, error) {
		if e.Hash == machine.SHA512 && len(e.Digest) == 64 {
			digests++
		}
		return custody(e)
	}
	w.start().run(time.Second).established()
	if digests != 2 || w.member.Suite().Hash != machine.SHA256 {
		t.Errorf("%d digests of SHA-512 under a suite with %s", digests, w.member.Suite())
	}
}

func TestCertificateIdentities(t *testing.T) {
	h := newPKI(t)
	all := pkitest.Request{DNS: []string{"gm1.example"}, Mail: []string{"gm1@example.com"}, Addresses: []netip.Addr{memberAddr.Addr()}}
	other, _ := h.issue(h.root, "rsa", "other", pkitest.Request{})
	for _, c := range []struct {
		name string
		id   isakmp.ID
		ok   bool
	}{
		{"address", isakmp.ID{}, true},
		{"host name", isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte("GM1.example")}, true},
		{"mail", isakmp.ID{IDType: isakmp.IDUserFQDN, Data: []byte("gm1@EXAMPLE.com")}, true},
		{"subject", isakmp.ID{IDType: isakmp.IDDERASN1DN}, true},
		{"other host name", isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte("gm2.example")}, false},
		{"common name as host name", isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte("gm1")}, false},
		{"other mail", isakmp.ID{IDType: isakmp.IDUserFQDN, Data: []byte("GM1@example.com")}, false},
		{"key id", isakmp.ID{IDType: isakmp.IDKeyID, Data: []byte("gm1.example")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, s := h.certPair(suite.AuthRSA, all, pkitest.Request{})
			m.Local = c.id
			w := newWire(t, m, s).start().run(time.Second)
			if c.ok {
				w.established()
				return
			}
			if last(w.serverErr) != ReasonIdentity || w.server.State() != StateDead {
				t.Errorf("server: %v", w.serverErr)
			}
		})
	}
	t.Run("subject of another certificate", func(t *testing.T) {
		m, s := h.certPair(suite.AuthRSA, all, pkitest.Request{})
		m.Local = isakmp.ID{IDType: isakmp.IDDERASN1DN}
		m.Credentials[0].Subject = other.Subject
		w := newWire(t, m, s).start().run(time.Second)
		if last(w.serverErr) != ReasonIdentity {
			t.Errorf("server: %v", w.serverErr)
		}
	})
	t.Run("address of another", func(t *testing.T) {
		m, s := h.certPair(suite.AuthRSA, pkitest.Request{Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.2")}}, pkitest.Request{})
		w := newWire(t, m, s).start().run(time.Second)
		if last(w.serverErr) != ReasonIdentity {
			t.Errorf("server: %v", w.serverErr)
		}
	})
}

// refusal runs a negotiation in which the server must not accept the member, and the member must learn that.
func refused(t *testing.T, w *wire, reason string) {
	t.Helper()
	w.start().run(time.Second)
	if w.server.State() == StateEstablished || w.server.State() == StateSigning || w.server.PeerCertificate() != nil {
		t.Fatalf("server %s", w.server.State())
	}
	if got := last(w.serverErr); got != reason {
		t.Errorf("server: %v; want %s", w.serverErr, reason)
	}
	w.run(2 * time.Minute)
	if w.member.State() != StateDead || w.member.DeadReason() != ReasonAuth {
		t.Errorf("member %s, %s", w.member.State(), w.member.DeadReason())
	}
}

func TestCertificateRefused(t *testing.T) {
	h := newPKI(t)
	stranger := pkiWithKeys(t, " of a stranger")
	hour := func(n int) time.Time { return certNow.Add(time.Duration(n) * time.Hour) }
	for _, c := range []struct {
		name   string
		reason string
		req    pkitest.Request
		change func(m, s *Config)
	}{
		{"expired", pki.ReasonExpired, pkitest.Request{NotBefore: hour(-10), NotAfter: hour(-1)}, nil},
		{"not yet valid", pki.ReasonExpired, pkitest.Request{NotBefore: hour(1), NotAfter: hour(10)}, nil},
		{"not for signatures", pki.ReasonInvalid, pkitest.Request{KeyUsage: x509.KeyUsageKeyAgreement}, nil},
		{"for code", pki.ReasonInvalid, pkitest.Request{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}, nil},
		{"chain missing", pki.ReasonUntrusted, pkitest.Request{}, func(m, _ *Config) { m.Credentials[0].Chain = m.Credentials[0].Chain[:1] }},
		{"certificate missing", pki.ReasonMissing, pkitest.Request{}, func(m, _ *Config) { m.Credentials[0].Chain = nil }},
		{"junk", pki.ReasonInvalid, pkitest.Request{}, func(m, _ *Config) { m.Credentials[0].Chain = [][]byte{[]byte("junk")} }},
		{"of another root", pki.ReasonUntrusted, pkitest.Request{}, func(m, _ *Config) {
			m.Credentials[0], _ = stranger.issue(stranger.sub, "ecdsa256", "gm1", pkitest.Request{Addresses: []netip.Addr{memberAddr.Addr()}})
		}},
		{"key of another", ReasonAuth, pkitest.Request{}, func(m, _ *Config) { m.Credentials[0].Key = "ecdsa256 mallory" }},
		{"key of another curve", ReasonAuth, pkitest.Request{}, func(m, _ *Config) {
			c, _ := h.issue(h.sub, "ecdsa384", "gm1", pkitest.Request{Addresses: []netip.Addr{memberAddr.Addr()}})
			m.Credentials[0].Chain = c.Chain
			m.Credentials[0].Key = c.Key
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, s := h.certPair(suite.AuthECDSA256, c.req, pkitest.Request{})
			if c.change != nil {
				c.change(m, s)
			}
			refused(t, newWire(t, m, s), c.reason)
		})
	}
}

// The server's certificate is judged by the member in the same way, and the member does not go on with it.
func TestServerCertificateRefused(t *testing.T) {
	h := newPKI(t)
	m, s := h.certPair(suite.AuthECDSA256, pkitest.Request{}, pkitest.Request{NotBefore: certNow.Add(-3 * time.Hour), NotAfter: certNow.Add(-time.Minute)})
	w := newWire(t, m, s).start().run(2 * time.Minute)
	if w.member.State() != StateDead || w.member.DeadReason() != pki.ReasonExpired {
		t.Errorf("member %s, %s: %v", w.member.State(), w.member.DeadReason(), w.memberErr)
	}
}

func TestRevocation(t *testing.T) {
	h := newPKI(t)
	_, cert := h.issue(h.sub, "ecdsa256", "gm1", pkitest.Request{Addresses: []netip.Addr{memberAddr.Addr()}})
	list := func(ca *pkitest.CA, next time.Duration) []byte {
		der, err := ca.List(certNow.Add(-time.Minute), certNow.Add(next))
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	server := func(trust *pki.Trust) (*Config, *Config) {
		m, s := h.certPair(suite.AuthECDSA256, pkitest.Request{}, pkitest.Request{})
		m.Credentials[0].Chain[0] = cert.Raw
		s.Trust = trust
		return m, s
	}
	empty, emptyRoot, old := list(h.sub, time.Hour), list(h.root, time.Hour), list(h.sub, -time.Second)
	h.sub.Revoke(certNow.Add(-time.Minute), cert)
	named, namedOld := list(h.sub, time.Hour), list(h.sub, -time.Second)
	h.root.Revoke(certNow.Add(-time.Minute), h.sub.Cert)
	authority := list(h.root, time.Hour)
	other := pkiWithKeys(t, " of a stranger").sub
	other.Revoke(certNow, cert)
	foreign := list(other, time.Hour)
	for _, c := range []struct {
		name   string
		trust  *pki.Trust
		reason string // empty: accepted
	}{
		{"not on the list", h.trust(true, empty, emptyRoot), ""},
		{"on the list", h.trust(false, named, emptyRoot), pki.ReasonRevoked},
		{"on a list that is out of date", h.trust(false, namedOld), pki.ReasonRevoked},
		{"the authority is revoked", h.trust(false, authority), pki.ReasonRevoked},
		{"a list of the right name with another key", h.trust(false, foreign), ""},
		{"out of date, tolerated", h.trust(false, old, emptyRoot), ""},
		{"out of date, strict", h.trust(true, old, emptyRoot), pki.ReasonNoCRL},
		{"no list, strict", h.trust(true, empty), pki.ReasonNoCRL},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, s := server(c.trust)
			w := newWire(t, m, s)
			if c.reason == "" {
				w.start().run(time.Second).established()
				return
			}
			refused(t, w, c.reason)
		})
	}
	t.Run("later", func(t *testing.T) {
		m, s := server(h.trust(true, empty, emptyRoot))
		w := newWire(t, m, s).start().run(time.Second)
		w.established()
		// What is known of the certificate is enough to ask a list that comes later, after a restart too.
		if text, revoked := h.trust(false, named).Revoked(w.server.PeerCertificate()); !revoked || !strings.Contains(text, "CN=Members") {
			t.Errorf("%q, %t", text, revoked)
		}
		if _, revoked := h.trust(false, foreign).Revoked(w.server.PeerCertificate()); revoked {
			t.Error("a foreign list revokes")
		}
		w.emit(true, w.server.Revoked(nil))
		w.run(time.Second)
		if w.server.DeadReason() != ReasonRevoked || w.member.DeadReason() != ReasonPeerDeleted {
			t.Errorf("server %s, member %s", w.server.DeadReason(), w.member.DeadReason())
		}
	})
}

// A responder that has both picks by what is proposed, in its own order.
func TestBothMethods(t *testing.T) {
	h := newPKI(t)
	m, s := h.certPair(suite.AuthECDSA256, pkitest.Request{}, pkitest.Request{})
	rsaCred, _ := h.issue(h.root, "rsa", "ks1", pkitest.Request{Addresses: []netip.Addr{serverAddr.Addr()}})
	s.Credentials = append(s.Credentials, rsaCred)
	s.Suites = []suite.Phase1{withAuth(suite.AuthRSA), withAuth(suite.AuthECDSA256), fast}
	s.PSK = psk("mekmitasdigoat")
	both := *m
	both.Suites, both.PSK = []suite.Phase1{fast, withAuth(suite.AuthECDSA256)}, psk("mekmitasdigoat")
	for name, c := range map[string]struct {
		m    *Config
		want uint16
	}{"certificate": {m, suite.AuthECDSA256}, "pre-shared key": {config(), suite.AuthPSK}, "both, the server's order": {&both, suite.AuthECDSA256}} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t, c.m, s).start().run(time.Second)
			w.established()
			if got := w.server.Suite().Auth; got != c.want || (w.server.PeerCertificate() != nil) != (c.want != suite.AuthPSK) {
				t.Errorf("method %d, certificate %v", got, w.server.PeerCertificate())
			}
		})
	}
	t.Run("no common one", func(t *testing.T) {
		s := *s
		s.Suites = []suite.Phase1{withAuth(suite.AuthRSA)}
		w := newWire(t, m, &s).start().run(time.Second)
		if last(w.serverErr) != ReasonNoProposal {
			t.Errorf("server: %v", w.serverErr)
		}
	})
}

// Somebody on the path who takes the certificates out of the proposal gets a pre-shared key agreed on, and is found out,
// since the proofs cover what was proposed.
func TestDowngradeFromCertificates(t *testing.T) {
	h := newPKI(t)
	m, s := h.certPair(suite.AuthECDSA256, pkitest.Request{}, pkitest.Request{})
	for _, c := range []*Config{m, s} {
		c.Suites, c.PSK = []suite.Phase1{withAuth(suite.AuthECDSA256), fast}, psk("mekmitasdigoat")
	}
	w := newWire(t, m, s)
	w.path = func(n int, p packet) []packet {
		if n == 0 {
			hd, err := isakmp.ParseHeader(p.b)
			if err != nil {
				t.Fatal(err)
			}
			sa := propose([]suite.Phase1{fast}, DefaultLifetime)
			sa.Proposals[0].Transforms[0].Number = 2 // as it was, second
			p.b = isakmp.Message(hd, append([]isakmp.Payload{sa}, m.vendorIDs()...)...)
		}
		return []packet{p}
	}
	w.start().run(2 * time.Minute)
	if w.server.State() == StateEstablished || w.member.State() == StateEstablished {
		t.Fatal("established")
	}
	if w.server.Suite().Auth != suite.AuthPSK || last(w.serverErr[:1]) != ReasonAuth {
		t.Errorf("suite %s: %v", w.server.Suite(), w.serverErr)
	}
}

func TestCustodyOfTheSignature(t *testing.T) {
	h := newPKI(t)
	fail := func(who string, err error) func(machine.Sign) ([]byte, error) {
		return func(e machine.Sign) ([]byte, error) {
			if strings.HasSuffix(e.Key, who) {
				return nil, err
			}
			return custody(e)
		}
	}
	for _, c := range []struct {
		name, who string
		err       error
	}{
		{"member's fails", "gm1", errors.New("token is gone")}, {"member's is silent", "gm1", errSlow},
		{"server's fails", "ks1", errors.New("token is gone")}, {"server's is silent", "ks1", errSlow},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, s := h.certPair(suite.AuthECDSA256, pkitest.Request{}, pkitest.Request{})
			w := newWire(t, m, s)
			w.custody = fail(c.who, c.err)
			w.start().run(100 * time.Millisecond)
			side := map[string]*Session{"gm1": w.member, "ks1": w.server}[c.who]
			if op, ok := side.Signing(); ok != (c.err == errSlow) || ok && op == 0 {
				t.Fatalf("%s, operation %d", side.State(), op)
			}
			w.run(SignPatience)
			if side.State() != StateDead || side.DeadReason() != ReasonSign {
				t.Errorf("%s, %s", side.State(), side.DeadReason())
			}
		})
	}
	t.Run("late", func(t *testing.T) {
		m, s := h.certPair(suite.AuthECDSA256, pkitest.Request{}, pkitest.Request{})
		w := newWire(t, m, s)
		var asked machine.Sign
		w.custody = func(e machine.Sign) ([]byte, error) {
			if strings.HasSuffix(e.Key, "ks1") {
				asked = e
				return nil, errSlow
			}
			return custody(e)
		}
		w.start().run(10 * time.Second) // the member repeats message 5 meanwhile
		sig, err := custody(asked)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.server.Signed(w.now, machine.Signed{ID: asked.ID + 1, Signature: sig}, nil); !errors.Is(err, ErrIgnored) {
			t.Errorf("answer to another question: %v", err)
		}
		out, err := w.server.Signed(w.now, machine.Signed{ID: asked.ID, Signature: sig}, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.emit(true, out)
		w.run(time.Second).established()
		if w.signed != 2 {
			t.Errorf("%d signatures; a repeated message 5 makes no more", w.signed)
		}
	})
}

// The same wrong message 5 costs the server one verification, and different ones end the session after a few.
func TestProofsAreLimited(t *testing.T) {
	h := newPKI(t)
	m, s := h.certPair(suite.AuthECDSA256, pkitest.Request{}, pkitest.Request{})
	w := newWire(t, m, s)
	var fifth []byte
	w.path = func(n int, p packet) []packet {
		if n == 4 {
			fifth = p.b
			return nil
		}
		return []packet{p}
	}
	w.custody = func(e machine.Sign) ([]byte, error) {
		sig, err := custody(e)
		sig[3] ^= 1
		return sig, err
	}
	w.start().run(100 * time.Millisecond)
	w.path = func(int, packet) []packet { return nil }
	if err := w.deliver(true, fifth); reasonOf(err) != ReasonAuth {
		t.Fatal(err)
	}
	for range 5 {
		if err := w.deliver(true, fifth); reasonOf(err) != ReasonDuplicate {
			t.Fatal(err)
		}
	}
	// A block of the end changed decrypts to a message whose payloads still parse: what is changed is padding or the SPI
	// of a notification.
	died := false
	for i := range 8 {
		other := bytes.Clone(fifth)
		other[len(other)-1-i] ^= 0x10
		err := w.deliver(true, other)
		died = died || errors.Is(err, ErrFatal)
	}
	if w.server.proofs > maxProofs || died != (w.server.State() == StateDead) {
		t.Errorf("%d proofs, %s", w.server.proofs, w.server.State())
	}
}

// A session lasts no longer than the certificate that it rests on.
func TestSessionEndsWithTheCertificate(t *testing.T) {
	h := newPKI(t)
	m, s := h.certPair(suite.AuthECDSA256, pkitest.Request{NotAfter: certNow.Add(time.Hour)}, pkitest.Request{})
	w := newWire(t, m, s).start().run(time.Second)
	w.established()
	if left := w.server.Expires().Sub(w.now.Mono); left > time.Hour {
		t.Errorf("server: %v left", left)
	}
	if left := w.member.Expires().Sub(w.now.Mono); left < 23*time.Hour {
		t.Errorf("member: %v left", left)
	}
}

func TestLossWithCertificates(t *testing.T) {
	h := newPKI(t)
	m, s := h.certPair(suite.AuthECDSA256, pkitest.Request{}, pkitest.Request{})
	for n := range mainModeMessages {
		t.Run(fmt.Sprintf("message %d lost", n+1), func(t *testing.T) {
			w := newWire(t, m, s)
			w.path = func(i int, p packet) []packet {
				if i == n {
					return nil
				}
				return []packet{p}
			}
			w.start().run(30 * time.Second).established()
			if w.signed != 2 {
				t.Errorf("%d signatures", w.signed)
			}
		})
	}
}

// The certificate requests choose among certificates of the same method.
func TestRequestsChoose(t *testing.T) {
	h := newPKI(t)
	m, s := h.certPair(suite.AuthECDSA256, pkitest.Request{}, pkitest.Request{})
	other, err := pkitest.NewRoot(certNow, pkitest.Name("Other root", "Else", ""), keyNamed("ecdsa256", "other root"))
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := h.issue(other, "ecdsa256", "gm1", pkitest.Request{})
	m.Credentials = append([]Credential{foreign}, m.Credentials...)
	newWire(t, m, s).start().run(time.Second).established()
}

// One bit wrong anywhere in any message: the sides never agree on different keys or on a wrong identity, and what was
// refused before the proofs leaves the genuine message good.
func TestBitFlipWithCertificates(t *testing.T) {
	h := newPKI(t)
	m, s := h.certPair(suite.AuthECDSA256, pkitest.Request{}, pkitest.Request{})
	at := func(n int) (w *wire, toServer bool, msg []byte) {
		w = newWire(t, m, s)
		w.path = func(i int, p packet) []packet {
			if i == n {
				toServer, msg = p.toServer, p.b
				return nil
			}
			return []packet{p}
		}
		w.start().run(500 * time.Millisecond)
		w.path = nil
		return w, toServer, msg
	}
	for n := range mainModeMessages {
		t.Run(fmt.Sprintf("message %d", n+1), func(t *testing.T) {
			_, _, genuine := at(n)
			for i := 0; i < len(genuine)-17; i += 5 {
				w, toServer, msg := at(n)
				bad := bytes.Clone(msg)
				bad[i] ^= 1 << (i % 8)
				err := w.deliver(toServer, bad)
				_ = w.deliver(toServer, msg)
				w.run(2 * time.Second)
				both := w.server != nil && w.member.State() == StateEstablished && w.server.State() == StateEstablished
				switch {
				case err != nil && !both:
					t.Fatalf("octet %d: refused (%v), and then the genuine one was too", i, err)
				case both && !w.agree():
					t.Fatalf("octet %d: established with different keys", i)
				case both && w.server.PeerCertificate().CN[0] != "gm1":
					t.Fatalf("octet %d: established with %v", i, w.server.PeerCertificate())
				}
			}
		})
	}
}
