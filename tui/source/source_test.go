package source

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// daemon is a control socket that serves one snapshot and one event on its watch stream and then waits.
func daemon(t *testing.T, path string, pid int) (stop func()) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	snap := &control.Snapshot{Name: "gm1", Role: control.RoleGroupMember, PID: pid, Time: time.Now(), GM: &control.GroupMember{}}
	first := control.Event{Seq: 1, Time: time.Now(), Node: "gm1", Name: "started"}
	second := control.Event{Seq: 2, Time: time.Now(), Node: "gm1", Name: "registered"}
	mux.HandleFunc("/v1/events", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode([]control.Event{first, second})
	})
	mux.HandleFunc("/v1/watch", func(w http.ResponseWriter, r *http.Request) {
		enc := json.NewEncoder(w)
		_ = enc.Encode(control.Watch{Snapshot: snap})
		_ = enc.Encode(control.Watch{Event: &second})
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 30 * time.Second}
	go func() { _ = s.Serve(l) }()
	return func() { _ = s.Close() }
}

// await reads fleets until one fits.
func await(t *testing.T, s *Source, what string, fits func(*Fleet) bool) *Fleet {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		f, ok := s.Next(ctx)
		if !ok {
			t.Fatalf("never saw: %s; last fleet %+v", what, s.Fleet())
		}
		if fits(f) {
			return f
		}
	}
}

func TestReconnects(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gm1.sock")
	stop := daemon(t, path, 1)
	s := Dir(dir)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	f := await(t, s, "a connected node with both events", func(f *Fleet) bool { return len(f.Nodes) == 1 && f.Nodes[0].Connected && len(f.Events) == 2 })
	if f.Nodes[0].Role != control.RoleGroupMember || f.Events[0].Name != "started" {
		t.Errorf("fleet is %+v", f)
	}
	stop()
	f = await(t, s, "a lost node", func(f *Fleet) bool { return !f.Nodes[0].Connected })
	if f.Nodes[0].Snap == nil || f.Nodes[0].Problem == "" {
		t.Errorf("a lost node must keep its data and say why: %+v", f.Nodes[0])
	}
	stop = daemon(t, path, 2)
	defer stop()
	f = await(t, s, "the restarted daemon and its journal", func(f *Fleet) bool { return f.Nodes[0].Connected && len(f.Events) == 4 })
	if f.Nodes[0].Snap.PID != 2 {
		t.Errorf("pid %d", f.Nodes[0].Snap.PID)
	}
	cancel()
	<-done
}

// A daemon that hangs keeps its socket and says nothing; the others are shown all the same, those listed after it too.
func TestOnceWithOneThatHangs(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "a.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	live, err := net.Listen("unix", filepath.Join(dir, "b.sock"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/snapshot", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(&control.Snapshot{Name: "b", Role: control.RoleGroupMember, Time: time.Now(), GM: &control.GroupMember{}})
	})
	mux.HandleFunc("/v1/events", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode([]control.Event{}) })
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 30 * time.Second}
	go func() { _ = s.Serve(live) }()
	defer s.Close()
	f := Dir(dir).Once(t.Context())
	if a, b := f.Node("a"), f.Node("b"); a == nil || a.Connected || b == nil || !b.Connected {
		t.Fatalf("one hangs and one answers, but: %+v", f.Nodes)
	}
}
