package node

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// cut divides a fleet: sides lose each other in mode fork alone.
func (f *fleet) cut(of ...int) {
	f.excused, f.fork = map[[2]int]bool{}, f.mode == coop.Fork
	f.split(of...)
}

// TestFleetSplitsAndMerges: key servers part and meet by themselves. In mode continue nobody notices; in mode fork the sides
// lose each other at the next rollover, and read each other again a moment after they have met.
func TestFleetSplitsAndMerges(t *testing.T) {
	for _, mode := range []coop.Split{coop.Fork, coop.Continue} {
		t.Run(mode.String(), func(t *testing.T) {
			f := newFleetThat(t, mode, 6, coop.FastTimers, short)
			defer f.trail()
			f.run(time.Minute)
			f.cut(0, 1, 1)
			f.run(8 * time.Minute)
			n := 0
			for _, s := range f.servers {
				if s.group().Active() {
					n++
				}
			}
			if n != 2 {
				t.Fatalf("%d primaries; want one on each side", n)
			}
			if (f.silent() == "") != (mode == coop.Continue) {
				t.Errorf("apart: %q", f.silent())
			}
			if len(f.wrong) > 0 {
				t.Errorf("before they meet: %v", f.wrong)
			}
			f.heal()
			healed := f.now.Mono
			for f.silent() != "" && f.now.Mono.Sub(healed) < time.Minute {
				f.run(10 * time.Millisecond)
			}
			readable := f.now.Mono.Sub(healed)
			for f.notes[gdoi.NoteCoopOneEpoch] == 0 && mode == coop.Fork && f.now.Mono.Sub(healed) < 5*time.Minute {
				f.run(100 * time.Millisecond)
			}
			t.Logf("all read all %v after the link came back, one epoch after %v", readable, f.now.Mono.Sub(healed))
			if readable > 2*time.Second {
				t.Errorf("it took %v until all read all", readable)
			}
			f.run(time.Minute)
			f.settled()
			f.excused = nil
			f.gaps = nil
			f.run(8 * time.Minute)
			f.settled()
			f.wantTogether()
			if len(f.wrong) > 0 {
				t.Errorf("%v", f.wrong)
			}
		})
	}
}

// fleetPlay is a random course like play, of key servers that decide for themselves.
func fleetPlay(t *testing.T, seed uint64, mode coop.Split) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	f := newFleetThat(t, mode, 6, coop.FastTimers, short)
	f.cut(0, 0, 0)
	until := func(d time.Duration) time.Duration { return time.Duration(rnd.Int64N(int64(d))) }
	f.note("seed %d, %v", seed, mode)
	for range 3 + rnd.IntN(8) {
		f.run(until([]time.Duration{500 * time.Millisecond, 5 * time.Second, time.Minute, 6 * time.Minute}[rnd.IntN(4)]))
		switch k := rnd.IntN(10); {
		case k < 4:
			of := [][]int{{0, 1, 1}, {0, 1, 0}, {0, 0, 1}, {0, 1, 2}}[rnd.IntN(4)]
			f.split(of...)
			f.note("sides %v", of)
		case k < 7:
			f.heal()
			f.note("together")
		case k < 8:
			if s := f.servers[rnd.IntN(3)]; s.dead {
				f.boot(s)
				f.note("%d starts", s.id)
			} else {
				s.dead = true
				f.loose = f.loose || len(f.side) > 0
				f.note("%d dies", s.id)
			}
		case k < 9:
			for _, s := range f.servers {
				if i := rnd.IntN(6); !s.dead && s.group().Active() && len(f.removed) < 2 {
					err := f.remove(s, i)
					f.do(s.addr, s.n.Step(f.now, machine.Timeout{}, nil))
					if f.note("removal of %d at %d: %v", i, s.id, err); err == nil {
						f.removed = append(f.removed, i)
						f.fork = true
					}
					break
				}
			}
		}
	}
	for _, s := range f.servers {
		if s.dead {
			f.boot(s)
		}
	}
	f.heal()
	f.note("the end")
	f.run(40 * time.Second)
	if text := f.silent(); text != "" {
		t.Errorf("seed %d: long after all met: %s", seed, text)
	}
	f.run(2 * time.Minute)
	f.settled()
	if !f.one() {
		t.Errorf("seed %d: members send with different keys", seed)
	}
	f.played(seed)
}

// TestFleetPlays plays many random courses.
func TestFleetPlays(t *testing.T) {
	for seed := uint64(*firstPlay); seed < uint64(*firstPlay+max(1, *plays/3)); seed++ {
		for _, mode := range []coop.Split{coop.Fork, coop.Continue} {
			if fleetPlay(t, seed, mode); t.Failed() {
				return
			}
		}
	}
}
