package node

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// certWorld is a world in which phase 1 goes by certificates; the names of keys are those of nodes.
type certWorld struct {
	*world
	ca    *pkitest.CA
	certs map[string]*x509.Certificate
}

func newCertWorld(t *testing.T) *certWorld {
	c := &certWorld{world: newWorld(t), certs: map[string]*x509.Certificate{}}
	c.phase1Keys = map[string]crypto.Signer{}
	key, err := pkitest.NewKey("ecdsa256")
	if err == nil {
		c.ca, err = pkitest.NewRoot(c.now.Wall, pkitest.Name("Root", "Example", ""), key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *certWorld) phase1(name, unit string, a netip.AddrPort) ike1.Config {
	key, err := pkitest.NewKey("ecdsa256")
	if err != nil {
		c.t.Fatal(err)
	}
	cert, err := c.ca.Issue(c.now.Wall, pkitest.Request{Subject: pkitest.Name(name, "Example", unit), Addresses: []netip.Addr{a.Addr()}}, key.Public())
	if err != nil {
		c.t.Fatal(err)
	}
	c.phase1Keys[name], c.certs[name] = key, cert
	return ike1.Config{
		Suites:      []suite.Phase1{{Cipher: suite.AES128CBC, Hash: machine.SHA256, Group: suite.ECP256, Auth: suite.AuthECDSA256}},
		Credentials: []ike1.Credential{{Key: name, Method: suite.AuthECDSA256, Chain: [][]byte{cert.Raw}, Subject: cert.RawSubject, Issuers: [][]byte{cert.RawIssuer}}},
		Trust:       c.trust(), Local: isakmp.ID{IDType: isakmp.IDDERASN1DN},
	}
}

func (c *certWorld) trust() *pki.Trust {
	der, err := c.ca.List(c.now.Wall.Add(-time.Minute), c.now.Wall.Add(24*time.Hour))
	if err != nil {
		c.t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		c.t.Fatal(err)
	}
	t, err := pki.New(pki.Config{Anchors: []*x509.Certificate{c.ca.Cert}, CRLs: []*x509.RevocationList{list}, Strict: true})
	if err != nil {
		c.t.Fatal(err)
	}
	return t
}

func (c *certWorld) keyServer(rev Revocation, groups ...keyserver.Config) *KeyServer {
	var stored []machine.Record
	for _, r := range c.disk {
		r.Value = slices.Clone(r.Value)
		stored = append(stored, r)
	}
	n, err := NewKeyServer(seeded(0), KSConfig{Local: ksAddr, Phase1: c.phase1("ks1", "", ksAddr), Groups: groups, OnRevocation: rev}, stored)
	c.add(ksAddr, n, err)
	return n
}

func (c *certWorld) member(name, unit string, a netip.AddrPort) *GroupMember {
	groups := []member.Config{{Name: "blue", ID: blueID, KeyServers: []netip.AddrPort{ksAddr}}}
	n, err := NewGroupMember(seeded(a.Addr().As4()[3]), GMConfig{Local: a, Phase1: c.phase1(name, unit, a), Groups: groups})
	c.add(a, n, err)
	return n
}

func branches(t *testing.T) keyserver.Config {
	g := blue(t)
	g.Authorise = policy.Authorisation{{Cert: policy.CertRule{OU: "Branches"}}}
	return g
}

func signECDSA(k crypto.Signer, digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, k.(*ecdsa.PrivateKey), digest)
	if err != nil {
		return nil, err
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
}

func addresses(s keyserver.Snapshot) (out []string) {
	for _, m := range s.Members {
		out = append(out, m.Addr.Addr().String())
	}
	return out
}

func TestRegistrationWithCertificates(t *testing.T) {
	w := newCertWorld(t)
	ks := w.keyServer(RevokeRemove, branches(t))
	w.member("gm1", "Branches", gm1)
	w.member("gm2", "Guests", gm2)
	w.run(time.Minute)
	s := ks.Snapshot(w.now)
	if got := addresses(s.Groups[0]); !slices.Equal(got, []string{"10.1.0.1"}) {
		t.Fatalf("members %v", got)
	}
	m := s.Groups[0].Members[0]
	if m.Identity != "CN=gm1,OU=Branches,O=Example" || m.Certificate != m.Identity {
		t.Errorf("%+v", m)
	}
	if w.notes(ksAddr, gdoi.NoteNotAuthorised) == 0 {
		t.Error("the guest was not refused")
	}
	// A restarted key server still knows what the certificate said, and does not throw the member out.
	ks = w.keyServer(RevokeRemove, branches(t))
	w.run(time.Second)
	if got := addresses(ks.Snapshot(w.now).Groups[0]); !slices.Equal(got, []string{"10.1.0.1"}) {
		t.Errorf("after a restart: members %v", got)
	}
	// And can revoke it, also with a list that came while it was down.
	w.ca.Revoke(w.now.Wall, w.certs["gm1"])
	ks = w.keyServer(RevokeRemove, branches(t))
	w.run(time.Second)
	if got := addresses(ks.Snapshot(w.now).Groups[0]); len(got) != 0 {
		t.Errorf("after the revocation: members %v", got)
	}
	w.wantNotes(ksAddr, gdoi.NoteRevoked, 1)
}

func TestRevokedUnderWay(t *testing.T) {
	for _, rev := range []Revocation{RevokeRemove, RevokeRefuse} {
		t.Run(map[Revocation]string{RevokeRemove: "remove", RevokeRefuse: "refuse"}[rev], func(t *testing.T) {
			w := newCertWorld(t)
			ks := w.keyServer(rev, branches(t))
			w.member("gm1", "Branches", gm1)
			w.member("gm2", "Branches", gm2)
			w.run(time.Minute)
			if n := ks.Snapshot(w.now); n.Sessions != 2 || len(n.Groups[0].Members) != 2 {
				t.Fatalf("%d sessions, %d members", n.Sessions, len(n.Groups[0].Members))
			}
			w.ca.Revoke(w.now.Wall, w.certs["gm2"])
			w.step(ksAddr, Recertify{Trust: w.trust(), ID: 7})
			n := ks.Snapshot(w.now)
			want := map[Revocation][]string{RevokeRemove: {"10.1.0.1"}, RevokeRefuse: {"10.1.0.1", "10.1.0.2"}}[rev]
			if got := addresses(n.Groups[0]); n.Sessions != 1 || !slices.Equal(got, want) {
				t.Fatalf("%d sessions, members %v", n.Sessions, got)
			}
			if w.notes(ksAddr, gdoi.NoteRevoked) == 0 {
				t.Error("nothing in the journal")
			}
			// It cannot come back.
			w.step(gm2, gdoi.CmdReregister{Group: "blue", ID: 8})
			w.run(2 * time.Minute)
			n = ks.Snapshot(w.now)
			if drops(n.Drops, pki.ReasonRevoked) == 0 || n.Sessions != 1 {
				t.Errorf("%d sessions, %v", n.Sessions, n.Drops)
			}
		})
	}
}

// A member leaves a key server whose certificate is revoked, and does not go back to it.
func TestKeyServerRevoked(t *testing.T) {
	w := newCertWorld(t)
	w.keyServer(RevokeRemove, branches(t))
	gm := w.member("gm1", "Branches", gm1)
	w.run(time.Minute)
	w.ca.Revoke(w.now.Wall, w.certs["ks1"])
	w.step(gm1, Recertify{Trust: w.trust(), ID: 1})
	if n := gm.Snapshot(w.now); n.Sessions != 0 {
		t.Errorf("%d sessions", n.Sessions)
	}
	w.step(gm1, gdoi.CmdReregister{Group: "blue", ID: 2})
	w.run(2 * time.Minute)
	if n := gm.Snapshot(w.now); n.Sessions != 0 || drops(n.Drops, pki.ReasonRevoked) == 0 {
		t.Errorf("%d sessions, %v", n.Sessions, n.Drops)
	}
}

// While the custody is silent the negotiation is half-open; when it fails, it ends, and others are not concerned.
func TestCustodyOfPhase1(t *testing.T) {
	w := newCertWorld(t)
	ks := w.keyServer(RevokeRemove, branches(t))
	w.member("gm1", "Branches", gm1)
	var asked []machine.Sign
	w.phase1Sign = func(s machine.Sign) bool {
		if s.Key == "ks1" {
			asked = append(asked, s)
			return true
		}
		return false
	}
	w.run(5 * time.Second)
	if n := ks.Snapshot(w.now); n.HalfOpen != 1 || n.Sessions != 0 || len(asked) != 1 {
		t.Fatalf("%d half open, %d sessions, %d questions", n.HalfOpen, n.Sessions, len(asked))
	}
	w.step(ksAddr, machine.Signed{ID: asked[0].ID, Err: errors.New("the token is gone")})
	if n := ks.Snapshot(w.now); n.HalfOpen != 0 || len(ks.signing) != 0 {
		t.Errorf("%d half open, %d wait", n.HalfOpen, len(ks.signing))
	}
	w.wantNotes(ksAddr, gdoi.NoteSignFailed, 1)
	w.phase1Sign = nil
	w.run(3 * time.Minute)
	if got := addresses(ks.Snapshot(w.now).Groups[0]); len(got) != 1 {
		t.Errorf("members %v", got)
	}
	w.step(ksAddr, machine.Signed{ID: asked[0].ID}) // too late, and to nobody
}

// Incomplete messages together have a limit, and are forgotten.
func TestFragmentMemory(t *testing.T) {
	w := newCertWorld(t)
	ks := w.keyServer(RevokeRemove, branches(t))
	ks.limits.Fragments = 3000
	var i, r isakmp.Cookie
	w.member("gm1", "Branches", gm1)
	w.phase1Sign = func(s machine.Sign) bool { return s.Key == "gm1" } // the member stays silent after message 4
	w.run(time.Second)
	for c := range ks.sessions {
		i, r = c.i, c.r
	}
	send := func(n uint8) {
		h := isakmp.Header{InitiatorCookie: i, ResponderCookie: r, Exchange: isakmp.ExchangeMainMode}
		msg := isakmp.Message(h, isakmp.Fragment{ID: 1, Number: n, Data: []byte(strings.Repeat("x", 1000))})
		w.step(ksAddr, machine.Datagram{Local: ksAddr, Remote: gm1, Bytes: msg})
	}
	for n := range uint8(5) {
		send(n + 1)
	}
	if got := drops(ks.Snapshot(w.now).Drops, gdoi.DropFragmentMemory); got == 0 || ks.fragments > 3000 || ks.fragments == 0 {
		t.Errorf("%d drops, %d octets", got, ks.fragments)
	}
	w.run(2 * time.Minute)
	if ks.fragments != 0 {
		t.Errorf("%d octets kept for ever", ks.fragments)
	}
}

// A renewed certificate is used from then on, without a restart, and what was up stays up.
func TestRenewedCertificates(t *testing.T) {
	w := newCertWorld(t)
	ks := w.keyServer(RevokeRemove, branches(t))
	gm := w.member("gm1", "Branches", gm1)
	w.run(time.Minute)
	old := w.certs["gm1"]
	fresh := w.phase1("gm1", "Branches", gm1)
	fresh.Credentials[0].Key = "gm1 renewed"
	w.phase1Keys["gm1 renewed"] = w.phase1Keys["gm1"]
	delete(w.phase1Keys, "gm1")
	w.step(gm1, Recertify{Trust: w.trust(), Credentials: fresh.Credentials, ID: 1})
	if n := gm.Snapshot(w.now); n.Sessions != 1 {
		t.Fatalf("%d sessions", n.Sessions)
	}
	// The old one is revoked, which ends the session; the member comes back with the new one.
	w.ca.Revoke(w.now.Wall, old)
	w.step(ksAddr, Recertify{Trust: w.trust(), ID: 2})
	w.drain()
	w.step(gm1, gdoi.CmdReregister{Group: "blue", ID: 3})
	w.run(time.Minute)
	n := ks.Snapshot(w.now)
	if got := addresses(n.Groups[0]); !slices.Equal(got, []string{"10.1.0.1"}) || n.Sessions != 1 {
		t.Fatalf("members %v, %d sessions", got, n.Sessions)
	}
	for _, s := range ks.sessions {
		if got := s.ike.PeerCertificate().Serial; got != w.certs["gm1"].SerialNumber.Text(16) {
			t.Errorf("serial %s", got)
		}
	}
}
