package sim

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
)

// wan is an ordinary network that loses little.
var wan = Network{Loss: 0.05, Duplicate: 0.01, Latency: 5 * time.Millisecond, Jitter: 20 * time.Millisecond}

// clean loses nothing, so that a test's own fault is the only one.
var clean = Network{Latency: 5 * time.Millisecond, Jitter: 5 * time.Millisecond}

// quick is a group whose keys are replaced every 40 s.
var quick = keyserver.Config{TEKLifetime: 60 * time.Second, KEKLifetime: 10 * time.Minute, ActivationDelay: 5 * time.Second}

// want fails the test for every broken invariant.
func want(t *testing.T, s *Sim) {
	t.Helper()
	for i, v := range s.Check.Violations() {
		if i == 10 {
			t.Fatal("and more")
		}
		t.Error(v)
	}
}

// wantAll wants every member registered and able to read the others.
func wantAll(t *testing.T, s *Sim) {
	t.Helper()
	if got := s.Check.Registered(); got != len(s.Members()) {
		t.Errorf("at %v: %d of %d members are registered", s.Now(), got, len(s.Members()))
	}
	if !s.Check.Together() {
		t.Errorf("at %v: some members cannot read others", s.Now())
	}
}

// wantLossless wants that no two registered members were ever apart.
func wantLossless(t *testing.T, s *Sim) {
	t.Helper()
	if d := s.Check.Apart(); d != 0 {
		t.Errorf("some members could not read others for %v", d)
	}
}

func TestThousandMembersForADay(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	run := func(seed uint64, hours int) (*Sim, [32]byte) {
		s := New(Config{Seed: seed, Members: 1000, StartSpread: 10 * time.Second, Network: wan})
		s.Run(time.Duration(hours)*time.Hour + 10*time.Minute)
		return s, s.TraceHash()
	}
	began := time.Now()
	s, _ := run(1, 24)
	t.Logf("24 h in %v: %d steps, %d datagrams, %d lost", time.Since(began), s.Stats().Steps, s.Stats().Sent, s.Stats().Lost)
	want(t, s)
	wantAll(t, s)
	wantLossless(t, s)
	if n := s.Stats().Notes[gdoi.NoteTEKCreated]; n < 24 {
		t.Errorf("%d TEKs in a day; want at least 24", n)
	}
	if n := s.Stats().Notes[gdoi.NoteKEKCreated]; n != 2 {
		t.Errorf("%d KEKs in a day; want 2", n)
	}
	if s.Stats().Notes[gdoi.NoteRekeyMissed] == 0 {
		t.Error("no member lost a rekey altogether: 5 %% loss of 75,000 datagrams should do that; does the network lose at all?")
	}
	_, a := run(2, 2)
	_, b := run(2, 2)
	_, c := run(3, 2)
	if a != b {
		t.Error("two runs with the same seed differ")
	}
	if a == c {
		t.Error("two runs with different seeds are the same")
	}
}

func TestLostRekeyCostsNothing(t *testing.T) {
	s := New(Config{Seed: 4, Members: 5, Group: quick, Network: clean})
	// The first rekey is at 60-4*5 s; member 1 hears nothing until all copies have gone by.
	s.After(39*time.Second, func() { s.Partition(1, s.GM(1)) })
	s.After(43*time.Second, s.Heal)
	s.Run(5 * time.Minute)
	want(t, s)
	wantAll(t, s)
	wantLossless(t, s)
	if n := s.Stats().Notes[gdoi.NoteRekeyMissed]; n != 1 {
		t.Errorf("%d members missed a rekey; want 1", n)
	}
}

func TestLostKEKRekeyCostsNothing(t *testing.T) {
	g := quick
	g.KEKLifetime = 90 * time.Second
	for seed := range uint64(5) {
		s := New(Config{Seed: seed, Members: 5, Group: g, Network: clean})
		// KEK rekeys come at 70 s, 140 s, ...
		s.After(69*time.Second, func() { s.Partition(1, s.GM(1)) })
		s.After(74*time.Second, s.Heal)
		s.Run(20 * time.Minute)
		want(t, s)
		wantAll(t, s)
		wantLossless(t, s)
	}
}

func TestOperatorRekeys(t *testing.T) {
	for seed := range uint64(10) {
		s := New(Config{Seed: seed, Members: 5, Group: quick, Network: clean})
		for i, at := range []int{20, 21, 39, 40, 41, 45, 50, 70, 71, 72, 73} {
			s.After(time.Duration(at)*time.Second, func() {
				s.KS().Do(gdoi.CmdRekey{Group: GroupName, KEK: (uint64(i)+seed)%3 == 0, ID: 1})
			})
		}
		s.Run(5 * time.Minute)
		want(t, s)
		wantAll(t, s)
		wantLossless(t, s)
	}
}

func TestClearedMemberComesBack(t *testing.T) {
	s := New(Config{Seed: 5, Members: 3, Group: quick, Network: clean})
	s.After(10*time.Second, func() {
		s.KS().Do(gdoi.CmdClearMember{Group: GroupName, Member: s.GM(1).Addr.Addr().String(), ID: 1})
	})
	s.Run(12 * time.Second)
	wantAll(t, s)
	if n := s.Stats().Notes[gdoi.NoteGMCleared]; n != 1 {
		t.Errorf("%d members were cleared; want 1", n)
	}
	if m := s.KS().KeyServer().Snapshot(s.clock()).Groups[0].Members; len(m) != 3 {
		t.Errorf("the list has %d members; want all 3 back", len(m))
	}
	s.Run(3 * time.Minute)
	want(t, s)
	wantAll(t, s)
	wantLossless(t, s)
}

func TestSenderIDsRunOut(t *testing.T) {
	g := quick
	g.SIDBits, g.SIDCount = 8, 10
	s := New(Config{Seed: 6, Members: 5, Group: g, Network: clean, StartSpread: time.Second})
	for i := range 4 {
		s.After(time.Duration(5+i)*time.Second, func() { s.GM(1 + i).Do(gdoi.CmdReregister{Group: GroupName, ID: 1}) })
	}
	s.After(12*time.Second, func() { s.GM(1).Do(gdoi.CmdReregister{Group: GroupName, ID: 1}) })
	s.After(13*time.Second, func() { s.GM(1).Do(gdoi.CmdReregister{Group: GroupName, ID: 1}) })
	s.Run(3 * time.Minute)
	want(t, s)
	wantAll(t, s)
	if n := s.Stats().Notes[gdoi.NoteGroupReset]; n != 1 {
		t.Errorf("the group was reset %d times; want once", n)
	}
}

func TestMemberRestarts(t *testing.T) {
	s := New(Config{Seed: 7, Members: 4, Group: quick, Network: clean})
	for i := range 30 {
		s.After(time.Duration(10+7*i)*time.Second, s.GM(1+i%4).Crash)
		s.After(time.Duration(11+7*i)*time.Second, s.GM(1+i%4).Start)
	}
	s.Run(5 * time.Minute)
	want(t, s)
	wantAll(t, s)
	wantLossless(t, s)
}
