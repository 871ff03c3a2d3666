package live

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

// staged is the plan of a built-in scenario.
func staged(t *testing.T, name string) *Plan {
	t.Helper()
	s, err := topologies.Load(name, scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := &Plan{Seed: 1, Epoch: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	if err := p.Stage(s, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	return p
}

func advance(t *testing.T, r *Run, until time.Duration) {
	t.Helper()
	if ok, err := r.Advance(until, 1<<40); !ok || err != nil {
		t.Fatalf("at %v, not %v: %v", r.Now(), until, err)
	}
}

func give(t *testing.T, r *Run, o Order) {
	t.Helper()
	if _, err := r.Give(o); err != nil {
		t.Fatal(err)
	}
}

// TestBackAndFork: a run that has gone back and on again, with everything that was done to it, is the same run, to every octet;
// so is another one of the same plan; and one in which something else is done is another one.
func TestBackAndFork(t *testing.T) {
	p := staged(t, "coop-failover")
	r := NewRun(p, nil)
	advance(t, r, 10*time.Second)
	if r.Sim().Check.Registered() != 8 || r.Sim().Primary().Name != "ks1" {
		t.Fatalf("%d members, primary %s", r.Sim().Check.Registered(), r.Sim().Primary().Name)
	}
	give(t, r, Order{Verb: VerbKill, Node: "ks1"})
	advance(t, r, 12*time.Second)
	if got := r.Sim().Primary().Name; got != "ks3" {
		t.Fatalf("%s is primary", got)
	}
	if said, err := r.StepEvent(20 * time.Second); said == "" || err != nil { // between two events of one instant, perhaps
		t.Fatal(said, err)
	}
	give(t, r, Order{Verb: "rekey", Node: "ks3", Body: []byte(`{"group":"blue"}`)})
	give(t, r, Order{Verb: VerbPartition, Sides: "p1/p2", For: 5 * time.Second})
	advance(t, r, 14*time.Second)
	at14 := r.Sim().TraceHash()
	advance(t, r, 15*time.Second)
	give(t, r, Order{Verb: VerbStart, Node: "ks1"})
	advance(t, r, 60*time.Second)
	at60 := r.Sim().TraceHash()

	if err := r.Goto(t.Context(), 11*time.Second); err != nil {
		t.Fatal(err)
	}
	if r.Ahead() != 3 || r.Sim().KS().Up() {
		t.Errorf("%d orders ahead; ks1 runs: %v", r.Ahead(), r.Sim().KS().Up())
	}
	for _, x := range []struct {
		at   time.Duration
		hash [32]byte
	}{{14 * time.Second, at14}, {60 * time.Second, at60}} {
		if err := r.Goto(t.Context(), x.at); err != nil {
			t.Fatal(err)
		}
		if r.Sim().TraceHash() != x.hash {
			t.Errorf("played again, the run is another one at %v", x.at)
		}
	}
	fork := &Plan{Seed: p.Seed, Epoch: p.Epoch, Orders: p.Orders[:1:1]}
	if err := fork.Stage(p.scenario, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	other := NewRun(fork, nil)
	advance(t, other, 60*time.Second)
	if other.Sim().TraceHash() == at60 {
		t.Error("without the later orders the run is the same")
	}
	fork.Orders = p.Orders
	other = NewRun(fork, nil)
	advance(t, other, 60*time.Second)
	if other.Sim().TraceHash() != at60 {
		t.Error("another run of the same plan is another one")
	}
	// A new order makes those of later times void.
	if err := r.Goto(t.Context(), 11*time.Second); err != nil {
		t.Fatal(err)
	}
	give(t, r, Order{Verb: VerbStart, Node: "ks1"})
	if advance(t, r, 60*time.Second); r.Ahead() != 0 || len(p.Orders) != 2 || r.Sim().TraceHash() == at60 {
		t.Errorf("%d orders ahead, %d orders", r.Ahead(), len(p.Orders))
	}
	if v := r.Sim().Check.Violations(); len(v) > 0 {
		t.Errorf("%v", v)
	}
}

// TestStage: which scenarios the simulator carries; the others say what it has no model of.
func TestStage(t *testing.T) {
	carried := 0
	for _, name := range topologies.Names() {
		s, err := topologies.Load(name, scenario.Options{})
		if err != nil {
			t.Fatal(err)
		}
		p := &Plan{Seed: 1, Epoch: time.Unix(1.7e9, 0)}
		if err := p.Stage(s, t.TempDir()); err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		carried++
		r := NewRun(p, nil)
		advance(t, r, 15*time.Second)
		want := 0
		for _, m := range r.plan.config.Cast.Members {
			if !m.Manual && slices.ContainsFunc(m.GM.Groups, func(g config.GMGroup) bool { return g.Name == r.Sim().Group() }) {
				want++
			}
		}
		if got := r.Sim().Check.Registered(); got != want {
			t.Errorf("%s: %d of %d members have registered", name, got, want)
		}
	}
	t.Logf("%d of %d scenarios", carried, len(topologies.Names()))
	if carried < 10 {
		t.Error("too few")
	}
}

// TestSabotaged: the process of a lab, which reads its scenario again, knows and says that it is broken on purpose.
func TestSabotaged(t *testing.T) {
	s, err := topologies.Load("coop-recovery", scenario.Options{Sabotage: true})
	if err != nil {
		t.Fatal(err)
	}
	dir, p := t.TempDir(), &Plan{Seed: 1, Epoch: time.Unix(1.7e9, 0)}
	if err := errors.Join(p.Stage(s, dir), p.write(dir), os.WriteFile(filepath.Join(dir, "scenario.yaml"), s.Text, 0o600)); err != nil {
		t.Fatal(err)
	}
	again, err := readPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	sc, err := again.read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Stage(sc, dir); err != nil {
		t.Fatal(err)
	}
	if server, err := NewServer(t.Context(), "test", dir, again); err != nil || !server.state().Sabotaged {
		t.Errorf("lab.json does not say that it is broken on purpose (%v)", err)
	}
}
