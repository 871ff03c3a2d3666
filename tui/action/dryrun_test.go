package action

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// TestDryRun: each verb that changes a daemon has --dry-run, and with it no daemon is asked for a change.
func TestDryRun(t *testing.T) {
	f := sourcetest.Coop()
	var done, foreseen []string
	plan := func(what string) func(context.Context, control.PlanRequest) (*control.Plan, error) {
		return func(context.Context, control.PlanRequest) (*control.Plan, error) {
			done = append(done, what)
			return &control.Plan{Node: "n", Groups: []control.GroupPlan{}}, nil
		}
	}
	note := func(what string) (string, error) { done = append(done, what); return "done", nil }
	for i := range f.Nodes {
		n := &f.Nodes[i]
		n.Socket = filepath.Join(t.TempDir(), n.Name)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: n.Socket})
		if err != nil {
			t.Fatal(err)
		}
		s := control.NewServer(control.Handlers{
			Rekey:        func(context.Context, control.RekeyRequest) (string, error) { return note("rekey") },
			ClearMember:  func(context.Context, control.ClearMemberRequest) (string, error) { return note("clear") },
			ClearMembers: func(context.Context, control.ClearMembersRequest) (string, error) { return note("clear all") },
			RemoveMember: func(context.Context, control.RemoveMemberRequest) (string, error) { return note("remove") },
			Readmit:      func(context.Context, control.ReadmitRequest) (string, error) { return note("readmit") },
			Reregister:   func(context.Context, control.ReregisterRequest) (string, error) { return note("reregister") },
			Handover:     func(context.Context, control.HandoverRequest) (string, error) { return note("handover") },
			Rotate:       func(context.Context, control.RotateRequest) (string, error) { return note("rotate") },
			Stop:         func(context.Context) (string, error) { return note("stop") },
			Plan:         plan("plan"), Apply: plan("apply"),
			DryRun: func(_ context.Context, req any) (control.Reply, error) {
				foreseen = append(foreseen, n.Name)
				if _, ok := req.(control.PlanRequest); ok {
					return control.Reply{Plan: &control.Plan{Node: n.Name, Groups: []control.GroupPlan{}}, Unforeseen: "the weather"}, nil
				}
				return control.Reply{Text: "would be", Unforeseen: "the weather"}, nil
			},
		}, new(control.Journal))
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(l) }()
		t.Cleanup(func() { _ = s.Close(context.Background()); <-ended })
	}
	for _, v := range Verbs() {
		if v.Look || v.Lab {
			continue
		}
		words := []string{"--dry-run", "blue", "gm1"}
		if len(v.Args) < 2 {
			words = words[:2]
		}
		c, err := v.Parse(words)
		if err != nil || !v.Looks(c) {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		done, foreseen = nil, nil
		r, err := v.Run(t.Context(), f, c)
		did := strings.ReplaceAll(strings.Join(done, ","), "plan", "") // which apply asks for first, and which changes nothing
		if err != nil || strings.Trim(did, ",") != "" || foreseen == nil || !strings.Contains(r.Text, "not foreseen: the weather") {
			t.Errorf("%s: %q %v; done %q, foreseen by %q", v.Name, r.Text, err, done, foreseen)
		}
	}
}
