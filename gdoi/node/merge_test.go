package node

import (
	"fmt"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestForkAndMerge: two sides make keys of their own; when they meet again, nobody loses what it could read, after a moment
// all read all, after 2A all send with one key, and after 4A there is one epoch.
func TestForkAndMerge(t *testing.T) {
	r := newRealm(t, 9, nil)
	defer r.trail()
	a, b, c := r.servers[0], r.servers[1], r.servers[2]
	r.run(30 * time.Minute)
	r.split(0, 1, 1)
	r.elect(b, b, c)
	r.run(45 * time.Minute)
	if text := r.lost(twoSides); len(text) > 0 {
		t.Fatalf("during the split: %v", text)
	}
	if r.silent() == "" || r.one() {
		t.Fatal("the sides have not parted")
	}
	r.gaps = nil
	r.heal()
	if !r.merge(a, b) || r.merge(a, c) {
		t.Error("the first merge of a side has news, the second none")
	}
	r.run(time.Second)
	if text := r.silent(); text != "" {
		t.Errorf("a second after the merge: %s", text)
	}
	r.run(2*delay + time.Second)
	if !r.one() {
		t.Error("members send with different keys after 2A")
	}
	r.run(2 * delay)
	for _, s := range r.servers {
		if snap := s.group().Snapshot(r.now); len(snap.TEKs) != 1 || s.group().Merging() {
			t.Errorf("key server %d has %d TEKs after 4A", s.id, len(snap.TEKs))
		}
	}
	if r.notes[gdoi.NoteCoopMerge] != 1 || r.notes[gdoi.NoteCoopOneEpoch] == 0 {
		t.Errorf("%d merges, %d ends of them", r.notes[gdoi.NoteCoopMerge], r.notes[gdoi.NoteCoopOneEpoch])
	}
	if text := r.lost(twoSides); len(text) > 0 {
		t.Errorf("the merge cut off members of one side: %v", text)
	}
	r.gaps = nil
	r.run(3 * time.Hour)
	if text := r.lost(together); len(text) > 0 {
		t.Errorf("after the merge: %v", text)
	}
}

// meeting is what a test of two sides checks when they have met again: a moment later all read all, and nobody has lost what
// it could read.
func (r *realm) meeting(t *testing.T, what string, sideOf func(int) int) {
	t.Helper()
	r.run(delay / 2)
	if text := r.silent(); text != "" {
		t.Errorf("%s: after the merge: %s", what, text)
	}
	r.run(6 * delay)
	if !r.one() {
		t.Errorf("%s: members send with different keys after 6A", what)
	}
	for _, s := range r.servers {
		if n := len(s.group().Snapshot(r.now).TEKs); n > 2 || s.group().Merging() {
			t.Errorf("%s: key server %d has %d TEKs, merging %v", what, s.id, n, s.group().Merging())
		}
	}
	if text := r.lost(sideOf); len(text) > 0 {
		t.Errorf("%s: cut off: %v", what, text)
	}
	r.gaps = nil
	r.run(2 * time.Hour)
	if text := r.lost(together); len(text) > 0 {
		t.Errorf("%s: later: %v", what, text)
	}
}

// rekey makes new keys out of turn.
func (r *realm) rekey(s *realmServer, kek bool) {
	r.t.Helper()
	_, out, err := s.group().Rekey(r.now, kek, nil)
	r.must(err)
	r.do(s.addr, out)
}

func twoSides(i int) int { return min(i%3, 1) }

// TestMergeAtAnyTime: sides that part and meet in the midst of rollovers, of which they begin theirs at different times.
func TestMergeAtAnyTime(t *testing.T) {
	step := 50 * time.Second
	if testing.Short() {
		step = 3 * time.Minute
	}
	for _, parts := range []time.Duration{20 * time.Minute, 57*time.Minute + 50*time.Second, 58*time.Minute + 20*time.Second} {
		for meets := 59 * time.Minute; meets < 70*time.Minute; meets += step {
			what := fmt.Sprintf("apart from %v to %v", parts, meets)
			r := newRealm(t, 6, nil)
			r.run(parts - time.Duration(r.now.Mono))
			r.split(0, 1, 1)
			r.elect(r.servers[1], r.servers[1:]...)
			r.run(20 * time.Second)
			if r.now.Mono < machine.Instant(50*time.Minute) {
				r.rekey(r.servers[1], true) // beside the schedule
			}
			r.run(meets - time.Duration(r.now.Mono))
			if text := r.lost(twoSides); len(text) > 0 {
				t.Fatalf("%s: before the merge: %v", what, text)
			}
			r.gaps = nil
			r.heal()
			r.merge(r.servers[0], r.servers[1])
			r.merge(r.servers[0], r.servers[2])
			r.meeting(t, what, twoSides)
			r.trail()
			if t.Failed() {
				return
			}
		}
	}
}
