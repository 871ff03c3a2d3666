package source

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// TestSimulatedTime: in a simulated lab it is as late as its daemons say, and who is silent longer than the others is told from
// time that stands for all.
func TestSimulatedTime(t *testing.T) {
	virtual := time.Date(2026, 1, 1, 0, 5, 0, 0, time.UTC)
	s := newSource("x", "lab", func() []target { return nil })
	s.state = &LabState{Driver: "sim"}
	wall := time.Now().Add(-time.Minute) // nobody has said a word for a minute
	for name, ago := range map[string]time.Duration{"ks1": 0, "gm1": time.Second, "gm2": 20 * time.Second} {
		n := &Node{Name: name}
		n.hear(control.Watch{Snapshot: &control.Snapshot{Name: name, Time: virtual.Add(-ago)}}, wall.Add(-ago))
		s.nodes[name] = n
	}
	f := s.Fleet()
	if !f.Time.Equal(virtual) {
		t.Errorf("it is %v, want %v", f.Time, virtual)
	}
	for name, want := range map[string]time.Duration{"ks1": 0, "gm1": time.Second, "gm2": 20 * time.Second} {
		if got := f.Node(name).Age(f.Time); got != want {
			t.Errorf("%s was heard %v ago, want %v", name, got, want)
		}
	}
	if s.nodes["gm2"].Seen != wall.Add(-20*time.Second) {
		t.Error("what is kept was changed")
	}
	s.state.Driver = "netns"
	if f := s.Fleet(); time.Since(f.Time) > time.Minute || f.Node("ks1").Age(f.Time) < time.Minute {
		t.Errorf("with real daemons it is %v, and ks1 was heard %v ago", f.Time, f.Node("ks1").Age(f.Time))
	}
}
