package source

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// node is a daemon of a simulated lab whose time stands at a moment.
func node(t *testing.T, dir, name string, pid int, at time.Time, events ...control.Event) (stop func()) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(dir, name+".sock"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/events", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(events) })
	mux.HandleFunc("/v1/watch", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(control.Watch{Snapshot: &control.Snapshot{Name: name, Role: control.RoleGroupMember, PID: pid, Time: at, GM: &control.GroupMember{}}})
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 30 * time.Second}
	go func() { _ = s.Serve(l) }()
	return func() { _ = s.Close() }
}

// TestTurnedBack: when time is turned back, the console goes from one moment to the other, and nothing of the future that was is left.
func TestTurnedBack(t *testing.T) {
	base, err := os.MkdirTemp("", "tb") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	t.Setenv("GETVPN_LAB_DIR", base)
	dir := filepath.Join(base, "x")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	describe := func(turned int) {
		state := LabState{Driver: "sim", Turned: turned}
		for _, name := range []string{"gm1", "gm2"} {
			state.Nodes = append(state.Nodes, LabNode{Name: name, Kind: "gm", Wanted: "running", Socket: filepath.Join(dir, name+".sock")})
		}
		b, err := json.Marshal(state)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "new"), b, 0o600)
		}
		if err == nil {
			err = os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "lab.json"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	later := time.Date(2026, 1, 1, 12, 5, 0, 0, time.UTC)
	now := later.Add(-4 * time.Minute)
	event := func(seq uint64, at time.Time, name string) control.Event {
		return control.Event{Seq: seq, Time: at, Node: "gm1", Name: name}
	}
	describe(0)
	stop1 := node(t, dir, "gm1", 1, later, event(1, now, "started"), event(2, later, "future"))
	stop2 := node(t, dir, "gm2", 2, later)
	s := Lab("x")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	both := func(f *Fleet) bool {
		return len(f.Nodes) == 2 && f.Nodes[0].Connected && f.Nodes[1].Connected && f.Nodes[0].Snap != nil && f.Nodes[1].Snap != nil
	}
	await(t, s, "both at the later moment", func(f *Fleet) bool { return both(f) && f.Time.Equal(later) && len(f.Events) == 2 })

	describe(1)
	stop1()
	stop2()
	defer node(t, dir, "gm1", 1_000_001, now, event(1, now, "started"), event(2, now, "time-turned-back"))()
	born := false
	f := await(t, s, "both at the moment of now", func(f *Fleet) bool {
		if !born && s.connected("gm1") { // the other one a little later
			born = true
			t.Cleanup(node(t, dir, "gm2", 1_000_002, now))
		}
		if !both(f) {
			t.Errorf("a picture without a daemon: %+v", f.Nodes)
		}
		for i := range f.Nodes {
			if f.Nodes[i].Snap == nil || !f.Nodes[i].Snap.Time.Equal(f.Time) {
				t.Errorf("at %v %s is of another moment: %+v", f.Time, f.Nodes[i].Name, f.Nodes[i].Snap)
			}
		}
		return f.Time.Equal(now) && len(f.Events) == 2
	})
	if f.Events[1].Name != "time-turned-back" {
		t.Errorf("the events are %+v", f.Events)
	}
}
