package sim

import (
	"testing"
	"time"
)

// TestFaultsReadBack: a list that is written down is the list that was played.
func TestFaultsReadBack(t *testing.T) {
	list := []Fault{
		{At: 12500 * time.Millisecond, Kind: FaultCrash, Node: "ks1", N: 3, For: 8 * time.Second},
		{At: time.Minute, Kind: FaultCut, Node: "ks1,gm1|ks2,gm2", For: time.Minute},
		{At: 1, Kind: FaultRekey, N: 1},
		{Kind: FaultDrift, Node: "gm1", N: -120},
	}
	text := "# a run\n\n"
	for _, f := range list {
		text += f.String() + " # why not\n"
	}
	got, err := ParseFaults(text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if got[i] != list[i] {
			t.Errorf("%v was read as %v", list[i], got[i])
		}
	}
	for _, bad := range []string{"12s", "x crash ks1", "1s nonsense ks1", "1s crash ks1 n=x", "1s crash ks1 for=x", "1s crash ks1 of=1"} {
		if _, err := ParseFaults(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestCutsOverlap: what two faults stop passes when both have ended, and a one-way cut stops one way.
func TestCutsOverlap(t *testing.T) {
	s := New(Config{Members: 2, Network: clean})
	a, b := s.GM(1), s.GM(2)
	first, second := s.cut("gm1|gm2,ks1", false), s.cut("gm1>gm2", true)
	if s.passes(a, b) || s.passes(b, a) || s.passes(a, s.KS()) || !s.passes(b, s.KS()) || s.carries(a, b) || !s.carries(b, a) {
		t.Error("two cuts")
	}
	first()
	if s.passes(a, b) || !s.passes(b, a) || s.reach(a, b) {
		t.Error("one cut")
	}
	second()
	if !s.reach(a, b) || !s.carries(a, b) {
		t.Error("no cut")
	}
}

// TestPause: a member that is stopped for a rekey finds it when it goes on, and its timers have not been forgotten.
func TestPause(t *testing.T) {
	for seed := range uint64(6) {
		s := New(Config{Seed: seed, Members: 3, Group: quick, Network: clean, DPD: 10 * time.Second})
		s.Inflict([]Fault{
			{At: 39 * time.Second, Kind: FaultPause, Node: "gm1", For: 4 * time.Second},
			{At: 80 * time.Second, Kind: FaultPause, Node: "ks1", For: 3 * time.Second},
		})
		s.Run(5 * time.Minute)
		want(t, s)
		wantAll(t, s)
		wantLossless(t, s)
	}
}
