package client

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
)

// TestKeys: each change has a key of its own, and what changes nothing has none: the daemon remembers only so many.
func TestKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	keys := map[string][]string{}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		keys[r.URL.String()] = append(keys[r.URL.String()], r.Header.Get(control.IdempotencyKey))
		_, _ = io.WriteString(w, "{}")
	})}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	c := New(path)
	for range 2 {
		for _, of := range []*Client{c, c.DryRun()} {
			if _, err := of.Rekey(t.Context(), control.RekeyRequest{}); err != nil {
				t.Fatal(err)
			}
			if _, err := of.Plan(t.Context(), control.PlanRequest{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if k := keys["/v1/rekey"]; len(k) != 2 || k[0] == "" || k[1] == "" || k[0] == k[1] {
		t.Errorf("changes have the keys %q", k)
	}
	for url, n := range map[string]int{"/v1/plan": 4, "/v1/rekey?dry_run=true": 2, "/v1/version": 2} {
		if len(keys[url]) != n {
			t.Errorf("%s was asked for %d times, want %d", url, len(keys[url]), n)
		}
		for _, k := range keys[url] {
			if k != "" {
				t.Errorf("%s has the key %q", url, k)
			}
		}
	}
}
