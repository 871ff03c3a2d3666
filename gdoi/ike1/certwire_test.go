package ike1

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
	"github.com/getvpn/getvpn/gdoi/suite"
)

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
