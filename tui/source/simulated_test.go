package source

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/record"
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

// TestSimulatedTape: a recording of a simulated lab has its calendar, also of what was heard before that was known.
func TestSimulatedTape(t *testing.T) {
	virtual := time.Date(2026, 1, 1, 0, 5, 0, 0, time.UTC)
	s := newSource("x", "lab", func() []target { return nil })
	s.state, s.virtual = &LabState{Driver: "sim", raw: []byte("{}")}, true
	path := filepath.Join(t.TempDir(), "a.rec")
	tape, err := s.Record(path, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.nodes["ks1"] = &Node{Name: "ks1", Role: control.RoleKeyServer}
	for _, at := range []time.Duration{0, time.Hour} {
		s.take("ks1", control.Watch{Snapshot: &control.Snapshot{Name: "ks1", PID: 1, Time: virtual.Add(at)}})
	}
	if err := tape.Stop(); err != nil {
		t.Fatal(err)
	}
	rec, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if from, to := rec.Start(), rec.End(); rec.Len() != 4 || !from.Equal(virtual) || !to.Equal(virtual.Add(time.Hour)) {
		t.Errorf("%d frames from %v to %v", rec.Len(), from, to)
	}
}

// TestSimulatedTapeFromTheFirstLook: so has one that begins before it is known what the lab is, and that ends after the lab.
func TestSimulatedTapeFromTheFirstLook(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GETVPN_LAB_DIR", dir)
	state := filepath.Join(dir, "x", "lab.json")
	if err := os.Mkdir(filepath.Dir(state), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, []byte(`{"driver": "sim"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	virtual := time.Date(2026, 1, 1, 0, 5, 0, 0, time.UTC)
	s := Lab("x")
	path := filepath.Join(dir, "a.rec")
	tape, err := s.Record(path, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.look()
	s.adopt(target{name: "ks1", role: control.RoleKeyServer})
	for _, at := range []time.Duration{0, time.Hour} {
		s.take("ks1", control.Watch{Snapshot: &control.Snapshot{Name: "ks1", PID: 1, Time: virtual.Add(at)}})
	}
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	s.look()
	s.lost("ks1", nil)
	if err := tape.Stop(); err != nil {
		t.Fatal(err)
	}
	rec, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	if from, to := rec.Start(), rec.End(); rec.Len() != 6 || !from.Equal(virtual) || !to.Equal(virtual.Add(time.Hour)) {
		t.Errorf("%d frames from %v to %v", rec.Len(), from, to)
	}
}
