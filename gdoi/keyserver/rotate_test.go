package keyserver

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// rotating is a key server whose custody has the keys one, one.2 and one.3; it signs with one.
type rotating struct {
	*shell
	cfg    Config
	broken error // what the custody says to all calls
}

func newRotating(t *testing.T, change func(*Config)) *rotating {
	t.Helper()
	r := &rotating{}
	keys := map[string]*ecdsa.PrivateKey{}
	for _, name := range []string{"one", "one.2", "one.3"} {
		keys[name] = curveKey(t, elliptic.P256())
	}
	r.cfg = signedBy(t, testConfig(t), "one", keys["one"])
	r.cfg.SignBase = "one"
	if change != nil {
		change(&r.cfg)
	}
	r.shell = newShell(t, r.cfg)
	r.custodyOf(keys)
	return r
}

// custodyOf has the custody keep keys, and destroy them when it is asked.
func (r *rotating) custodyOf(keys map[string]*ecdsa.PrivateKey) {
	r.keys = keys
	r.custody = func(c machine.KeyCall) error {
		switch {
		case c.Op != machine.KeyDestroy:
			r.t.Errorf("the custody is asked for %d", c.Op)
		case r.broken != nil:
			return r.broken
		case r.keys[c.Key] == nil:
			return machine.ErrNoKey
		}
		delete(r.keys, c.Key)
		return nil
	}
}

// der is the public half of a key that the custody had.
func der(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	return signedBy(t, Config{}, "", key).SignPublic
}

func (r *rotating) rotate(t *testing.T, name string) string {
	t.Helper()
	text, out, err := r.g.Rotate(r.now, name, der(t, r.keys[name]), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.do(out)
	return text
}

// restart starts the key server from what is on the disk now, as a shell does: with the key that signs by the records.
func (r *rotating) restart(t *testing.T, all map[string]*ecdsa.PrivateKey) {
	t.Helper()
	cfg := r.cfg
	name := SignerOf(slices.Collect(maps.Values(r.disk)), cfg.Name, "one")
	cfg.SignKey, cfg.SignPublic = name, der(t, all[name])
	r.now.Mono += 777 // another process, another clock
	r.start(cfg)
}

// reader follows the group as a member does: it knows KEKs, and whose signatures to trust under each.
type reader struct {
	t       *testing.T
	keks    map[gdoi.KEKSPI]*push.Key
	seqs    map[gdoi.KEKSPI]uint32
	sigs    []*suite.SignatureKey // of messages, oldest first
	trusted int                   // keys that were named last; -1: none were
	trust   []*suite.SignatureKey // as member.Group has them
	at      int
}

// believe takes the keys of others from an offer; signer is nil for that of a registration.
func (m *reader) believe(o *pull.Offer, signer *suite.SignatureKey) {
	m.t.Helper()
	var named []*suite.SignatureKey
	ders := o.Trusted
	if o.KEK != nil {
		ders = append(slices.Clone(ders), o.KEK.SigKeyDER)
	}
	for _, d := range ders {
		k, err := suite.ParseSignatureKey(d)
		if err != nil {
			m.t.Fatal(err)
		}
		named = append(named, k)
	}
	if o.Trusted != nil {
		m.trusted = len(o.Trusted)
	}
	if signer != nil {
		if named = append(named, signer); o.Trusted == nil {
			named = append(slices.Clone(m.trust), named...)
		}
	}
	m.trust = named
	for _, k := range m.keks {
		k.Trusted = m.trust
	}
}

// read takes all that was sent since. It fails when a message is for a KEK that it knows, and does not verify.
func (m *reader) read(s *shell) {
	m.t.Helper()
	for _, e := range s.sends(m.at) {
		var spi gdoi.KEKSPI
		copy(spi[:], e.Bytes) // the cookies
		k := m.keks[spi]
		if k == nil {
			m.t.Fatalf("a message under a KEK that nobody was told: %v", spi)
		}
		msg, err := push.Open(k, m.seqs[spi], e.Bytes)
		if errors.Is(err, push.ErrReplay) {
			continue // it is repeated
		}
		if err != nil {
			m.t.Fatalf("a member cannot read a message under %v: %v", spi, err)
		}
		m.seqs[spi], m.sigs = msg.Seq, append(m.sigs, msg.Signer)
		if msg.Offer == nil {
			continue
		}
		if o := msg.Offer.KEK; o != nil && m.keks[o.SPI] == nil {
			next, err := push.KeyFromOffer(o)
			if err != nil {
				m.t.Fatal(err)
			}
			m.keks[o.SPI] = next
		}
		m.believe(msg.Offer, msg.Signer)
	}
	m.at = len(s.out)
}

func newReader(t *testing.T, s *shell) *reader {
	t.Helper()
	k := s.memberKey()
	m := &reader{t: t, keks: map[gdoi.KEKSPI]*push.Key{k.SPI: k}, seqs: map[gdoi.KEKSPI]uint32{}, at: len(s.out), trusted: -1}
	m.believe(s.g.offer(s.now), nil)
	return m
}

func (m *reader) last(want []byte) bool {
	k, err := suite.ParseSignatureKey(want)
	return err == nil && len(m.sigs) > 0 && m.sigs[len(m.sigs)-1].Equal(k)
}

// TestRotate: a member reads on, first by the old key and then by the new one, and the old one is destroyed when its KEK ends.
func TestRotate(t *testing.T) {
	r := newRotating(t, nil)
	one, two := der(t, r.keys["one"]), der(t, r.keys["one.2"])
	r.mustRegister(testPeer(1))
	m := newReader(t, r.shell)
	if text := r.rotate(t, "one.2"); !strings.Contains(text, "one.2 signs from now on") || !strings.Contains(text, "in 2m0s") {
		t.Errorf("the operator is told %q", text)
	}
	if m.read(r.shell); !m.last(one) || len(m.keks) != 2 {
		t.Fatalf("the new KEK is not announced by the old key: %d KEKs", len(m.keks))
	}
	if _, _, err := r.g.Rotate(r.now, "one.3", der(t, r.keys["one.3"]), nil); err == nil || !strings.Contains(err.Error(), "one is not destroyed yet") {
		t.Errorf("a rotation in a rotation: %v", err)
	}
	if s := r.g.Snapshot(r.now).Signer; s.Key != "one.2" || !slices.Equal(s.Retiring, []string{"one"}) {
		t.Errorf("the console sees %+v", s)
	}
	if got := SignerOf(slices.Collect(maps.Values(r.disk)), r.cfg.Name, "one"); got != "one.2" {
		t.Errorf("a restart would sign with %s", got)
	}
	r.run(119 * time.Second)
	if r.keys["one"] == nil {
		t.Fatal("the old key is destroyed while its KEK is alive")
	}
	r.broken = errors.New("the token is gone")
	r.run(3 * time.Second)
	if m.read(r.shell); !m.last(two) || m.trusted != 0 {
		t.Errorf("members are not told to forget the old key: %d keys beside the signer's", m.trusted)
	}
	if r.keys["one"] == nil || len(r.g.Snapshot(r.now).Signer.Retiring) != 1 {
		t.Fatal("the old key is forgotten without being destroyed")
	}
	r.broken = nil
	r.run(time.Minute)
	if r.keys["one"] != nil || len(r.g.Snapshot(r.now).Signer.Retiring) != 0 || r.notes(gdoi.NoteSignKeyGone) != 1 {
		t.Fatalf("the old key is not destroyed: %+v", r.g.Snapshot(r.now).Signer)
	}
	if bytes.Contains(r.disk[r.cfg.Name].Value, []byte("Retiring")) {
		t.Errorf("the record is %s", r.disk[r.cfg.Name].Value)
	}
	r.run(time.Hour) // a scheduled rekey
	m.read(r.shell)
	r.rotate(t, "one.3")
	r.run(3 * time.Minute)
	if m.read(r.shell); len(r.keys) != 1 || r.keys["one.3"] == nil {
		t.Errorf("after another rotation the custody has %v", slices.Collect(maps.Keys(r.keys)))
	}
}

// TestRotateSurvivesRestarts starts the key server anew at each moment of a rotation, from what is durable then. Members read on,
// and in the end there is one key.
func TestRotateSurvivesRestarts(t *testing.T) {
	for cut := -1 * time.Second; cut < 130*time.Second; cut += 7 * time.Second {
		r := newRotating(t, nil)
		all := maps.Clone(r.keys)
		r.mustRegister(testPeer(1))
		m := newReader(t, r.shell)
		if cut < 0 { // before anything is written
			if _, _, err := r.g.Rotate(r.now, "one.2", der(t, all["one.2"]), nil); err != nil {
				t.Fatal(err)
			}
			r.restart(t, all)
			if s := r.g.Snapshot(r.now).Signer; s.Key != "one" || s.Retiring != nil {
				t.Fatalf("what was not written is known after a restart: %+v", s)
			}
		} else {
			r.rotate(t, "one.2")
			r.run(cut)
			m.read(r.shell)
			r.restart(t, all)
		}
		m.read(r.shell)
		if cut < 0 {
			r.rotate(t, "one.2") // the key that is there already
		}
		r.run(3 * time.Minute)
		m.read(r.shell)
		if r.keys["one"] != nil || r.keys["one.2"] == nil || len(r.g.Snapshot(r.now).Signer.Retiring) != 0 {
			t.Fatalf("restarted after %v: the custody has %v, and the group %+v", cut, slices.Collect(maps.Keys(r.keys)), r.g.Snapshot(r.now).Signer)
		}
		if !m.last(der(t, all["one.2"])) {
			t.Errorf("restarted after %v: the last message is not signed by the new key", cut)
		}
		if n := r.notes(gdoi.NoteSignFailed); n != 0 {
			t.Errorf("restarted after %v: %d messages were not signed", cut, n)
		}
	}
}

// TestRotateCrashesBesideTheCustody: the key is destroyed, and the process ends before it writes that.
func TestRotateCrashesBesideTheCustody(t *testing.T) {
	r := newRotating(t, nil)
	all := maps.Clone(r.keys)
	r.rotate(t, "one.2")
	answer := r.custody
	r.custody = nil // it acts, and nobody hears of it
	r.run(125 * time.Second)
	asked := 0
	for _, e := range r.out {
		if c, ok := e.(machine.KeyCall); ok && c.Key == "one" {
			asked++
		}
	}
	if asked == 0 {
		t.Fatal("the old key is not to be destroyed")
	}
	delete(r.keys, "one")
	r.restart(t, all)
	if len(r.g.Snapshot(r.now).Signer.Retiring) != 1 {
		t.Fatal("the record does not name the key")
	}
	r.custody = answer
	r.run(time.Minute)
	if s := r.g.Snapshot(r.now).Signer; len(s.Retiring) != 0 || s.Key != "one.2" {
		t.Errorf("that the key is gone already is not taken for an answer: %+v", s)
	}
}

// TestRotateWaitsForTheStore: what the disk says must not name a key that is destroyed.
func TestRotateWaitsForTheStore(t *testing.T) {
	r := newRotating(t, nil)
	r.rotate(t, "one.2")
	r.g.durable.failing = true
	r.run(10 * time.Minute)
	if r.keys["one"] == nil {
		t.Fatal("the old key is destroyed, and the records may still name it")
	}
	r.g.durable.failing = false
	if r.run(10 * time.Second); r.keys["one"] != nil {
		t.Error("the old key is not destroyed when the store is well again")
	}
}

func TestRotateLeavesSharedKeys(t *testing.T) {
	r := newRotating(t, func(c *Config) { c.SignKeyInUse = func(key string) bool { return key == "one" } })
	r.rotate(t, "one.2")
	r.run(3 * time.Minute)
	if r.keys["one"] == nil || len(r.g.Snapshot(r.now).Signer.Retiring) != 0 {
		t.Errorf("the key that another group signs with: there %t, %+v", r.keys["one"] != nil, r.g.Snapshot(r.now).Signer)
	}
}

func TestRotateRefuses(t *testing.T) {
	r := newRotating(t, nil)
	for name, c := range map[string]struct {
		key string
		der []byte
	}{
		"signs with the key one already": {"one", der(t, r.keys["one"])},
		"group blue: signature key x":    {"x", []byte("junk")},
		"does not sign":                  {"rsa", testConfig(t).SignPublic},
	} {
		_, out, err := r.g.Rotate(r.now, c.key, c.der, nil)
		if err == nil || !strings.Contains(err.Error(), name) && name != "does not sign" || len(out) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r.g.cfg.SignKey != "one" || r.notes(gdoi.NoteSignKeyRotated) != 0 {
		t.Error("a refused rotation has changed something")
	}
}

// rotatingPair is a primary and a secondary with keys of their own, and a member that has heard of both.
func rotatingPair(t *testing.T) (p, q *server, keys map[string]*ecdsa.PrivateKey, m *reader) {
	t.Helper()
	keys = map[string]*ecdsa.PrivateKey{}
	for _, name := range []string{"p", "p.2", "q", "q.2"} {
		keys[name] = curveKey(t, elliptic.P256())
	}
	all := newServers(t, 0, func(c *Config) {
		name := map[coop.ID]string{1: "p", 2: "q", 3: "q"}[c.Coop.ID]
		*c = signedBy(t, *c, name, keys[name])
		c.SignBase = name
	})
	p, q = all[0], all[1]
	q.g.SetInStep(q.now, 2)
	for _, s := range all {
		(&rotating{shell: s.shell}).custodyOf(maps.Clone(keys))
	}
	p.do(p.g.Trust(p.now, 2, q.g.AnnouncedKey(), nil))
	p.mustRegister(testPeer(1))
	q.follow(p)
	m = newReader(t, p.shell)
	return p, q, keys, m
}

// both lets time pass, and the secondary follow.
func both(p, q *server, m *reader, d time.Duration) {
	for ; d > 0; d -= time.Second {
		p.run(time.Second)
		q.run(time.Second)
		q.follow(p)
		m.read(p.shell)
	}
}

// takeOver has the secondary rekey as primary, and the member read that.
func takeOver(q *server, m *reader, term uint64) {
	m.t.Helper()
	m.at = len(q.out)
	q.g.SetInStep(q.now, 2)
	q.do(q.g.TakeOver(q.now, term, nil))
	before := len(m.sigs)
	if _, out, err := q.g.Rekey(q.now, false, nil); err != nil {
		m.t.Fatal(err)
	} else {
		q.do(out)
	}
	if m.read(q.shell); len(m.sigs) == before {
		m.t.Fatal("the new primary has sent nothing that the member could read")
	}
}

// TestRotateOnSecondary: whenever the secondary takes over, the member trusts what it signs with; and in the end it signs with
// the new key, and the old one is destroyed and trusted no more.
func TestRotateOnSecondary(t *testing.T) {
	for cut := time.Duration(0); cut <= 300*time.Second; cut += 20 * time.Second {
		p, q, keys, m := rotatingPair(t)
		text, out, err := q.g.Rotate(q.now, "q.2", der(t, keys["q.2"]), nil)
		if err != nil || !strings.Contains(text, "when the members trust it") {
			t.Fatalf("%q, %v", text, err)
		}
		q.do(out)
		if cut > 0 {
			p.do(p.g.Trust(p.now, 2, q.g.AnnouncedKey(), nil))
			if m.read(p.shell); m.trusted != 2 {
				t.Fatalf("the member is told to trust %d keys of the secondary", m.trusted)
			}
			both(p, q, m, cut-time.Second)
		}
		switch s := q.g.Snapshot(q.now).Signer; {
		case cut <= 120*time.Second && (s.Key != "q" || s.Next != "q.2"):
			t.Fatalf("after %v the secondary signs: %+v", cut, s)
		case cut >= 140*time.Second && (s.Key != "q.2" || s.Next != "" || len(s.Retiring) != 0 || q.keys["q"] != nil):
			t.Fatalf("after %v the secondary signs: %+v, and has %v", cut, s, slices.Collect(maps.Keys(q.keys)))
		}
		if cut >= 260*time.Second && m.trusted != 1 {
			t.Errorf("after %v the member trusts %d keys of the secondary", cut, m.trusted)
		}
		takeOver(q, m, 2)
		q.run(5 * time.Minute)
		m.read(q.shell)
		if s := q.g.Snapshot(q.now).Signer; s.Key != "q.2" || len(s.Retiring) != 0 || q.keys["q"] != nil || !m.last(der(t, keys["q.2"])) {
			t.Errorf("%v, and 5 minutes as primary: %+v", cut, s)
		}
	}
}

// TestRotateOnPrimaryThenFailover: the secondary goes on under KEKs of both keys of the primary.
func TestRotateOnPrimaryThenFailover(t *testing.T) {
	for cut := time.Second; cut <= 140*time.Second; cut += 23 * time.Second {
		p, q, keys, m := rotatingPair(t)
		_, out, err := p.g.Rotate(p.now, "p.2", der(t, keys["p.2"]), nil)
		if err != nil {
			t.Fatal(err)
		}
		p.do(out)
		both(p, q, m, cut)
		takeOver(q, m, 2)
		q.run(5 * time.Minute)
		m.read(q.shell)
		if got := q.g.replica.trust[1]; !bytes.Equal(got, der(t, keys["p.2"])) {
			t.Errorf("after %v the secondary does not know the new key of the primary", cut)
		}
	}
}

// TestRotateOnSecondarySurvivesRestart: what is to be is durable too.
func TestRotateOnSecondarySurvivesRestart(t *testing.T) {
	p, q, keys, m := rotatingPair(t)
	_, out, err := q.g.Rotate(q.now, "q.2", der(t, keys["q.2"]), nil)
	if err != nil {
		t.Fatal(err)
	}
	q.do(out)
	p.do(p.g.Trust(p.now, 2, q.g.AnnouncedKey(), nil))
	both(p, q, m, 30*time.Second)
	cfg := signedBy(t, shared(t, 2), "q", keys["q"])
	cfg.SignBase = "q"
	if name := SignerOf(slices.Collect(maps.Values(q.disk)), cfg.Name, "q"); name != "q" {
		t.Fatalf("a restart would sign with %s", name)
	}
	q.start(cfg)
	q.g.SetInStep(q.now, 2)
	q.has = 0
	if !bytes.Equal(q.g.AnnouncedKey(), der(t, keys["q.2"])) {
		t.Fatal("the other key servers are told the old key after a restart")
	}
	q.follow(p)
	both(p, q, m, 140*time.Second)
	if s := q.g.Snapshot(q.now).Signer; s.Key != "q.2" || len(s.Retiring) != 0 {
		t.Errorf("after a restart in between: %+v", s)
	}
}

// TestRotateAndAThirdTakesOver: who becomes primary in between has members trust both keys of the secondary, for a while.
func TestRotateAndAThirdTakesOver(t *testing.T) {
	all := newServers(t, 0, nil)
	p, third := all[0], all[2]
	old, next := der(t, curveKey(t, elliptic.P256())), der(t, curveKey(t, elliptic.P256()))
	p.do(p.g.Trust(p.now, 2, old, nil))
	p.do(p.g.Trust(p.now, 2, next, nil))
	third.follow(p)
	third.start(shared(t, 3)) // from what it has written
	third.g.SetInStep(third.now, 2)
	third.do(third.g.TakeOver(third.now, 2, nil))
	if got := third.g.offer(third.now).Trusted; len(got) != 2 || !bytes.Equal(got[0], next) || !bytes.Equal(got[1], old) {
		t.Fatalf("members are told to trust %d keys beside that of the signer", len(got))
	}
	if third.run(9 * 30 * time.Second); len(third.g.offer(third.now).Trusted) != 1 {
		t.Error("the old key is trusted for ever")
	}
}

// TestRotateCutShort: the primary has written a rotation, and ends before its PUSH has left. Elected again, it says so with the
// old key, which is all that members trust, and keeps that until its KEK has ended.
func TestRotateCutShort(t *testing.T) {
	p, _, keys, m := rotatingPair(t)
	p.mute = true
	_, out, err := p.g.Rotate(p.now, "p.2", der(t, keys["p.2"]), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.do(out)
	cfg := signedBy(t, shared(t, 1), SignerOf(slices.Collect(maps.Values(p.disk)), "blue", "p"), keys["p.2"])
	if cfg.SignBase = "p"; cfg.SignKey != "p.2" {
		t.Fatalf("a restart would sign with %s", cfg.SignKey)
	}
	p.mute, m.at = false, len(p.out)
	p.start(cfg)
	p.g.SetInStep(p.now, 2)
	p.do(p.g.TakeOver(p.now, 2, nil))
	p.run(10 * time.Second)
	if m.read(p.shell); len(m.keks) != 2 || !bytes.Equal(p.g.keks[0].sign.der, der(t, keys["p"])) {
		t.Fatalf("the new KEK is not announced by the old key: %d KEKs", len(m.keks))
	}
	if p.keys["p"] == nil {
		t.Fatal("the old key is destroyed while its KEK is alive")
	}
	p.run(3 * time.Minute)
	if m.read(p.shell); !m.last(der(t, keys["p.2"])) || p.keys["p"] != nil {
		t.Error("in the end the old key still signs, or is not destroyed")
	}
}

// TestRotateInASplit: members of the other side trust the old key alone. It is there until they can be told, and tells them.
func TestRotateInASplit(t *testing.T) {
	p, q, keys, _ := rotatingPair(t)
	p.g.SetInStep(p.now, 1)
	q.g.SetInStep(q.now, 1)
	q.do(q.g.TakeOver(q.now, 2, nil))
	theirs := newReader(t, q.shell)
	q.shell.rekeyNow(true)
	_, out, err := p.g.Rotate(p.now, "p.2", der(t, keys["p.2"]), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.do(out)
	p.run(10 * time.Minute)
	q.run(10 * time.Minute)
	theirs.read(q.shell)
	if p.keys["p"] == nil {
		t.Fatal("the old key is destroyed, and others trust no other one of this key server")
	}
	if err := p.g.Rotatable(); err == nil || !strings.Contains(err.Error(), "out of reach") {
		t.Errorf("another rotation: %v", err)
	}
	theirs.at = len(p.out)
	mine := newReader(t, p.shell)
	if news, err := p.merge(q, nil); !news || err != nil {
		t.Fatalf("%v, %v", news, err)
	}
	p.g.SetInStep(p.now, 2)
	heard := len(theirs.sigs)
	for _, e := range p.sends(mine.at) {
		var spi gdoi.KEKSPI
		copy(spi[:], e.Bytes)
		if k := theirs.keks[spi]; k != nil {
			msg, err := push.Open(k, theirs.seqs[spi], e.Bytes)
			if err != nil {
				t.Fatalf("a member of the other side cannot read what it is told: %v", err)
			}
			theirs.sigs = append(theirs.sigs, msg.Signer)
		}
	}
	if len(theirs.sigs) == heard || !theirs.last(der(t, keys["p"])) {
		t.Error("members of the other side are not told by the key that they trust")
	}
	if p.run(3 * time.Minute); p.keys["p"] != nil {
		t.Error("all are one again, and the old key is not destroyed")
	}
}

// TestReloadAfterRotation: a configuration that was read before a rotation, and comes into force after it, brings no old key back.
func TestReloadAfterRotation(t *testing.T) {
	r := newRotating(t, nil)
	all := maps.Clone(r.keys)
	reload := func(cfg Config) {
		t.Helper()
		cfg.TEKLifetime = r.g.cfg.TEKLifetime * 2
		_, out, err := r.g.Reconfigure(r.now, cfg, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.do(out)
	}
	before := r.cfg
	r.rotate(t, "one.2")
	r.run(3 * time.Minute)
	if r.keys["one"] != nil {
		t.Fatal("the old key is there")
	}
	if reload(before); r.g.cfg.SignKey != "one.2" || !bytes.Equal(r.g.cfg.SignPublic, der(t, all["one.2"])) || r.notes(gdoi.NoteKEKCreated) != 2 {
		t.Errorf("after a reload %s signs, and there were %d KEKs", r.g.cfg.SignKey, r.notes(gdoi.NoteKEKCreated))
	}
	// Another key that the operator names is another key.
	other := signedBy(t, before, "three", curveKey(t, elliptic.P256()))
	other.SignBase = "three"
	if reload(other); r.g.cfg.SignKey != "three" {
		t.Errorf("the operator has named another key, and %s signs", r.g.cfg.SignKey)
	}
}

// TestRotateWaitsForThePush: the primary knows the new key of the secondary, but cannot sign what tells members of it. Until it
// does, the secondary goes on with the old key, which members trust, and keeps it.
func TestRotateWaitsForThePush(t *testing.T) {
	for _, takes := range []bool{false, true} {
		p, q, keys, m := rotatingPair(t)
		p.mute = true
		_, out, err := q.g.Rotate(q.now, "q.2", der(t, keys["q.2"]), nil)
		if err != nil {
			t.Fatal(err)
		}
		q.do(out)
		p.do(p.g.Trust(p.now, 2, q.g.AnnouncedKey(), nil))
		both(p, q, m, 10*time.Minute)
		if s := q.g.Snapshot(q.now).Signer; s.Key != "q" || s.Next != "q.2" || q.keys["q"] == nil {
			t.Fatalf("members have not been told, and the secondary signs: %+v", s)
		}
		if takes {
			takeOver(q, m, 2)
			q.run(5 * time.Minute)
			if m.read(q.shell); !m.last(der(t, keys["q.2"])) {
				t.Error("as primary it does not go over to the new key")
			}
			continue
		}
		p.mute = false
		both(p, q, m, 15*time.Second)
		if m.trusted != 2 {
			t.Errorf("members are told to trust %d keys of the secondary; want both", m.trusted)
		}
		both(p, q, m, 90*time.Second)
		if s := q.g.Snapshot(q.now).Signer; s.Key != "q" {
			t.Errorf("members were told just now, and the secondary signs: %+v", s)
		}
		both(p, q, m, 40*time.Second)
		if s := q.g.Snapshot(q.now).Signer; s.Key != "q.2" || q.keys["q"] != nil {
			t.Errorf("in the end the secondary signs: %+v", s)
		}
	}
}

// TestRotateUntoldIsTold: the primary ends before it has told members of a key; whoever takes over does.
func TestRotateUntoldIsTold(t *testing.T) {
	all := newServers(t, 0, nil)
	p, third := all[0], all[2]
	p.mustRegister(testPeer(1))
	third.follow(p)
	m := newReader(t, p.shell)
	p.mute = true
	p.do(p.g.Trust(p.now, 2, der(t, curveKey(t, elliptic.P256())), nil))
	third.follow(p)
	third.start(shared(t, 3)) // from what it has written
	m.at = len(third.out)
	third.g.SetInStep(third.now, 2)
	third.do(third.g.TakeOver(third.now, 2, nil))
	if third.run(5 * time.Second); len(third.g.replica.untold) > 0 {
		t.Error("members are told, and the records say that they are not")
	}
	if m.read(third.shell); m.trusted != 1 {
		t.Errorf("the member is told to trust %d keys; want that of key server 2", m.trusted)
	}
}
