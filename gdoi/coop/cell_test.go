package coop

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// split cuts the ways between two sides; what is in neither is out of everybody's reach.
func (w *world) split(sides ...[]ID) {
	side := map[ID]int{}
	for i, s := range sides {
		for _, id := range s {
			side[id] = i + 1
		}
	}
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			w.cut[[2]ID{a.id, b.id}] = a != b && (side[a.id] != side[b.id] || side[a.id] == 0)
		}
	}
}

func (w *world) heal() { w.cut = map[[2]ID]bool{} }

func (w *world) primaries() (out []ID) {
	for _, n := range w.nodes {
		if n.up && !n.paused && n.cell.Role() == Primary {
			out = append(out, n.id)
		}
	}
	return out
}

func (w *world) wantPrimary(want ...ID) {
	w.t.Helper()
	if got := w.primaries(); !slices.Equal(got, want) {
		w.fatal("primaries %v; want %v", got, want)
	}
}

func (w *world) fatal(format string, args ...any) {
	w.t.Helper()
	w.t.Errorf(format, args...)
	w.t.Fatal(strings.Join(w.trace[max(0, len(w.trace)-80):], "\n"))
}

// wantSettled: one primary, everybody else in step with it, and all have the same.
func (w *world) wantSettled() {
	w.t.Helper()
	p := w.primaries()
	if len(p) != 1 {
		w.fatal("primaries %v; want one", p)
	}
	primary := w.nodes[p[0]-1]
	for _, n := range w.nodes {
		if !n.up || n == primary {
			continue
		}
		if id, _ := n.cell.Primary(); id != primary.id || !n.ready && n.digest == primary.digest {
			w.fatal("%d follows %d, ready %v: %s", n.id, id, n.ready, n.cell.why)
		}
		if a, b := slices.Sorted(maps.Keys(n.facts)), slices.Sorted(maps.Keys(primary.facts)); !slices.Equal(a, b) {
			w.fatal("%d has %v, %d has %v", n.id, a, primary.id, b)
		}
	}
	if primary.released != primary.head {
		w.fatal("%d has released %d of %d: waits for %s: %s", primary.id, primary.released, primary.head, primary.cell.Waiting(), w.dump())
	}
}

func (w *world) dump() (s string) {
	for _, n := range w.nodes {
		s += fmt.Sprintf("%d: %v term %d has %v follow %+v\n", n.id, n.cell.role, n.cell.term, n.cell.has, n.cell.follow)
		for _, p := range n.cell.peers {
			s += fmt.Sprintf("  %d: live %v mutual %v joined %v has %v sent %d acked %d\n", p.ID, p.live, n.cell.mutual(p), p.joined, p.has, p.sent, p.acked)
		}
	}
	return s
}

func (w *world) bootAll() {
	for _, n := range w.nodes {
		n.boot()
	}
}

func (n *testNode) change(fact string) {
	n.step(func(_ machine.Now, out machine.Effects) machine.Effects {
		if n.active {
			return n.make(fact, out)
		}
		n.reports++
		n.own = append(n.own, fact)
		n.facts[fact] = 0
		return append(out, machine.Persist{ID: n.cell.env.NextPersist(), Records: []machine.Record{{Key: fact, Value: []byte{1}}}})
	})
}

func TestElection(t *testing.T) {
	for _, c := range []struct {
		name       string
		priorities []int
		want       ID
	}{
		{"highest priority", []int{10, 100, 50}, 2},
		{"then highest address", []int{10, 10, 10}, 3},
		{"alone", []int{1}, 1},
		{"eight", []int{1, 2, 3, 9, 5, 6, 7, 8}, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newCells(t, 1, FastTimers, c.priorities...)
			w.bootAll()
			w.run(time.Second)
			w.wantPrimary(c.want)
			w.wantSettled()
			w.nodes[c.want-1].change("a")
			w.nodes[0].change("b") // reported, where it is not the primary
			w.run(time.Second)
			w.wantSettled()
			if len(w.nodes[0].facts) != 3 {
				t.Errorf("%v", w.nodes[0].facts)
			}
		})
	}
}

func TestDefaultTimersElectAsSoonAsAllAreThere(t *testing.T) {
	w := newCells(t, 1, DefaultTimers, 3, 2, 1)
	w.bootAll()
	w.run(time.Second)
	w.wantPrimary(1)
	w.wantSettled()
}

func TestDetectionIsUnderASecond(t *testing.T) {
	w := newCells(t, 1, FastTimers, 3, 2, 1)
	w.bootAll()
	w.run(5 * time.Second)
	w.nodes[0].crash()
	w.run(900 * time.Millisecond)
	w.wantPrimary(2)
	w.wantSettled()
}

func TestNoPreemption(t *testing.T) {
	w := newCells(t, 1, FastTimers, 3, 2, 1)
	w.nodes[1].boot()
	w.nodes[2].boot()
	w.run(5 * time.Second)
	w.wantPrimary(2)
	w.nodes[0].boot()
	w.run(5 * time.Second)
	w.wantPrimary(2)
	w.wantSettled()
	if w.nodes[0].boots != 1 || len(w.terms) != 1 {
		t.Errorf("terms %v; want one", w.terms)
	}
}

// TestEmptyKeyServerIsNotElected: the one of highest priority comes back without its records while the primary dies.
func TestEmptyKeyServerIsNotElected(t *testing.T) {
	w := newCells(t, 1, FastTimers, 3, 2, 1)
	w.bootAll()
	w.run(time.Second)
	w.nodes[0].crash()
	clear(w.nodes[0].disk)
	w.nodes[0].boot() // before anybody missed it
	w.run(5 * time.Second)
	w.wantPrimary(2)
	w.wantSettled()
}

func TestSplitAndMerge(t *testing.T) {
	w := newCells(t, 1, FastTimers, 5, 4, 3, 2, 1)
	w.bootAll()
	w.run(time.Second)
	w.split([]ID{1, 2}, []ID{3, 4, 5})
	w.run(3 * time.Second)
	w.wantPrimary(1, 3)
	w.nodes[0].change("left")
	w.nodes[4].change("right")
	w.nodes[2].change("its primary's") // which followed the other one before, in the same term
	w.run(time.Second)
	if i := w.nodes[0].cell.Info(w.clock()); len(i.Unreachable) != 3 || i.SplitSince.IsZero() {
		t.Errorf("info of a split: %+v", i)
	}
	w.heal()
	w.run(2 * time.Second)
	w.wantPrimary(1)
	w.wantSettled()
	if f := w.nodes[3].facts; len(f) != 5 {
		t.Errorf("facts %v; want both sides' and two takeovers", f)
	}
	if i := w.nodes[0].cell.Info(w.clock()); len(i.Unreachable) != 0 || !i.SplitSince.IsZero() {
		t.Errorf("info after a split: %+v", i)
	}
}

// TestOneWay: the primary is not heard by one that it hears itself, and then the other way round.
func TestOneWay(t *testing.T) {
	for _, cut := range [][2]ID{{1, 3}, {3, 1}} {
		w := newCells(t, 1, FastTimers, 3, 2, 1)
		w.bootAll()
		w.run(time.Second)
		w.cut[cut] = true
		w.run(5 * time.Second)
		w.wantPrimary(1)
		w.heal()
		w.run(5 * time.Second)
		w.wantPrimary(1)
		w.wantSettled()
	}
}

func TestPausedPrimaryAsksFirst(t *testing.T) {
	w := newCells(t, 1, FastTimers, 3, 2, 1)
	w.bootAll()
	w.run(time.Second)
	w.nodes[0].paused = true
	w.run(5 * time.Second)
	w.wantPrimary(2)
	w.nodes[0].paused = false
	w.run(20 * time.Millisecond)
	w.wantPrimary(2)
	w.run(time.Second)
	w.wantPrimary(2)
	w.wantSettled()
}

func TestHandover(t *testing.T) {
	results := func(n *testNode, to string) (out []gdoi.CommandResult) {
		n.step(func(now machine.Now, e machine.Effects) machine.Effects {
			e = n.cell.Handover(now, to, 7, e)
			for _, e := range e {
				if r, ok := e.(gdoi.CommandResult); ok {
					out = append(out, r)
				}
			}
			return e
		})
		return out
	}
	w := newCells(t, 1, FastTimers, 3, 2, 1)
	w.bootAll()
	w.run(time.Second)
	if r := results(w.nodes[1], "3"); len(r) != 1 || !strings.Contains(r[0].Err, "key server 1 at 10.0.0.1") {
		t.Errorf("a secondary answers %v", r)
	}
	if r := results(w.nodes[0], "9"); len(r) != 1 || r[0].Err == "" {
		t.Errorf("to nobody: %v", r)
	}
	w.nodes[0].change("last")
	if r := results(w.nodes[0], "10.0.0.3"); len(r) != 0 {
		t.Errorf("answered too early: %v", r)
	}
	w.run(100 * time.Millisecond)
	w.wantPrimary(3)
	w.run(time.Second)
	w.wantSettled()
	results(w.nodes[2], "")
	w.run(100 * time.Millisecond)
	w.wantPrimary(1)
	w.run(time.Second)
	w.wantSettled()
	if len(w.terms) != 3 {
		t.Errorf("terms %v; want three", w.terms)
	}
}

func TestOtherPolicy(t *testing.T) {
	w := newCells(t, 1, FastTimers, 3, 2, 1)
	w.nodes[1].digest = 7
	w.bootAll()
	w.run(2 * time.Second)
	w.wantPrimary(1)
	w.wantSettled()
	if n := w.nodes[1]; n.ready || !slices.Equal(n.cell.Info(w.clock()).Diff, []string{"- policy 0", "+ policy 7"}) {
		t.Errorf("ready %v, diff %q", n.ready, n.cell.diff)
	}
	w.nodes[0].crash()
	w.run(5 * time.Second)
	w.wantPrimary(3)
	w.nodes[1].digest = 0
	w.nodes[1].step(func(now machine.Now, out machine.Effects) machine.Effects {
		return w.nodes[1].cell.Configure(now, 2, nil, nil, out)
	})
	w.run(time.Second)
	w.wantSettled()
	if !w.nodes[1].ready {
		t.Error("it has the right policy now")
	}
}

// TestRandomFaults: whatever happens, afterwards there is one primary, and what was released is still there.
func TestRandomFaults(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		priorities := []int{1, 1, 1, 1, 1, 1, 1, 1}[:2+seed%7]
		w := newCells(t, seed, FastTimers, priorities...)
		for _, n := range w.nodes {
			n.prio = 1 + w.rng.IntN(4)
		}
		w.loss = float64(seed%4) * 0.05
		w.bootAll()
		fact := 0
		for range 40 {
			n := w.nodes[w.rng.IntN(len(w.nodes))]
			switch w.rng.IntN(10) {
			case 0:
				if n.up {
					w.log("crash %d", n.id)
					n.crash()
				}
			case 1, 2:
				if !n.up {
					w.log("boot %d", n.id)
					n.boot()
				}
			case 3:
				sides := make([][]ID, 1+w.rng.IntN(3))
				for _, n := range w.nodes {
					i := w.rng.IntN(len(sides))
					sides[i] = append(sides[i], n.id)
				}
				w.log("split %v", sides)
				w.split(sides...)
			case 4:
				w.log("heal")
				w.heal()
			case 5:
				if n.up {
					n.paused = !n.paused
					w.log("paused %d %v", n.id, n.paused)
				}
			default:
				if n.up && !n.paused && (n.active || n.ready) {
					fact++
					n.change("f" + string(rune('a'+fact%26)) + string(rune('a'+fact/26)))
				}
			}
			w.run(time.Duration(w.rng.IntN(700)) * time.Millisecond)
		}
		w.log("all is well")
		w.heal()
		w.loss = 0
		for _, n := range w.nodes {
			n.paused = false
			if !n.up {
				n.boot()
			}
		}
		w.run(30 * time.Second)
		w.wantSettled()
		all := map[string]bool{}
		for _, n := range w.nodes {
			for k := range n.disk {
				all[k] = true
			}
		}
		delete(all, stateKey)
		if len(w.nodes[0].facts) != len(all) {
			w.fatal("seed %d: something was lost: %v of %v", seed, w.nodes[0].facts, all)
		}
		if t.Failed() {
			w.fatal("seed %d", seed)
		}
	}
}

// TestTermThatComesTwice: a key server that has lost its disk begins with the first term again. Another one that was in step
// with the first term that it had does not take that for the same.
func TestTermThatComesTwice(t *testing.T) {
	w := newCells(t, 1, FastTimers, 2, 1)
	w.bootAll()
	w.run(time.Second)
	w.wantPrimary(1)
	w.nodes[0].change("old")
	w.run(time.Second)
	w.nodes[0].crash()
	w.nodes[1].crash()
	clear(w.nodes[0].disk)
	w.terms = map[uint64]ID{}
	w.nodes[0].boot()
	w.run(10 * time.Second)
	w.wantPrimary(1)
	w.nodes[1].boot()
	w.run(time.Second)
	w.wantPrimary(1)
	w.wantSettled()
	if _, ok := w.nodes[0].facts["old"]; !ok {
		t.Error("what the other one had was not handed over")
	}
}

// TestHostilePeer: nonsense, other people's numbers and terms without end change nothing.
func TestHostilePeer(t *testing.T) {
	w := newCells(t, 1, FastTimers, 3, 2, 1)
	w.bootAll()
	w.run(time.Second)
	n := w.nodes[1]
	for _, m := range []Message{
		&Status{From: 1, Priority: 65535, Role: Primary, Primary: 1, Term: 1, Sees: 255},
		&Status{From: 3, Term: maxTerm, Has: Version{maxTerm, 1}},
		&Status{From: 3, Has: Version{maxTerm, 1}},
		&Have{Version{1, 99}},
		&State{Term: n.cell.term, To: 9, Full: true},
		&Reported{n.cell.term, 99},
		&Handover{n.cell.term},
		&Rejoin{n.cell.term},
		&Broken{n.cell.term, "x"},
		&Join{Term: n.cell.term},
		&Report{Term: n.cell.term, N: 1, Records: []machine.Record{{Key: "x", Value: []byte{1}}}},
	} {
		_, isStatus := m.(*Status)
		for _, announce := range []bool{isStatus, !isStatus} {
			n.step(func(now machine.Now, out machine.Effects) machine.Effects {
				out, _ = n.cell.Receive(now, 3, Encode("1234", m), announce, false, 1<<40, out)
				return out
			})
		}
	}
	w.run(time.Second)
	w.wantPrimary(1)
	w.wantSettled()
	if n.cell.highest > 100 {
		t.Errorf("the highest term is %d", n.cell.highest)
	}
}
