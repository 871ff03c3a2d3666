package sim

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/member"
)

const window = 10 * time.Second

// timed is a group with a time window.
func timed(g keyserver.Config, demand bool) keyserver.Config {
	g.AntiReplay = keyserver.AntiReplay{Window: window, Demand: demand}
	return g
}

// watchTime looks every step whether all members would take each other's packets, and returns the first loss.
func watchTime(s *Sim, every time.Duration) *string {
	lost := new(string)
	var look func()
	look = func() {
		if *lost == "" {
			*lost = s.Check.Timely()
		}
		s.After(every, look)
	}
	s.After(every, look)
	return lost
}

func timeOf(s *Sim, i int) member.TimeInfo {
	return s.GM(i).Member().Snapshot(s.GM(i).clock()).Groups[0].Time
}

func wantTimely(t *testing.T, s *Sim, lost *string) {
	t.Helper()
	want(t, s)
	if *lost != "" {
		t.Error(*lost)
	}
	for i := range s.Members() {
		if !timeOf(s, i+1).On {
			t.Errorf("gm%d does not stamp", i+1)
		}
	}
}

// skews are oscillators at the edges of what is sold.
func skews(s *Sim) {
	s.KS().Skew(30)
	for i, m := range s.Members() {
		m.Skew([]int64{-200, 200, -100, 100, 0, 50}[i%6])
	}
}

// TestTimeUnderDrift: over days, with rekeys once an hour or once a day, in a network that loses and delays, clocks of
// ±200 ppm stay together, and are near each other once their drift is known.
func TestTimeUnderDrift(t *testing.T) {
	for name, g := range map[string]keyserver.Config{
		"hourly": {TEKLifetime: time.Hour, KEKLifetime: 24 * time.Hour, ActivationDelay: 30 * time.Second},
		"daily":  {TEKLifetime: 24 * time.Hour, KEKLifetime: 10 * 24 * time.Hour, ActivationDelay: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			seeds := uint64(8)
			if testing.Short() {
				seeds = 1
			}
			for seed := range seeds {
				driftRun(t, seed, g)
			}
		})
	}
}

func driftRun(t *testing.T, seed uint64, g keyserver.Config) {
	t.Helper()
	s := New(Config{Seed: seed, Members: 6, Group: timed(g, true), Network: wan, StartSpread: 3 * time.Second})
	skews(s)
	lost := watchTime(s, 10*time.Second)
	s.Run(72 * time.Hour)
	wantTimely(t, s, lost)
	for i := range s.Members() {
		info := timeOf(s, i+1)
		t.Logf("gm%d: %d syncs, %d late, drift %.1f ppm, largest correction %v, other members at most %v off", i+1, info.Syncs, info.Late,
			float64(info.Drift)/1000, info.MaxDelta, s.Check.of(s.GM(i+1)).time.most)
		if info.Errors != 0 {
			t.Errorf("gm%d: %d jumps", i+1, info.Errors)
		}
		true := 1000 * ((1e6+30.0)/(1e6+float64(s.GM(i+1).ppm)) - 1) * 1e6
		if d := float64(info.Drift) - true; d > 60_000 || d < -60_000 {
			t.Errorf("gm%d: a drift of %.1f ppm is taken for %.1f", i+1, true/1000, float64(info.Drift)/1000)
		}
	}
}

// TestTimeThroughFaults: late joiners, killed members and key servers, wall clocks that are set, reboots.
func TestTimeThroughFaults(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		s := New(Config{Seed: seed, Members: 6, Group: timed(quick, seed%2 == 0), Network: clean, StartSpread: 3 * time.Second})
		skews(s)
		lost := watchTime(s, 100*time.Millisecond)
		fault := func(from time.Duration, f func()) {
			s.After(from+time.Duration(s.rng.IntN(60000))*time.Millisecond, f)
		}
		for i := range 8 {
			at := time.Duration(20+60*i) * time.Second
			m := s.GM(1 + s.rng.IntN(6))
			fault(at, func() { m.Crash(); m.Start() })
			fault(at, func() { s.GM(1 + s.rng.IntN(6)).StepWall(time.Duration(s.rng.IntN(7200)-3600) * time.Second) })
			switch s.rng.IntN(4) {
			case 0:
				fault(at, func() {
					s.KS().Crash()
					s.KS().StepWall(time.Duration(s.rng.IntN(7200)-3600) * time.Second)
					s.KS().Start()
				})
			case 1:
				fault(at, func() { s.KS().StepWall(time.Duration(s.rng.IntN(7200)-3600) * time.Second) })
			case 2:
				fault(at, func() { m := s.GM(1 + s.rng.IntN(6)); m.Reboot() })
			}
		}
		late := s.GM(6)
		late.Crash()
		s.After(200*time.Second, late.Start)
		s.Run(10 * time.Minute)
		wantTimely(t, s, lost)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestTimeAfterReboot: a key server whose system was rebooted takes what has passed from its wall clock; one whose wall
// clock went back meanwhile does not go back.
func TestTimeAfterReboot(t *testing.T) {
	for _, step := range []time.Duration{0, -time.Hour} {
		s := New(Config{Seed: 1, Members: 3, Group: timed(quick, false), Network: clean})
		lost := watchTime(s, 100*time.Millisecond)
		s.Run(100 * time.Second)
		ks := s.KS()
		now := func() time.Duration { return ks.KeyServer().Snapshot(ks.clock()).Groups[0].Time.Now }
		before := now()
		var record struct{ Time time.Duration }
		if err := json.Unmarshal(ks.disk[diskKey{keyserver.Bucket(GroupName), "time"}], &record); err != nil {
			t.Fatal(err)
		}
		ks.Crash()
		s.Run(110 * time.Second)
		ks.StepWall(step)
		ks.Reboot()
		s.Run(110*time.Second + time.Millisecond)
		passed := now() - before
		if now() < record.Time || step == 0 && (passed-10*time.Second).Abs() > 10*time.Millisecond {
			t.Errorf("after a step of %v the time went on by %v in 10 s", step, passed)
		}
		if step == 0 {
			s.Run(5 * time.Minute)
			wantTimely(t, s, lost)
			continue
		}
		// The time has gone back: members find out with the first rekey and ask.
		s.Run(3 * time.Minute)
		*lost = ""
		gm := s.GM(1)
		gm.Crash()
		gm.Start()
		s.Run(5 * time.Minute)
		wantTimely(t, s, lost)
		if info := timeOf(s, 2); info.Errors != 1 {
			t.Errorf("%+v", info)
		}
	}
}

// TestTimeSwitched: the window comes, changes, and goes, with or without the demand for stamps, at any moment, and with
// members that restart meanwhile: nothing is lost.
func TestTimeSwitched(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 8
	}
	states := []keyserver.AntiReplay{{}, {Window: window}, {Window: window, Demand: true}, {Window: 2 * time.Second}, {Window: 30 * time.Second, Demand: true}}
	for seed := range seeds {
		g := quick
		s := New(Config{Seed: seed, Members: 5, Group: g, Network: clean})
		skews(s)
		lost := watchTime(s, 100*time.Millisecond)
		for i := range 6 {
			at := time.Duration(20+90*i)*time.Second + time.Duration(s.rng.IntN(80000))*time.Millisecond
			a := states[s.rng.IntN(len(states))]
			s.After(at, func() { change(t, s, func(c *keyserver.Config) { c.AntiReplay = a }) })
			m := s.GM(1 + s.rng.IntN(5))
			s.After(at+time.Duration(s.rng.IntN(30000))*time.Millisecond, func() { m.Crash(); m.Start() })
			if s.rng.IntN(3) == 0 {
				s.After(at+time.Duration(s.rng.IntN(30000))*time.Millisecond, func() { s.KS().Crash(); s.KS().Start() })
			}
		}
		s.Run(12 * time.Minute)
		want(t, s)
		wantAll(t, s)
		if *lost != "" {
			t.Error(*lost)
		}
		last := s.cfg.Group.AntiReplay
		for i := range s.Members() {
			if info := timeOf(s, i+1); info.On != (last.Window > 0) || info.On && info.Window != last.Window || info.On && last.Demand != (len(info.Demand) > 0) {
				t.Errorf("gm%d is told %+v, want %+v", i+1, info, last)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestTimeFailover: members that go over to another key server take its time; it began with about the same.
func TestTimeFailover(t *testing.T) {
	s := New(Config{Seed: 3, Members: 4, Spares: 1, Group: timed(quick, false), Network: clean})
	skews(s)
	s.Run(60 * time.Second)
	s.KS().Crash()
	s.Run(5 * time.Minute)
	want(t, s)
	for i := range s.Members() {
		if info := timeOf(s, i+1); !info.On || info.Errors != 0 {
			t.Errorf("gm%d: %+v", i+1, info)
		}
	}
	if why := s.Check.Timely(); why != "" {
		t.Error(why)
	}
	for _, m := range s.Members() {
		m.Do(gdoi.DataPlaneReport{Group: GroupName, Kind: gdoi.OutOfTime})
	}
	before := timeOf(s, 1).Syncs
	s.Run(5*time.Minute + 20*time.Second)
	if timeOf(s, 1).Syncs == before {
		t.Error("a member whose packets are all out of time does not ask for the time")
	}
}

// TestTimeDemandWaits: whenever the window comes, before or after a rekey, no key wants stamps that a member cannot make yet.
func TestTimeDemandWaits(t *testing.T) {
	for at := range 40 {
		s := New(Config{Seed: uint64(at), Members: 4, Group: quick, Network: clean})
		lost := watchTime(s, 100*time.Millisecond)
		s.After(time.Duration(20+at)*time.Second, func() {
			change(t, s, func(c *keyserver.Config) { c.AntiReplay = keyserver.AntiReplay{Window: window, Demand: true} })
		})
		s.Run(4 * time.Minute)
		wantTimely(t, s, lost)
		if info := timeOf(s, 1); len(info.Demand) == 0 || t.Failed() {
			t.Fatalf("switched on at %d s: %+v", 20+at, info)
		}
	}
}
