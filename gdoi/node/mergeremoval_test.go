package node

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// remove takes a member out of the group at one key server.
func (r *realm) remove(s *realmServer, i int) error {
	_, out, err := s.group().Remove(r.now, []string{r.members[i].addr.Addr().String()}, false, nil)
	r.do(s.addr, out)
	return err
}

// reads says whose traffic a member can read.
func (r *realm) reads(i int) (out []int) {
	for j, m := range r.members {
		if _, ok := r.members[i].holds[m.sending]; ok && i != j && !slices.Contains(r.removed, j) {
			out = append(out, j)
		}
	}
	return out
}

func (r *realm) removedReadNothing(what string) {
	r.t.Helper()
	for _, i := range r.removed {
		if who := r.reads(i); len(who) > 0 {
			r.t.Errorf("%s: the removed %d reads %v", what, i, who)
		}
	}
}

// TestMergeAfterRemovals: members removed on either side, or on both, read nothing when the sides are one again; the others
// lose nothing.
func TestMergeAfterRemovals(t *testing.T) {
	for _, c := range []struct {
		name          string
		winner, loser []int
		at            time.Duration
	}{
		{"by the winner, its own", []int{3}, nil, 40 * time.Minute},
		{"by the winner, one over there", []int{4}, nil, 40 * time.Minute},
		{"by the loser, its own", nil, []int{4}, 40 * time.Minute},
		{"by the loser, one of ours", nil, []int{3}, 40 * time.Minute},
		{"by both, each its own", []int{3}, []int{4}, 40 * time.Minute},
		{"by both, each one over there", []int{4}, []int{3}, 40 * time.Minute},
		{"by the loser, in a rollover", nil, []int{3}, 58*time.Minute + 30*time.Second},
		{"by the winner, in a rollover", []int{4}, nil, 58*time.Minute + 30*time.Second},
	} {
		for _, after := range []time.Duration{500 * time.Millisecond, 20 * time.Second, 5 * time.Minute, 40 * time.Minute} {
			what := fmt.Sprintf("%s, %v before the merge", c.name, after)
			r := newRealm(t, 9, nil)
			a, b := r.servers[0], r.servers[1]
			r.run(10 * time.Minute)
			r.split(0, 1, 1)
			r.elect(b, r.servers[1:]...)
			r.run(c.at - time.Duration(r.now.Mono))
			for _, i := range c.winner {
				r.must(r.remove(a, i))
				r.replicate()
			}
			for _, i := range c.loser {
				r.must(r.remove(b, i))
				r.replicate()
			}
			r.removed = append(slices.Clone(c.winner), c.loser...)
			r.run(after)
			r.gaps = nil
			r.heal()
			r.merge(a, b)
			r.merge(a, r.servers[2])
			r.run(3 * delay)
			if text := r.silent(); text != "" {
				t.Errorf("%s: %s", what, text)
			}
			r.removedReadNothing(what + ", after 3A")
			r.run(5 * delay)
			if text := r.lost(twoSides); len(text) > 0 {
				t.Errorf("%s: cut off: %v", what, text)
			}
			r.removedReadNothing(what)
			for _, s := range r.servers {
				if n := len(s.group().Snapshot(r.now).Removed); n != len(r.removed) {
					t.Errorf("%s: key server %d refuses %d", what, s.id, n)
				}
			}
			r.gaps = nil
			r.run(90 * time.Minute)
			if text := r.lost(together); len(text) > 0 {
				t.Errorf("%s: later: %v", what, text)
			}
			if r.trail(); t.Failed() {
				return
			}
		}
	}
}
