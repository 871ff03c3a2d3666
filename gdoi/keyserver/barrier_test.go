package keyserver

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestRekeyWaitsForCopies: a PUSH leaves when the others have what it depends on, or after A/2 with a word to the operator;
// what waits is repeated and acknowledged like any.
func TestRekeyWaitsForCopies(t *testing.T) {
	all := newServers(t, 0, nil)
	p := all[0]
	if _, err := p.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	p.held = true
	before := p.g.Head()
	from := len(p.out)
	p.rekey(true)
	if len(p.sends(from)) != 0 {
		t.Fatal("a rekey leaves before anybody else has the keys")
	}
	p.do(p.g.Replicated(p.now, before, nil))
	if len(p.sends(from)) != 0 {
		t.Fatal("a rekey leaves before anybody else has these keys")
	}
	p.do(p.g.Replicated(p.now, p.g.Head(), nil))
	if n := len(p.sends(from)); n != 1 {
		t.Fatalf("%d datagrams after the confirmation; want 1", n)
	}
	p.run(30 * time.Second)
	if n := len(p.sends(from)); n < 2 {
		t.Error("it is not repeated")
	}
	p.run(time.Hour / 2)
	from = len(p.out)
	p.rekey(false)
	p.run(14 * time.Second)
	if len(p.sends(from)) != 0 || p.notes(gdoi.NoteCoopUnprotected) != 0 {
		t.Fatal("it does not wait for A/2")
	}
	p.run(2 * time.Second)
	if len(p.sends(from)) == 0 || p.notes(gdoi.NoteCoopUnprotected) == 0 {
		t.Error("it waits for ever")
	}
}

func (s *shell) rekey(kek bool) {
	s.t.Helper()
	_, out, err := s.g.Rekey(s.now, kek, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.do(out)
}

// TestNothingAfterStandingDown: what is on its way ends, and nothing new begins.
func TestNothingAfterStandingDown(t *testing.T) {
	all := newServers(t, 0, nil)
	p := all[0]
	for i := range byte(3) {
		if _, err := p.register(testPeer(i+1), 1); err != nil {
			t.Fatal(err)
		}
	}
	p.rekey(true)
	p.do(p.g.StandDown(p.now, nil))
	from := len(p.out)
	p.run(25 * time.Hour)
	if n := len(p.sends(from)); n != 0 || p.g.Active() || len(p.g.keks)+len(p.g.teks) != 0 {
		t.Errorf("%d datagrams; %d keys", n, len(p.g.keks)+len(p.g.teks))
	}
	p.do(p.g.TakeOver(p.now, 2, nil))
	if len(p.g.keks) != 1 || len(p.g.teks) != 1 {
		t.Errorf("%d KEKs and %d TEKs when it takes over again", len(p.g.keks), len(p.g.teks))
	}
}

// TestTakeOverInARemoval: a primary that dies between the two messages of a removal leaves what the next one finishes.
func TestTakeOverInARemoval(t *testing.T) {
	all := newServers(t, time.Minute, nil)
	p, s := all[0], all[1]
	for i := range byte(5) {
		if _, err := p.register(testPeer(i+1), 1); err != nil {
			t.Fatal(err)
		}
	}
	s.follow(p)
	p.held = true
	p.remove("10.1.0.2")
	s.follow(p)
	same(t, p, s)
	kek := s.g.keks[len(s.g.keks)-1]
	from := len(s.out)
	s.do(s.g.TakeOver(s.now, 2, nil))
	s.run(5 * time.Second)
	if n := len(s.sends(from)); n < 8 || s.g.keks[len(s.g.keks)-1].spi != kek.spi {
		t.Errorf("%d datagrams to four members", n)
	}
	if _, err := s.register(testPeer(2), 1); err == nil {
		t.Error("who was removed may register at the new primary")
	}
	if s.g.tree.Len() != 4 {
		t.Errorf("%d places in the key tree", s.g.tree.Len())
	}
}

// TestMembersAreToldLate: who was given the old keys by a secondary while the primary made new ones hears of them.
func TestMembersAreToldLate(t *testing.T) {
	all := newServers(t, 0, nil)
	p, s := all[0], all[1]
	if _, err := p.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	s.follow(p)
	s.report(p)
	p.rekey(false)
	if _, err := s.register(testPeer(2), 1); err != nil {
		t.Fatal(err)
	}
	from := len(p.out)
	s.report(p)
	sent := p.sends(from)
	if len(sent) != 1 || sent[0].Remote != testPeer(2).Addr {
		t.Errorf("sent %v", sent)
	}
	s.follow(p)
	if _, err := s.register(testPeer(3), 1); err != nil {
		t.Fatal(err)
	}
	from = len(p.out)
	s.report(p)
	if len(p.sends(from)) != 0 {
		t.Error("a member that has the new keys is told again")
	}
	for i, m := range p.g.Snapshot(p.now).Members {
		if want := []byte{1, 2, 2}[i]; byte(m.KeyServer) != want {
			t.Errorf("%s registered at %d", m.Identity, m.KeyServer)
		}
	}
}

// TestRemovedMemberAtASecondary: a secondary that did not know better has let in somebody who was removed.
func TestRemovedMemberAtASecondary(t *testing.T) {
	all := newServers(t, 0, nil)
	p, s := all[0], all[1]
	for i := range byte(3) {
		if _, err := p.register(testPeer(i+1), 1); err != nil {
			t.Fatal(err)
		}
	}
	s.follow(p)
	s.report(p)
	p.remove("10.1.0.2")
	runAll(all, time.Minute)
	tek := p.g.newest(p.g.chains[0]).spi
	if _, err := s.register(testPeer(2), 1); err != nil {
		t.Fatal(err)
	}
	s.report(p)
	runAll(all, time.Minute)
	if p.g.newest(p.g.chains[0]).spi == tek || p.g.members.len() != 2 {
		t.Errorf("it was not removed again: %d members", p.g.members.len())
	}
	s.follow(p)
	same(t, p, s)
}

// TestTrustedKeys: members hear of the keys of other key servers at once, and whoever takes over signs with its own.
func TestTrustedKeys(t *testing.T) {
	all := newServers(t, 0, nil)
	p, s := all[0], all[1]
	if _, err := p.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	other := otherKey(t)
	from := len(p.out)
	p.do(p.g.Trust(p.now, 3, other, nil))
	if len(p.sends(from)) != 1 {
		t.Error("members are not told of another signer")
	}
	p.do(p.g.Trust(p.now, 3, other, nil))
	p.do(p.g.Trust(p.now, 2, p.g.cfg.SignPublic, nil))
	p.do(p.g.Trust(p.now, 9, other, nil))
	p.do(p.g.Trust(p.now, 4, []byte("junk"), nil))
	if len(p.sends(from)) != 1 {
		t.Error("members are told of what they know")
	}
	s.follow(p)
	for _, g := range []*Group{p.g, s.g} {
		if o := g.offer(p.now); len(o.Trusted) != 1 || !bytes.Equal(o.Trusted[0], other) {
			t.Errorf("%d trusted keys in an offer", len(o.Trusted))
		}
	}
	cfg := shared(t, 3)
	cfg.SignKey, cfg.SignPublic = "own", other
	third := all[2]
	third.disk = map[string]machine.Record{}
	third.shell.start(cfg)
	third.follow(p)
	third.mute = true
	third.do(third.g.TakeOver(third.now, 2, nil))
	if k := third.g.keks[0]; k.sign.key != "own" || !bytes.Equal(k.sign.der, other) {
		t.Errorf("it signs with %q", k.sign.key)
	}
	if o := third.g.offer(third.now); len(o.Trusted) != 1 || !bytes.Equal(o.Trusted[0], p.g.cfg.SignPublic) {
		t.Errorf("%d trusted keys in an offer of the new primary", len(o.Trusted))
	}
}

func otherKey(t *testing.T) []byte {
	pub := rsa.PublicKey{N: new(big.Int).Add(rsaKey(t).N, big.NewInt(2)), E: 65537}
	der, err := x509.MarshalPKIXPublicKey(&pub)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestTimeOfCopies: the pseudotime of a copy is that of the primary, whatever its wall clock says, and goes on with it.
func TestTimeOfCopies(t *testing.T) {
	all := newServers(t, 3*time.Hour, func(c *Config) { c.AntiReplay.Window = time.Minute })
	p, s := all[0], all[1]
	s.follow(p)
	check := func(when string) {
		t.Helper()
		if d := s.g.time.now(s.now.Mono) - p.g.time.now(p.now.Mono); d < -time.Millisecond || d > time.Millisecond || s.g.time.series != p.g.time.series {
			t.Errorf("%s: the times are %v apart, series %d and %d", when, d, p.g.time.series, s.g.time.series)
		}
	}
	check("at first")
	runAll(all, 30*time.Minute)
	check("half an hour later")
	s.now.Wall = s.now.Wall.Add(-24 * time.Hour)
	s.do(s.g.TakeOver(s.now, 2, nil))
	check("after taking over with a clock that jumped")
}

// TestAnotherConfigurationOfACopy: nothing is announced; the difference shows in the digest, and takes effect with the
// primary's.
func TestAnotherConfigurationOfACopy(t *testing.T) {
	all := newServers(t, 0, nil)
	p, s := all[0], all[1]
	if _, err := p.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	s.follow(p)
	if p.g.Digest() != s.g.Digest() || !slices.Equal(p.g.PolicyText(), s.g.PolicyText()) {
		t.Fatalf("the digests differ:\n%q\n%q", p.g.PolicyText(), s.g.PolicyText())
	}
	change := func(o *server) {
		cfg := shared(t, o.id)
		cfg.Policy = append(cfg.Policy[:0:0], cfg.Policy...)
		cfg.Policy = append(cfg.Policy, mustList(t, "permit ip 172.16.0.0/12 172.16.0.0/12")...)
		_, out, err := o.g.Reconfigure(o.now, cfg, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		o.do(out)
	}
	from := len(s.out)
	change(s)
	if len(s.sends(from)) != 0 || len(s.g.teks) != 1 || p.g.Digest() == s.g.Digest() {
		t.Error("a copy acts on its own configuration")
	}
	change(p)
	if p.g.Digest() != s.g.Digest() {
		t.Error("the digests still differ")
	}
	s.follow(p)
	same(t, p, s)
	if s.g.teks[0].chain.dropped == s.g.teks[1].chain.dropped || !s.g.told {
		t.Error("the copy does not know which TEK is being dropped")
	}
	runAll(all, 2*time.Hour)
	s.follow(p)
	same(t, p, s)
	kept := p.g.cfg
	kept.Coop = nil
	if _, _, err := p.g.Reconfigure(p.now, kept, false, nil); err == nil {
		t.Error("a group leaves its key servers while it runs")
	}
}

// TestLeaving: a group that is removed from one key server goes on at the others.
func TestLeaving(t *testing.T) {
	all := newServers(t, 0, nil)
	for _, s := range all[:2] {
		if s != all[0] {
			s.follow(all[0])
		}
		from := len(s.out)
		s.do(s.g.Withdraw(s.now, nil))
		if len(s.sends(from)) != 0 || !s.g.Ended() || len(s.disk) != 0 {
			t.Errorf("key server %d: %d datagrams, %d records left", s.id, len(s.sends(from)), len(s.disk))
		}
		s.run(time.Hour)
	}
}

// TestForgottenChanges: who has been away for so long that deletions are forgotten needs everything.
func TestForgottenChanges(t *testing.T) {
	all := newServers(t, 0, nil)
	p := all[0]
	all[1].follow(p)
	for i := range 3 * maxDeletions {
		g := p.g
		key := memberKey(manyPeers(i).key())
		g.written([]machine.Record{{Key: key}, {Key: countersKey}})
	}
	if p.g.Reaches(all[1].has) || !p.g.Reaches(p.g.Head()) || len(p.g.replica.changed) > 2*maxDeletions+100 {
		t.Errorf("%d records are remembered", len(p.g.replica.changed))
	}
	all[1].follow(p)
	same(t, p, all[1])
}

// TestHostileRecords: a broken key server changes nothing by records that are none, and cannot make us crash.
func TestHostileRecords(t *testing.T) {
	all := newServers(t, 0, nil)
	p, s := all[0], all[1]
	for i := range byte(6) {
		if _, err := p.register(testPeer(i+1), 1); err != nil {
			t.Fatal(err)
		}
	}
	p.remove("10.1.0.2")
	p.run(time.Second)
	s.follow(p)
	r := rand.New(rand.NewPCG(1, 2))
	good := p.g.Since(p.now, 0)
	values := []any{nil, 0, -1, 1e30, math.MaxInt64, uint64(math.MaxUint64), "", "x", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", []any{}, map[string]any{}}
	refused := 0
	for range 4000 {
		list := slices.Clone(good)
		at := r.IntN(len(list))
		if list[at].Value == nil {
			continue
		}
		var v map[string]any
		if json.Unmarshal(list[at].Value, &v) == nil && len(v) > 0 && r.IntN(3) > 0 {
			names := make([]string, 0, len(v))
			for name := range v {
				names = append(names, name)
			}
			slices.Sort(names)
			v[names[r.IntN(len(names))]] = values[r.IntN(len(values))]
			list[at].Value = encode(v)
		} else {
			b := bytes.Clone(list[at].Value)
			b[r.IntN(len(b))] ^= byte(1 << r.IntN(8))
			list[at].Value = b
			if r.IntN(4) == 0 {
				list[at].Key = list[r.IntN(len(list))].Key
			}
		}
		before := len(s.g.teks)
		out, _, err := s.g.Apply(s.now, time.Duration(r.Int64()), list, r.IntN(2) == 0, nil)
		if err != nil {
			refused++
			if len(out) != 0 || len(s.g.teks) != before {
				t.Fatal("something changed in spite of an error")
			}
			continue
		}
		s.do(out)
		if r.IntN(20) == 0 {
			s.do(s.g.TakeOver(s.now, uint64(r.IntN(1e9)), nil))
			s.run(time.Duration(r.IntN(100)) * time.Second)
			s.do(s.g.StandDown(s.now, nil))
		}
		_ = s.g.Snapshot(s.now)
		_, _ = s.register(testPeer(3), 1)
		_, _ = s.g.Reports(s.now)
	}
	if refused < 500 {
		t.Errorf("%d broken lists are refused", refused)
	}
	if _, err := p.g.Adopt(p.now, 0, 2, []machine.Record{{Key: tekKey(5000), Value: good[0].Value}}, nil); err == nil {
		t.Error("a secondary reports keys")
	}
	if _, err := p.g.Adopt(p.now, 0, 2, []machine.Record{{Key: sidsKey(3), Value: []byte(`{"Next":0}`)}}, nil); err == nil {
		t.Error("a secondary reports the sender ids of another one")
	}
}

// BenchmarkJoin is the whole state of a group with 1,000 members, from one key server to another.
func BenchmarkJoin(b *testing.B) {
	all := newServers(b, 0, nil)
	p, s := all[0], all[1]
	for i := range 1000 {
		if _, err := p.register(manyPeers(i), 1); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for range b.N {
		if _, _, err := s.g.Apply(s.now, 0, p.g.Since(p.now, 0), true, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChange is one registration at the primary, and its change at a copy of a group with 1,000 members.
func BenchmarkChange(b *testing.B) {
	all := newServers(b, 0, nil)
	p, s := all[0], all[1]
	for i := range 1000 {
		if _, err := p.register(manyPeers(i), 1); err != nil {
			b.Fatal(err)
		}
	}
	s.follow(p)
	b.ResetTimer()
	for i := range b.N {
		p.run(time.Second)
		if _, err := p.register(manyPeers(i%1000), 1); err != nil {
			b.Fatal(err)
		}
		s.follow(p)
	}
}
