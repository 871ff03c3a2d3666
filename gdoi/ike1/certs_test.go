package ike1

import (
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
	"github.com/getvpn/getvpn/gdoi/suite"
)

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
