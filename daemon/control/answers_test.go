package control_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/controltest"
)

// TestRoutes: what is described is served, and what is served is described; each answer of a running server is as described.
// (Those of real daemons: package ks.)
func TestRoutes(t *testing.T) {
	d := start(t)
	d.journal.Add(control.Event{Name: "one", Severity: "info", Fields: map[string]string{"a": "b"}})
	s := controltest.New(t, d.path)
	var table []string
	for _, r := range control.Routes() {
		table = append(table, r.Method+" "+r.Path)
	}
	if d := cmp.Diff(table, s.Routes(), cmpopts.SortSlices(strings.Compare)); d != "" {
		t.Errorf("-table +description: %s", d)
	}
	s.Look()
	offered := map[string]bool{"/v1/rekey": true, "/v1/stop": true}
	for _, r := range control.Routes() {
		if r.Method != "POST" {
			continue
		}
		status, text := s.Ask(r.Method, r.Path, "{}")
		known := !strings.Contains(string(text), "/v1/openapi.json describes")
		if !known || offered[r.Path] == (status == 404) {
			t.Errorf("%s: %d %s", r.Path, status, text)
		}
		if status, text := s.Ask(r.Method, r.Path, `{"nonsense":1}`); status/100 != 4 {
			t.Errorf("%s: a field that there is not: %d %s", r.Path, status, text)
		}
		if status, text := s.Ask(r.Method, r.Path+"?dryrun=true", "{}"); status/100 != 4 {
			t.Errorf("%s: a parameter that there is not: %d %s", r.Path, status, text)
		}
	}
}
