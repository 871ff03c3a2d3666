package node

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
)

var (
	plays     = flag.Int("plays", 25, "random courses of sides that part and meet")
	firstPlay = flag.Int("first-play", 0, "seed of the first one")
)

// settle does what key servers do that hear of each other: on each side the first primary wins, the others hand over; where
// there is none, the first key server takes over.
func (r *realm) settle() {
	for _, s := range r.servers {
		side := r.side[s.addr.Addr()]
		var here []*realmServer
		var primary *realmServer
		for _, o := range r.servers {
			if o.dead || r.side[o.addr.Addr()] != side {
				continue
			}
			here = append(here, o)
			if o.primary == o && primary == nil {
				primary = o
			}
		}
		if len(here) == 0 {
			continue
		}
		if primary == nil {
			primary = here[0]
			r.do(primary.addr, primary.group().TakeOver(r.now, uint64(r.now.Mono)+1, nil))
			primary.primary = primary
			r.replicate()
		}
		for _, o := range here {
			if o != primary && o.primary != primary {
				r.merge(primary, o)
			}
		}
	}
}

// whole says whether all key servers follow one primary.
func (r *realm) whole() bool {
	for _, s := range r.servers {
		if s.dead || s.primary == nil || s.primary != r.servers[0].primary {
			return false
		}
	}
	return true
}

// play is a random course of partitions, deaths, rekeys and removals; then all key servers meet.
func play(t *testing.T, seed uint64, split coop.Split) {
	rnd := rand.New(rand.NewPCG(seed, 5))
	r := newRealm(t, 9, func(c *keyserver.Config) { c.Coop.Split = split })
	r.fork = split == coop.Fork
	r.excused = map[[2]int]bool{}
	until := func(d time.Duration) time.Duration { return time.Duration(rnd.Int64N(int64(d))) }
	r.note("seed %d", seed)
	for range 4 + rnd.IntN(8) {
		r.run(until([]time.Duration{5 * time.Second, time.Minute, 5 * time.Minute, 40 * time.Minute}[rnd.IntN(4)]))
		switch rnd.IntN(10) {
		case 0, 1, 2, 3:
			of := [][]int{{0, 1, 1}, {0, 1, 0}, {0, 0, 1}, {0, 1, 2}}[rnd.IntN(4)]
			r.split(of...)
			r.note("sides %v", of)
		case 4, 5, 6:
			r.heal()
			r.note("together")
		case 7:
			s := r.servers[rnd.IntN(3)]
			if s.dead {
				r.start(s)
				r.note("%d starts", s.id)
				break
			}
			s.dead = true
			n := 0
			for _, o := range r.servers {
				if o.primary == o {
					n++
				}
			}
			r.loose = r.loose || n > 1
			r.note("%d dies", s.id)
		case 8:
			for _, s := range r.servers {
				if s.primary == s && !s.dead && rnd.IntN(2) == 0 {
					_, out, err := s.group().Rekey(r.now, rnd.IntN(2) == 0, nil)
					r.do(s.addr, out)
					r.note("rekey at %d: %v", s.id, err)
					break
				}
			}
		case 9:
			for _, s := range r.servers {
				if i := rnd.IntN(9); s.primary == s && !s.dead && len(r.removed) < 2 {
					err := r.remove(s, i)
					if r.note("removal of %d at %d: %v", i, s.id, err); err == nil {
						r.removed = append(r.removed, i)
						r.fork = r.fork || !r.whole() // its keys are for its side alone
					}
					break
				}
			}
		}
		r.replicate()
		if rnd.IntN(3) > 0 {
			r.run(until(2 * time.Second))
		}
		r.settle()
		if r.whole() {
			r.loose, r.fork = false, split == coop.Fork
		}
	}
	for _, s := range r.servers {
		if s.dead {
			r.start(s)
		}
	}
	r.heal()
	r.note("the end")
	r.settle()
	r.run(2*delay + 10*time.Second)
	if text := r.silent(); text != "" {
		t.Errorf("seed %d: 2A after all met: %s", seed, text)
	}
	r.run(5 * delay)
	if !r.one() {
		t.Errorf("seed %d: members send with different keys after 7A", seed)
	}
	for _, s := range r.servers {
		if s.group().Merging() {
			t.Errorf("seed %d: key server %d still merges", seed, s.id)
		}
	}
	r.played(seed)
}

// note writes down what happens in a random course.
func (r *realm) note(format string, args ...any) {
	text := fmt.Sprintf("%v %s", time.Duration(r.now.Mono), fmt.Sprintf(format, args...))
	r.course, r.told = append(r.course, text), append(r.told, text)
}

// played is the end of a random course: the removed read nothing, and nobody was apart without an excuse.
func (r *realm) played(seed uint64) {
	r.removedReadNothing(fmt.Sprintf("seed %d", seed))
	if len(r.wrong) > 0 {
		r.t.Errorf("seed %d: %v", seed, r.wrong)
	}
	if r.t.Failed() {
		for _, c := range r.course {
			r.t.Log(c)
		}
		r.trail()
	}
}

// TestSidesPlay plays many random courses.
func TestSidesPlay(t *testing.T) {
	for seed := uint64(*firstPlay); seed < uint64(*firstPlay+*plays); seed++ {
		for _, split := range []coop.Split{coop.Fork, coop.Continue} {
			if play(t, seed, split); t.Failed() {
				t.Fatal(split)
			}
		}
	}
}
