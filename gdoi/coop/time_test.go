package coop

import (
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
)

// timeNotes counts what the journals say of wrong times.
func (w *world) timeNotes() (n int) {
	for _, l := range w.trace {
		if strings.Contains(l, " "+gdoi.NoteCoopWrongTime+" ") {
			n++
		}
	}
	return n
}

func (w *world) wrongTimes() (out [3]uint64) {
	for i, n := range w.nodes {
		out[i] = n.cell.Info(w.clock()).WrongTime
	}
	return out
}

// TestWrongTime: a time that is too far off is counted with every announcement, and told once until it fits again.
func TestWrongTime(t *testing.T) {
	for _, slow := range []time.Duration{0, 100 * time.Millisecond} {
		w := newCells(t, 1, FastTimers, 30, 20, 10)
		// Packets that are slow are under way for longer than the window.
		w.window, w.slow = 50*time.Millisecond, slow
		w.bootAll()
		w.nodes[2].off = -time.Hour // of a clock that was wrong when it started; its time comes with the state
		w.run(5 * time.Second)
		w.wantSettled()
		w.nodes[1].off = 40 * time.Millisecond
		w.run(5 * time.Second)
		if got := w.wrongTimes(); got != [3]uint64{} || w.timeNotes() != 0 {
			w.fatal("slow by %v: %v are wrong, %d times told, when none is", slow, got, w.timeNotes())
		}
		for round, off := range []time.Duration{70 * time.Millisecond, -70 * time.Millisecond, time.Hour} {
			before := w.wrongTimes()
			w.nodes[1].off = off
			w.run(3 * time.Second)
			got := w.wrongTimes()
			// It announces 20 times, and so does each of the others.
			for i, want := range []uint64{20, 40, 20} {
				if n := got[i] - before[i]; n < want-4 || n > want+4 {
					w.fatal("%d counts %d, not about %d, when 2 is off by %v", i+1, n, want, off)
				}
			}
			if n := w.timeNotes(); n != 4*(round+1) {
				w.fatal("told %d times after %d rounds; want each time by 1 and 3 of 2, and by 2 of both", n, round+1)
			}
			w.nodes[1].off = 0
			w.run(time.Second)
			before = w.wrongTimes()
			w.run(time.Second)
			if got := w.wrongTimes(); got != before {
				w.fatal("%v after %v, though all times fit", got, before)
			}
		}
	}
}

// TestWrongTimeOfThoseWhoJoin: nobody is blamed for a time that is to be replaced, nor blames others by it.
func TestWrongTimeOfThoseWhoJoin(t *testing.T) {
	w := newCells(t, 2, FastTimers, 30, 20, 10)
	w.window = time.Second
	w.bootAll()
	w.run(5 * time.Second)
	w.split([]ID{1, 2}, []ID{3})
	w.run(5 * time.Second)
	w.wantPrimary(1, 3)
	w.nodes[2].off = 3 * time.Minute // drifted apart
	w.heal()
	w.run(5 * time.Second)
	w.wantSettled()
	w.nodes[1].crash()
	w.run(2 * time.Second)
	w.nodes[1].boot()
	w.nodes[1].off = -time.Minute
	w.run(5 * time.Second)
	w.wantSettled()
	if got := w.wrongTimes(); got != [3]uint64{} || w.timeNotes() != 0 {
		w.fatal("%v", got)
	}
}

// TestNoTime: a group without a window has no wrong time.
func TestNoTime(t *testing.T) {
	w := newCells(t, 3, FastTimers, 30, 20, 10)
	w.bootAll()
	w.run(5 * time.Second)
	w.nodes[1].off = time.Hour
	w.run(5 * time.Second)
	if got := w.wrongTimes(); got != [3]uint64{} {
		w.fatal("%v", got)
	}
}
