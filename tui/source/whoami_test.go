package source

import (
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

// TestOperator: whether a daemon takes commands from here is what it says itself; one that does not say takes none.
func TestOperator(t *testing.T) {
	for _, row := range []struct {
		name, whoami string
		want         bool
	}{
		{"operator", `{"caller":"operator","may":["rekey"]}`, true},
		{"viewer", `{"caller":"viewer","may":[]}`, false},
		{"old", "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ks1.sock")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			mux := http.NewServeMux()
			answer := func(path, text string) {
				mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
			}
			answer("GET /v1/snapshot", `{"name":"ks1","role":"ks","ks":{"groups":[]}}`)
			answer("GET /v1/events", `[]`)
			if row.whoami != "" {
				answer("GET /v1/whoami", row.whoami)
			}
			srv := &http.Server{Handler: mux}
			done := make(chan error, 1)
			go func() { done <- srv.Serve(l) }()
			t.Cleanup(func() { _ = srv.Close(); <-done })
			f := Socket(path).Once(t.Context())
			if len(f.Nodes) != 1 || !f.Nodes[0].Connected || f.Nodes[0].Operator != row.want {
				t.Errorf("%+v, want operator %t", f.Nodes, row.want)
			}
		})
	}
}
