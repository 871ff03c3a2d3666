package sim

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// withTokensConfig is three key servers with tokens, and four members whose keys live long.
func withTokensConfig(split coop.Split) Config {
	return Config{
		Seed: 61, Members: 4, Custody: true, Strict: true, Spread: true, DPD: 10 * time.Second, StartSpread: 2 * time.Second, Network: wan,
		Group: keyserver.Config{TEKLifetime: 10 * time.Minute, KEKLifetime: time.Hour, ActivationDelay: 5 * time.Second},
		Coop:  &Coop{KeyServers: 3, Split: split, OwnKeys: true, Timers: coop.Timers{Announce: time.Second, Dead: 3 * time.Second, Query: 500 * time.Millisecond, Retries: 3}},
	}
}

// keks are the SPIs of a key server's KEKs.
func (n *Node) keks() (out []gdoi.KEKSPI) {
	for _, k := range n.KeyServer().Snapshot(n.clock()).Groups[0].KEKs {
		out = append(out, k.SPI)
	}
	return out
}

func wantNothingLost(t *testing.T, s *Sim) {
	t.Helper()
	for _, v := range s.Check.Violations() {
		t.Errorf("%v", v)
	}
	if d := s.Check.Apart(); d > 0 {
		t.Errorf("members were apart for %v", d)
	}
	if n := s.Check.Registered(); n != len(s.Members()) {
		t.Errorf("%d of %d members are registered", n, len(s.Members()))
	}
	if n := s.Stats().Notes[gdoi.NoteKeysExpired]; n > 0 {
		t.Errorf("%d times a member was without keys", n)
	}
}

// TestTokenLost: the primary's token is away for a minute, in the middle of which a rollover falls. Another key server does it, from
// its own token and under the same KEK; the first one serves again when its token is back, and does not take the primary back.
func TestTokenLost(t *testing.T) {
	for _, split := range []coop.Split{coop.Fork, coop.Continue} {
		s := New(withTokensConfig(split))
		s.Run(8*time.Minute + 20*time.Second) // T0 of the first rollover is at 9m40s
		s.Inflict([]Fault{{At: time.Minute, Kind: FaultToken, Node: "ks1", N: 200, For: time.Minute}})
		keks := s.KS().keks()
		if s.Primary() != s.KS() || len(keks) != 1 {
			t.Fatalf("%v: primary is %s, KEKs %v", split, s.Primary().Name, keks)
		}
		s.Run(9*time.Minute + 23*time.Second)
		next := s.Primary()
		if next == s.KS() {
			t.Errorf("%v: nobody has taken over within 3 s", split)
		}
		if i := s.KS().coopInfo(); i.Ready {
			t.Errorf("%v: a key server without its token is ready", split)
		}
		s.Run(10*time.Minute + 15*time.Second)
		for _, n := range s.KeyServers() {
			if got := n.keks(); !slices.Equal(got, keks) {
				t.Errorf("%v: %s has the KEKs %v; want %v, from its own token", split, n.Name, got, keks)
			}
		}
		if n := s.Stats().Notes[gdoi.NoteRekeySent]; n == 0 {
			t.Errorf("%v: there was no rekey", split)
		}
		s.Run(10*time.Minute + 22*time.Second)
		if i := s.KS().coopInfo(); !i.Ready {
			t.Errorf("%v: its token is back, and it is not ready: %s", split, i.Why)
		}
		s.Run(12 * time.Minute)
		if s.Primary() != next {
			t.Errorf("%v: %s is primary; want %s still", split, s.Primary().Name, next.Name)
		}
		wantNothingLost(t, s)
	}
}

// TestAllTokensLost: nothing new is made while no key server has its token, and nobody misses it while keys live.
func TestAllTokensLost(t *testing.T) {
	s := New(withTokensConfig(coop.Fork))
	s.Inflict([]Fault{{At: time.Minute, Kind: FaultToken, Node: everyKS, N: 100, For: 7 * time.Minute}})
	s.Run(time.Minute)
	keks := s.KS().keks()
	s.Run(2 * time.Minute)
	wantNothingLost(t, s)
	s.GM(1).Crash()
	s.GM(1).Start()
	s.Run(3 * time.Minute)
	if s.Check.Registered() != len(s.Members())-1 {
		t.Error("a member has registered while no key server can tell it the KEK")
	}
	s.Run(8*time.Minute + 15*time.Second)
	wantNothingLost(t, s)
	s.Run(12 * time.Minute)
	wantNothingLost(t, s)
	for _, n := range s.KeyServers() {
		if got := n.keks(); !slices.Equal(got, keks) {
			t.Errorf("%s has the KEKs %v; want %v", n.Name, got, keks)
		}
	}
}

// TestTokenFull: the primary's token takes no more keys, over three rollovers of the KEK. Somebody else makes them, and the first
// one serves again when there is room.
func TestTokenFull(t *testing.T) {
	cfg := withTokensConfig(coop.Fork)
	cfg.Group.KEKLifetime = 15 * time.Minute
	s := New(cfg)
	s.Inflict([]Fault{{At: 2 * time.Minute, Kind: FaultTokenFull, Node: "ks1", For: 40 * time.Minute}})
	s.Run(time.Minute)
	first := s.KS().keks()
	s.Run(40 * time.Minute)
	if s.Primary() == s.KS() {
		t.Error("the primary is still one whose token makes no keys")
	}
	if i := s.KS().coopInfo(); i.Ready {
		t.Error("it registers members, and does not have the KEK")
	}
	if got := s.Primary().keks(); slices.Contains(got, first[0]) {
		t.Error("the KEK was not replaced")
	}
	s.Run(43 * time.Minute)
	for _, n := range s.KeyServers() {
		if i := n.coopInfo(); !i.Ready {
			t.Errorf("%s is not ready: %s", n.Name, i.Why)
		}
	}
	wantNothingLost(t, s)
}

// TestTokenReplaced: an empty token comes instead of the primary's own. The others have the KEKs, and wrap them for it.
func TestTokenReplaced(t *testing.T) {
	s := New(withTokensConfig(coop.Fork))
	s.Inflict([]Fault{{At: time.Minute + time.Second, Kind: FaultTokenNew, Node: "ks1", For: 10 * time.Second}})
	s.Run(time.Minute)
	keks := s.KS().keks()
	s.Run(2 * time.Minute)
	for _, n := range s.KeyServers() {
		if got := n.keks(); !slices.Equal(got, keks) {
			t.Errorf("%s has the KEKs %v; want %v", n.Name, got, keks)
		}
		if n.token.keys["kek-"+keks[0].String()] == nil {
			t.Errorf("the token of %s does not have the KEK", n.Name)
		}
	}
	if n := s.Stats().Notes[gdoi.NoteKEKLost]; n > 0 {
		t.Errorf("%d KEKs were lost", n)
	}
	wantNothingLost(t, s)
}

// TestKeyServerWithTokenRestarts: one key server goes on with the KEK that its token has kept, and nothing is left behind there.
func TestKeyServerWithTokenRestarts(t *testing.T) {
	s := New(Config{Seed: 62, Members: 4, Custody: true, Group: quick, Network: wan, StartSpread: time.Second})
	for i := range 12 {
		s.Run(time.Duration(i+1)*10*time.Second + time.Duration(i)*137*time.Millisecond)
		keks := s.KS().keks()
		s.KS().Crash()
		s.KS().Start()
		if got := s.KS().keks(); !slices.Equal(got, keks) && len(keks) > 0 {
			t.Errorf("after restart %d it has the KEKs %v; want %v", i, got, keks)
		}
	}
	s.Run(5 * time.Minute)
	wantAll(t, s)
	if n := s.Stats().Notes[gdoi.NoteKEKLost]; n > 0 {
		t.Errorf("%d KEKs were lost", n)
	}
	if got, want := len(s.KS().token.keys), len(s.KS().keks())+1; got != want {
		t.Errorf("its token has %d KEKs; want those that live and the next one, %d", got, want)
	}
}

// TestValuesAreFound: what looks for values of KEKs finds them where they are: with members.
func TestValuesAreFound(t *testing.T) {
	s := New(withTokensConfig(coop.Fork))
	s.Run(30 * time.Second)
	name := "kek-" + s.KS().keks()[0].String()
	look := func(n *Node) (paths []string) {
		w := &walker{seen: map[uintptr]bool{}, look: func(path string, b []byte) {
			if s.Check.kekIn(b) == name {
				paths = append(paths, path)
			}
		}}
		w.walk("", reflect.ValueOf(n.m))
		return paths
	}
	if len(look(s.GM(1))) == 0 {
		t.Error("a member holds the KEK, and it was not found there")
	}
	if at := look(s.KS()); len(at) > 0 {
		t.Errorf("the key server holds the KEK in %v", at)
	}
	value := s.KS().token.keys[name]
	for _, form := range s.Check.keks.values[name] {
		s.Check.kekRecords(s.KS(), machine.Persist{Records: []machine.Record{{Key: "x", Value: slices.Concat([]byte("a"), form, []byte("b"))}}})
	}
	if n := len(s.Check.Violations()); n != 5 || !bytes.Equal(s.Check.keks.values[name][0], value) {
		t.Errorf("%d of 5 forms of a value were found in a record", n)
	}
}

// TestCustodySeeds plays plans with tokens; TestSeeds has them among others.
func TestCustodySeeds(t *testing.T) {
	seeds := 24
	if testing.Short() {
		seeds = 6
	}
	Hunt(0, seeds, 2, DrawCustody, func(o Outcome) bool {
		if len(o.Violations) > 0 {
			t.Errorf("%v: %v", &o.Plan, o.Violations[0])
		}
		if o.Stats.Notes[gdoi.NoteKEKCreated] == 0 {
			t.Errorf("%v: no KEK was made", &o.Plan)
		}
		return len(o.Violations) == 0
	})
	a, b := Play(DrawCustody(3), false), Play(DrawCustody(3), true)
	if a.Hash != b.Hash {
		t.Error("two runs of a plan with tokens differ")
	}
}
