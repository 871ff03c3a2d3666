package ike1

import (
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
