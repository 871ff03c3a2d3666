package coop

import (
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// custody tells a key server that its key custody is gone, or there ("").
func (n *testNode) custody(problem string) {
	n.step(func(now machine.Now, out machine.Effects) machine.Effects { return n.cell.Custody(now, problem, out) })
}

func TestTransportKeysAreTold(t *testing.T) {
	w := newCells(t, 1, FastTimers, 3, 2, 1)
	w.bootAll()
	w.run(time.Second)
	w.nodes[2].crash()
	w.run(time.Second)
	w.nodes[2].boot() // and has forgotten all
	w.run(time.Second)
	w.nodes[0].step(func(now machine.Now, out machine.Effects) machine.Effects {
		return w.nodes[0].cell.Configure(now, 3, nil, []byte("another token"), out)
	})
	w.run(time.Second)
	for _, n := range w.nodes {
		for _, o := range w.nodes {
			want := string([]byte{byte(o.id)})
			if o.id == 1 {
				want = "another token"
			}
			if got := n.transports[o.id]; n != o && got != want {
				t.Errorf("key server %d knows the transport key %q of key server %d; want %q", n.id, got, o.id, want)
			}
		}
	}
}

func TestCustodyLost(t *testing.T) {
	w := newCells(t, 1, FastTimers, 3, 2, 1)
	w.bootAll()
	w.run(time.Second)
	a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]

	a.custody("a blink")
	w.run(custodyGrace / 2)
	if a.custody(""); a.cell.Role() != Primary {
		t.Error("a blink of the custody moves the primary")
	}
	w.run(custodySteady)
	w.wantPrimary(1)
	w.wantSettled()

	a.custody("pulled out")
	if a.cell.said.Ready || a.cell.said.Eligible {
		t.Error("it says that it is well while its custody is gone")
	}
	w.run(custodyGrace + 200*time.Millisecond)
	w.wantPrimary(2)
	w.run(time.Second)
	if a.ready || !strings.Contains(a.cell.why, "pulled out") {
		t.Errorf("a secondary without custody: ready %v, %q", a.ready, a.cell.why)
	}

	// It is back, but has not shown that it stays.
	a.custody("")
	w.run(time.Second)
	w.wantPrimary(2)
	w.wantSettled()
	b.custody("pulled out")
	w.run(custodyGrace + 200*time.Millisecond)
	w.wantPrimary(3)

	// Nobody has one: whoever is primary stays it, until somebody is well again.
	a.custody("pulled out")
	c.custody("pulled out")
	w.run(10 * time.Second)
	w.wantPrimary(3)
	b.custody("")
	w.run(custodySteady + custodyRetry + 200*time.Millisecond)
	w.wantPrimary(2)
	for _, n := range w.nodes {
		n.custody("")
	}
	w.run(custodySteady + time.Second)
	w.wantPrimary(2)
	w.wantSettled()
	if len(w.terms) != 4 {
		t.Errorf("terms %v; want four", w.terms)
	}
}

// TestCustodyLostBesideAHungKeyServer: the next in order hangs, and is not missed yet; the one after it becomes primary.
func TestCustodyLostBesideAHungKeyServer(t *testing.T) {
	w := newCells(t, 1, DefaultTimers, 3, 2, 1)
	w.bootAll()
	w.run(2 * time.Minute)
	w.wantPrimary(1)
	w.nodes[1].crash()
	w.nodes[0].change("a") // which it does not confirm
	w.nodes[0].custody("pulled out")
	w.run(custodyGrace + handoverPatience + 6*custodyRetry)
	if w.nodes[0].cell.peers[0].live != true {
		t.Fatal("the dead one was missed already: the test shows nothing")
	}
	if w.nodes[2].cell.Role() != Primary {
		t.Error("nobody has taken over")
	}
}

// Whoever does not have the keys in its custody yet is in step, but of no use to members, nor as primary.
func TestKeysThatCannotBeUsed(t *testing.T) {
	w := newCells(t, 1, FastTimers, 3, 2, 1)
	w.bootAll()
	w.run(time.Second)
	w.nodes[1].unusable = "a KEK is on its way"
	w.nodes[0].change("a") // something happens in the other processes
	w.run(time.Second)
	if n := w.nodes[1]; n.ready || n.cell.why != n.unusable || n.cell.said.Eligible {
		t.Errorf("ready %v, %q, eligible %v", n.ready, n.cell.why, n.cell.said.Eligible)
	}
	w.nodes[0].crash()
	w.run(time.Second)
	w.wantPrimary(3)
	w.nodes[1].unusable = ""
	w.run(time.Second)
	w.wantSettled()
}

// TestCustodyThatIsFull: whoever cannot make keys serves members, and somebody else is primary.
func TestCustodyThatIsFull(t *testing.T) {
	w := newCells(t, 1, FastTimers, 3, 2, 1)
	w.bootAll()
	w.run(time.Second)
	a, b := w.nodes[0], w.nodes[1]
	a.full, b.full = "it is full", "it is full"
	a.change("a")
	w.run(custodyGrace + 300*time.Millisecond)
	w.wantPrimary(3)
	w.run(time.Second)
	w.wantSettled() // all are ready
	a.full, b.full = "", ""
	w.run(custodySteady)
	w.wantPrimary(3)
}
