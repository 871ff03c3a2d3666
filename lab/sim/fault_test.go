package sim

import (
	"errors"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
)

// TestCrashesBetweenEffects restarts the key server with its records at random places, on a bad network. Safety must
// hold at every step; that all talk, when the faults are over.
func TestCrashesBetweenEffects(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		s := New(Config{
			Seed: seed, Members: 5, Group: quick, DPD: 10 * time.Second, StartSpread: 5 * time.Second,
			Network: Network{Loss: 0.3, Duplicate: 0.1, Latency: time.Millisecond, Jitter: 200 * time.Millisecond},
		})
		s.Traffic(time.Second)
		for range 12 {
			at := time.Duration(s.rng.Int64N(int64(5 * time.Minute)))
			s.After(at, func() { s.KS().CrashAfter(s.rng.IntN(6)) })
			s.After(at+time.Duration(s.rng.Int64N(int64(20*time.Second))), func() { s.KS().Crash(); s.KS().Start() })
		}
		for i := range 5 {
			at := time.Duration(s.rng.Int64N(int64(5 * time.Minute)))
			s.After(at, func() { s.GM(1 + i).CrashAfter(s.rng.IntN(6)) })
			s.After(at+20*time.Second, func() { s.GM(1 + i).Crash(); s.GM(1 + i).Start() })
		}
		s.Run(6 * time.Minute)
		s.Degrade(clean)
		s.KS().Start()
		s.Run(9 * time.Minute)
		apart := s.Check.Apart()
		s.Run(12 * time.Minute)
		want(t, s)
		wantAll(t, s)
		if s.Check.Apart() != apart {
			t.Errorf("members were apart for %v after the faults had ended", s.Check.Apart()-apart)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestKeyServerRestartIsNotNoticed: with its records, at every moment of a rollover, and nothing is lost. Even when it is
// away for more than A (5 s), the rollover is only shorter.
func TestKeyServerRestartIsNotNoticed(t *testing.T) {
	for _, away := range []time.Duration{500 * time.Millisecond, 8 * time.Second} {
		for second := 15; second < 65; second++ {
			s := New(Config{Seed: uint64(second), Members: 4, Group: quick, Network: clean})
			s.After(time.Duration(second)*time.Second, s.KS().Crash)
			s.After(time.Duration(second)*time.Second+away, s.KS().Start)
			s.Run(3 * time.Minute)
			want(t, s)
			wantAll(t, s)
			wantLossless(t, s)
			if n := s.Stats().Notes[gdoi.NoteKeysExpired]; n != 0 {
				t.Errorf("%d members ran out of keys", n)
			}
			if t.Failed() {
				t.Fatalf("crash at second %d for %v", second, away)
			}
		}
	}
}

// TestLongOutage: traffic goes on until the keys end, then members fail closed, then they recover by themselves.
func TestLongOutage(t *testing.T) {
	s := New(Config{Seed: 8, Members: 5, Group: quick, Network: wan, DPD: 10 * time.Second})
	s.Run(30 * time.Second)
	wantAll(t, s)
	s.KS().Crash()
	s.Run(58 * time.Second)
	wantAll(t, s)
	s.Run(2 * time.Minute)
	if n := s.Check.Registered(); n != 0 {
		t.Errorf("%d members have keys although all have ended", n)
	}
	for _, n := range s.Members() {
		if st := n.Member().Snapshot(s.clock()).Groups[0].State.String(); st != "expired" {
			t.Errorf("%s is %s; want expired", n.Name, st)
		}
	}
	s.Run(3 * time.Hour)
	s.KS().Start()
	s.Run(3*time.Hour + 90*time.Second)
	wantAll(t, s)
	want(t, s)
	wantLossless(t, s)
}

// TestKeyServerLosesItsState: fresh keys; data planes that see unknown SPIs bring members together long before the old
// keys end.
func TestKeyServerLosesItsState(t *testing.T) {
	for seed := range uint64(10) {
		s := New(Config{Seed: seed, Members: 5, Network: wan, DPD: 30 * time.Second, StartSpread: time.Second})
		s.Traffic(time.Second)
		s.Run(20 * time.Minute)
		wantAll(t, s)
		s.KS().Crash()
		s.KS().Erase()
		s.KS().Start()
		s.GM(1).Do(gdoi.CmdReregister{Group: GroupName, ID: 1}) // one member has a reason to come back first
		s.Run(22 * time.Minute)
		want(t, s)
		wantAll(t, s)
		if d := s.Check.Apart(); d > time.Minute {
			t.Errorf("seed %d: members were apart for %v", seed, d)
		}
	}
}

// TestPartition: an island without the key server runs out of keys and recovers when the partition heals.
func TestPartition(t *testing.T) {
	s := New(Config{Seed: 9, Members: 6, Group: quick, Network: wan, DPD: 10 * time.Second})
	s.Run(30 * time.Second)
	s.Partition(1, s.GM(1), s.GM(2))
	s.Run(3 * time.Minute)
	if n := s.Check.Registered(); n != 4 {
		t.Errorf("%d members are registered; want the 4 that reach the key server", n)
	}
	s.Heal()
	s.Run(5 * time.Minute)
	want(t, s)
	wantAll(t, s)
}

// TestCustodyFails: no new keys reach members by PUSH, but registrations carry them.
func TestCustodyFails(t *testing.T) {
	s := New(Config{Seed: 10, Members: 4, Group: quick, Network: clean})
	s.After(30*time.Second, func() { s.KS().FailCustody(errors.New("token is gone")) })
	s.After(5*time.Minute, func() { s.KS().FailCustody(nil) })
	s.Run(4*time.Minute + 5*time.Second)
	if p := s.KS().KeyServer().Snapshot(s.clock()).Groups[0].Problems; len(p) == 0 {
		t.Error("the key server does not say that it cannot sign")
	}
	wantAll(t, s)
	s.Run(8 * time.Minute)
	want(t, s)
	wantAll(t, s)
	wantLossless(t, s)
	if p := s.KS().KeyServer().Snapshot(s.clock()).Groups[0].Problems; len(p) != 0 {
		t.Errorf("problems after the token came back: %q", p)
	}
}

// TestStoreFails: nothing goes out that was not written, so members run out of keys; then all recovers.
func TestStoreFails(t *testing.T) {
	s := New(Config{Seed: 11, Members: 4, Group: quick, Network: clean})
	s.After(30*time.Second, func() { s.KS().FailStore(errors.New("disk full")) })
	s.Run(90 * time.Second)
	if n := s.Check.Registered(); n != 0 {
		t.Errorf("%d members got keys that were never written", n)
	}
	s.KS().FailStore(nil)
	s.Run(4 * time.Minute)
	want(t, s)
	wantAll(t, s)
}

// TestForgottenSession: a restarted key server does not know the member's phase 1; without dead peer detection the
// member finds out by itself, long before a registration would give up.
func TestForgottenSession(t *testing.T) {
	s := New(Config{Seed: 13, Members: 1, Network: clean})
	s.Run(time.Minute)
	s.KS().Crash()
	s.KS().Start()
	s.GM(1).Do(gdoi.CmdReregister{Group: GroupName, ID: 1})
	s.Run(time.Minute + 6*time.Second)
	g := s.GM(1).Member().Snapshot(s.clock()).Groups[0]
	if g.Registrations != 2 || g.State.String() != "registered" {
		t.Errorf("%d registrations, %v; want 2, registered", g.Registrations, g.State)
	}
	want(t, s)
}
