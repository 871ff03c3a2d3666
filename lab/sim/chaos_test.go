package sim

import (
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
)

// TestChaos mixes all faults and commands. GETVPN_CHAOS sets how many seeds are tried.
func TestChaos(t *testing.T) {
	seeds := uint64(40)
	if n, err := strconv.ParseUint(os.Getenv("GETVPN_CHAOS"), 10, 32); err == nil {
		seeds = n
	}
	for seed := range seeds {
		chaos(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func chaos(t *testing.T, seed uint64) {
	g := quick
	g.KEKLifetime = 90 * time.Second
	if seed%3 == 0 {
		g.SIDBits, g.SIDCount = 8, 40
	}
	s := New(Config{
		Seed: seed, Members: 5, Group: g, DPD: 10 * time.Second, StartSpread: 5 * time.Second,
		Network: Network{Loss: 0.15, Duplicate: 0.1, Latency: time.Millisecond, Jitter: 100 * time.Millisecond},
	})
	s.Traffic(time.Second)
	within := func(d time.Duration) time.Duration { return time.Duration(s.rng.Int64N(int64(d))) }
	member := func() *Node { return s.GM(1 + s.rng.IntN(5)) }
	broken := errors.New("broken")
	faults := []func(){
		func() {
			s.KS().CrashAfter(s.rng.IntN(8))
			s.After(within(30*time.Second), func() { s.KS().Crash(); s.KS().Start() })
		},
		func() { s.KS().Crash(); s.KS().Erase(); s.After(within(30*time.Second), s.KS().Start) },
		func() {
			n := member()
			n.CrashAfter(s.rng.IntN(8))
			s.After(within(30*time.Second), func() { n.Crash(); n.Start() })
		},
		func() { s.Partition(1, member(), member()); s.After(within(60*time.Second), s.Heal) },
		func() {
			s.KS().FailCustody(broken)
			s.After(within(60*time.Second), func() { s.KS().FailCustody(nil) })
		},
		func() { s.KS().FailStore(broken); s.After(within(20*time.Second), func() { s.KS().FailStore(nil) }) },
		func() { s.KS().Do(gdoi.CmdRekey{Group: GroupName, KEK: s.rng.IntN(2) == 0}) },
		func() { s.KS().Do(gdoi.CmdClearMember{Group: GroupName, Member: member().Addr.Addr().String()}) },
		func() { s.KS().Do(gdoi.CmdClearMembers{Group: GroupName, Now: s.rng.IntN(2) == 0}) },
		func() { member().Do(gdoi.CmdReregister{Group: GroupName}) },
		func() {
			n := member()
			n.Do(gdoi.DataPlaneReport{Group: GroupName, SPI: s.Check.Sending(n), Kind: gdoi.SeqLow})
		},
	}
	for range 15 {
		s.After(within(5*time.Minute), faults[s.rng.IntN(len(faults))])
	}
	s.Run(6 * time.Minute)
	s.Degrade(clean)
	s.Heal()
	s.KS().Start()
	s.KS().FailStore(nil)
	s.KS().FailCustody(nil)
	s.Run(9 * time.Minute)
	apart, resets := s.Check.Apart(), s.Stats().Notes[gdoi.NoteGroupReset]
	s.Run(12 * time.Minute)
	want(t, s)
	wantAll(t, s)
	if s.Check.Apart() != apart && resets == s.Stats().Notes[gdoi.NoteGroupReset] {
		t.Errorf("members were apart for %v after the faults had ended", s.Check.Apart()-apart)
	}
}
