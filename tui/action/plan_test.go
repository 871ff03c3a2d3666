package action

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// servers are key servers that share group blue; the first is primary. Their plans say the access lists given.
func servers(t *testing.T, asked *[]string, digests ...string) *source.Fleet {
	t.Helper()
	f := &source.Fleet{}
	for i, digest := range digests {
		name := "ks" + string(rune('1'+i))
		answer := func(verb string) func(context.Context, control.PlanRequest) (*control.Plan, error) {
			return func(context.Context, control.PlanRequest) (*control.Plan, error) {
				*asked = append(*asked, verb+" "+name)
				g := control.GroupPlan{Group: "blue", Action: control.PlanChange, Is: digest}
				if digest == "refuse" {
					g.Refused = "an SA cannot change"
				}
				return &control.Plan{Node: name, Applied: verb == "apply", Groups: []control.GroupPlan{g}}, nil
			}
		}
		socket := filepath.Join(t.TempDir(), name)
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		s := control.NewServer(control.Handlers{Plan: answer("plan"), Apply: answer("apply")}, new(control.Journal))
		done := make(chan error, 1)
		ul, _ := l.(*net.UnixListener)
		go func() { done <- s.Serve(ul) }()
		t.Cleanup(func() { _ = s.Close(context.Background()); <-done })
		g := control.KSGroup{Name: "blue", Role: control.RoleSecondary, Coop: &control.Coop{ID: i + 1}}
		if i == 0 {
			g.Role = control.RolePrimary
		}
		f.Nodes = append(f.Nodes, source.Node{Name: name, Role: control.RoleKeyServer, Socket: socket, Connected: true,
			Snap: &control.Snapshot{KS: &control.KeyServer{Groups: []control.KSGroup{g}}}})
	}
	return f
}

// TestPlanEverywhere: all key servers of a group change, the primary last, or none does.
func TestPlanEverywhere(t *testing.T) {
	for _, row := range []struct {
		name    string
		digests []string
		apply   bool
		group   string
		asked   string
		err     string
	}{
		{"a plan", []string{"a", "a", "a"}, false, "blue", "plan ks2, plan ks3, plan ks1", ""},
		{"all of it", []string{"a", "a"}, true, "", "plan ks2, plan ks1, apply ks2, apply ks1", ""},
		{"one file was forgotten", []string{"a", "a", "b"}, true, "blue", "plan ks2, plan ks3, plan ks1", "ks3 b"},
		{"one refuses", []string{"refuse", "refuse"}, true, "blue", "plan ks2, plan ks1", "an SA cannot change; nothing was changed"},
		{"alone", []string{"a"}, true, "", "apply ks1", ""},
		{"no such group", []string{"a", "a"}, true, "red", "", "no attached key server has a group"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var asked []string
			plans, err := Plan(t.Context(), servers(t, &asked, row.digests...), row.group, false, row.apply)
			if got := strings.Join(asked, ", "); got != row.asked {
				t.Errorf("asked %s, want %s", got, row.asked)
			}
			switch {
			case row.err == "" && (err != nil || len(plans) != len(row.digests) || plans[0].Applied != row.apply):
				t.Errorf("%v, %v", plans, err)
			case row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err)):
				t.Errorf("%v, want %q", err, row.err)
			}
		})
	}
	var asked []string
	plans, err := Plan(t.Context(), servers(t, &asked, "a", "b"), "blue", false, false)
	if err != nil || !slices.ContainsFunc(plans[1].Warnings, func(w string) bool { return strings.Contains(w, "ks2 b") }) {
		t.Errorf("a plan of unlike files: %v, %v", plans, err)
	}
}
