package keyserver

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func curveKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// signedBy is a configuration whose rekeys that key signs.
func signedBy(t *testing.T, cfg Config, name string, key crypto.Signer) Config {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	cfg.SignKey, cfg.SignPublic, cfg.SignHash, cfg.SignForm = name, der, 0, 0
	return cfg
}

// signECDSA answers a Sign effect as the form of RFC 4754 wants it.
func signECDSA(k *ecdsa.PrivateKey, e machine.Sign) ([]byte, error) {
	n := (k.Params().BitSize + 7) / 8
	if h := map[int]machine.Hash{32: machine.SHA256, 48: machine.SHA384}[n]; e.Scheme != machine.SignECDSAConcat || e.Hash != h || len(e.Digest) != n {
		return nil, errors.New("not for a key of this curve")
	}
	r, s, err := ecdsa.Sign(rand.Reader, k, e.Digest)
	if err != nil {
		return nil, err
	}
	return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...), nil
}

// TestECDSAGroup: a group whose rekeys are signed with ECDSA registers, rekeys and starts again from its records.
func TestECDSAGroup(t *testing.T) {
	for _, c := range []struct {
		curve elliptic.Curve
		want  string
		hash  machine.Hash
	}{{elliptic.P256(), "ecdsa-256 sha256", machine.SHA256}, {elliptic.P384(), "ecdsa-384 sha384", machine.SHA384}} {
		key := curveKey(t, c.curve)
		cfg := signedBy(t, testConfig(t), "curve", key)
		s := newShell(t, cfg)
		s.keys = map[string]*ecdsa.PrivateKey{"curve": key}
		s.mustRegister(testPeer(1))
		member := s.memberKey()
		if member.Public.Signature().String() != strings.Fields(c.want)[0] || member.Hash != c.hash {
			t.Fatalf("the offer says %v with hash %d", member.Public, member.Hash)
		}
		s.start(cfg)
		s.out = nil
		_, out, err := s.g.Rekey(s.now, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.do(out)
		m := s.opened(member, 0)
		if m == nil || m.Offer.KEK == nil || m.Offer.KEK.Signature != member.Public.Signature() {
			t.Fatalf("%s: after a restart %+v", c.want, m)
		}
		if got := s.g.Snapshot(s.now).KEKs[0].SignatureAlg; got != c.want {
			t.Errorf("the console says %q", got)
		}
	}
}

// TestFromRSAToECDSA: the message that brings the KEK with the new key is signed with the key that members know.
func TestFromRSAToECDSA(t *testing.T) {
	s := newShell(t, testConfig(t))
	key := curveKey(t, elliptic.P384())
	s.keys = map[string]*ecdsa.PrivateKey{"curve": key}
	s.mustRegister(testPeer(1))
	old := s.memberKey()
	cfg := signedBy(t, testConfig(t), "curve", key)
	s.out = nil
	_, out, err := s.g.Reconfigure(s.now, cfg, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.do(out)
	m := s.opened(old, 0)
	if m == nil || m.Offer.KEK == nil || m.Offer.KEK.Signature != suite.SignatureECDSA384 || m.Signer.Signature() != suite.SignatureRSA {
		t.Fatalf("the announcement is %+v", m)
	}
	next, err := push.KeyFromOffer(m.Offer.KEK)
	if err != nil {
		t.Fatal(err)
	}
	s.run(4 * cfg.withDefaults().ActivationDelay) // the old KEK has ended
	s.out = nil
	if _, out, err = s.g.Rekey(s.now, false, out[:0]); err != nil {
		t.Fatal(err)
	}
	s.do(out)
	if m = s.opened(next, 0); m == nil || m.Signer.Signature() != suite.SignatureECDSA384 || s.notes(gdoi.NoteSignFailed) > 0 {
		t.Fatalf("under the new KEK: %+v, %d failures", m, s.notes(gdoi.NoteSignFailed))
	}
}

// TestTakeOverWithAnotherKind: a key server with an ECDSA key goes on under the KEK of one with an RSA key, and members that
// know both keys read it.
func TestTakeOverWithAnotherKind(t *testing.T) {
	coopOf := func(cfg Config, id coop.ID) Config {
		cfg.Coop = &Cooperation{ID: id, IDs: []coop.ID{1, 2}}
		return cfg
	}
	p := newShell(t, coopOf(testConfig(t), 1))
	p.mustRegister(testPeer(1))
	key := curveKey(t, elliptic.P256())
	cfg := coopOf(signedBy(t, testConfig(t), "curve", key), 2)
	p.do(p.g.Trust(p.now, 2, cfg.SignPublic, nil))
	member := p.memberKey()
	mine, err := suite.ParseSignatureKey(cfg.SignPublic)
	if err != nil {
		t.Fatal(err)
	}
	if o := p.g.offer(p.now); len(o.Trusted) != 1 || string(o.Trusted[0]) != string(cfg.SignPublic) {
		t.Fatalf("members are told to trust %x", o.Trusted)
	}
	member.Trusted = []*suite.SignatureKey{mine}
	q := &shell{t: t, now: p.now, disk: p.disk, lives: 8, keys: map[string]*ecdsa.PrivateKey{"curve": key}}
	q.start(cfg)
	q.out = nil
	_, out, err := q.g.Rekey(q.now, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.do(out)
	q.run(time.Minute)
	if m := q.opened(member, 0); m == nil || !m.Signer.Equal(mine) {
		t.Fatalf("%+v; %d failures", m, q.notes(gdoi.NoteSignFailed))
	}
}

func TestImpossibleSignatures(t *testing.T) {
	key := curveKey(t, elliptic.P256())
	wide, other := curveKey(t, elliptic.P384()), curveKey(t, elliptic.P521())
	for _, c := range []struct {
		name string
		edit func(*Config)
		want string
	}{
		{"another hash", func(c *Config) { *c = signedBy(t, *c, "k", key); c.SignHash = machine.SHA512 }, "signs sha256 alone, not sha512"},
		{"the hash of the other curve", func(c *Config) { *c = signedBy(t, *c, "k", wide); c.SignHash = machine.SHA256 }, "signs sha384 alone"},
		{"the bare form", func(c *Config) { *c = signedBy(t, *c, "k", key); c.SignForm = machine.SignRSABare }, "leave the form out"},
		{"an RSA key in the form of ECDSA", func(c *Config) { c.SignForm = machine.SignECDSAConcat }, "rsa-2048 does not sign in form 3"},
		{"P-521", func(c *Config) { *c = signedBy(t, *c, "k", other) }, "use P-256 or P-384"},
		{"no hash", func(c *Config) { c.SignHash = 77 }, "unknown hash 77"},
	} {
		cfg := testConfig(t)
		c.edit(&cfg)
		if err := cfg.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// Two key servers that sign with different algorithms are told so; two that sign with different keys of one are not.
	text := func(k crypto.Signer) string {
		g, err := New(machine.NewEnv(rand.Reader), signedBy(t, testConfig(t), "k", k), machine.Locals{First: local})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(g.PolicyText(), "\n")
	}
	all := []string{text(rsaKey(t)), text(key), text(wide)}
	if len(slices.Compact(slices.Clone(all))) != 3 || !strings.Contains(all[1], "signature ecdsa-256") || text(curveKey(t, elliptic.P256())) != all[1] {
		t.Errorf("digests are of %q", all)
	}
	if !strings.Contains(all[0], "signature hash sha256 form 1") {
		t.Errorf("key servers of older versions would see another policy: %q", all[0])
	}
}
