package sim

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
)

// TestRemovals: members are removed one by one and in batches, while datagrams get lost and come late and twice, and the
// key server crashes in the middle; every second run has rekeys by multicast. Those who stay lose nothing: what one sends, all the others can read.
func TestRemovals(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 6
	}
	for seed := range seeds {
		g := quick
		g.ActivationDelay, g.TEKLifetime, g.KEKLifetime = 15*time.Second, 3*time.Minute, 4*time.Minute
		if seed%2 == 1 {
			g.Multicast = multicastGroup
		}
		s := New(Config{
			Seed: seed, Members: 12, Group: g, StartSpread: time.Second,
			Network: Network{Latency: time.Millisecond, Jitter: 50 * time.Millisecond},
		})
		s.Traffic(time.Second)
		s.Run(10 * time.Second)
		want(t, s)
		wantAll(t, s)
		s.Degrade(Network{Loss: 0.1, Duplicate: 0.1, Latency: time.Millisecond, Jitter: 100 * time.Millisecond})
		for _, batch := range [][]int{{12}, {1, 7}, {4}} {
			var gone []*Node
			for _, i := range batch {
				gone = append(gone, s.GM(i))
			}
			s.Remove(gone...)
			if seed%3 == 2 {
				// The key server dies when the removal is written, some time before or after it has told anybody.
				s.After(time.Duration(5+s.rng.IntN(1500))*time.Millisecond, func() { s.KS().Crash(); s.KS().Start() })
			}
			s.Run(s.Now() + 40*time.Second)
			for _, n := range gone {
				if !s.IsRemoved(n) {
					t.Errorf("seed %d: %s is not on the list of the removed", seed, n.Name)
				}
			}
		}
		s.Degrade(clean)
		s.Run(s.Now() + 2*time.Minute)
		want(t, s)
		stays := 0
		for _, n := range s.Members() {
			if s.Check.removed[n] == nil && s.Check.Sending(n) != 0 {
				stays++
			}
		}
		if stays != 8 || s.Check.Registered() != 8 {
			t.Errorf("seed %d: %d members have keys, %d are registered; want 8", seed, stays, s.Check.Registered())
		}
		if d := s.Check.Apart(); d > 0 {
			t.Errorf("seed %d: members could not read each other for %v", seed, d)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		s.Readmit(s.GM(7))
		s.Run(s.Now() + 30*time.Second)
		want(t, s)
		if s.Check.Registered() != 9 {
			t.Errorf("seed %d: the readmitted member has not come back", seed)
		}
	}
}

// TestRemovalOfOneOfAThousand: nobody registers again, and the two messages are all that it takes.
func TestRemovalOfOneOfAThousand(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 100
	}
	s := New(Config{
		Seed: 1, Members: n, StartSpread: 20 * time.Second, Network: clean,
		Group: keyserver.Config{TEKLifetime: time.Hour, ActivationDelay: 30 * time.Second},
	})
	s.Run(time.Minute)
	wantAll(t, s)
	before := s.Stats().Notes[gdoi.NoteGMRegistered]
	s.Remove(s.GM(n / 2))
	s.Run(4 * time.Minute)
	want(t, s)
	st := s.Stats()
	if again := st.Notes[gdoi.NoteGMRegistered] - before; again != 0 || st.Notes[gdoi.NoteKEKUpdated] != uint64(n-1) || s.Check.Apart() != 0 {
		t.Errorf("%d members registered again, %d derived the KEK; want 0 and %d", again, st.Notes[gdoi.NoteKEKUpdated], n-1)
	}
	if st.Notes[gdoi.NoteRekeySent] != 2 {
		t.Errorf("%d rekeys; want two", st.Notes[gdoi.NoteRekeySent])
	}
}

// TestClearMembers: all register again, each after a wait of its own, and read each other all the time; with Now they
// lose their keys, and are back soon.
func TestClearMembers(t *testing.T) {
	for _, now := range []bool{false, true} {
		const n = 60
		s := New(Config{
			Seed: 3, Members: n, StartSpread: 5 * time.Second, Network: clean,
			Group: keyserver.Config{TEKLifetime: time.Hour, ActivationDelay: 30 * time.Second},
		})
		s.Run(time.Minute)
		wantAll(t, s)
		registered := func() uint64 { return s.Stats().Notes[gdoi.NoteGMRegistered] }
		before, last, most := registered(), registered(), uint64(0)
		s.KS().Do(gdoi.CmdClearMembers{Group: GroupName, Now: now})
		for range 40 {
			s.Run(s.Now() + 250*time.Millisecond)
			most, last = max(most, registered()-last), registered()
		}
		// Both ends note a registration.
		if got := last - before; got != 2*n || most > n/2 {
			t.Errorf("now %v: %d registrations within 10 s, %d of them in a quarter of a second; want %d, and spread", now, got/2, most/2, n)
		}
		s.Run(s.Now() + 3*time.Minute)
		want(t, s)
		wantAll(t, s)
		if d := s.Check.Apart(); d > 0 {
			t.Errorf("now %v: registered members could not read each other for %v", now, d)
		}
		if got := s.Stats().Notes[gdoi.NoteKeysExpired]; (got == n) != now || !now && got > 0 {
			t.Errorf("now %v: %d members lost their keys", now, got)
		}
	}
}
