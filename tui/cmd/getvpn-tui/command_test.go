package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// serve answers as a key server on a control socket of its own, and returns the socket's path.
func serve(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ks1.sock")
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	snap := *sourcetest.Fleet().Nodes[0].Snap
	s := control.NewServer(control.Handlers{
		Snapshot: func(context.Context) (*control.Snapshot, error) { c := snap; c.Time = time.Now(); return &c, nil },
		Rekey: func(_ context.Context, r control.RekeyRequest) (string, error) {
			if r.KEK {
				return "", control.Refused("a KEK is on its way already; wait for it")
			}
			return "new TEK for " + r.Group, nil
		},
		RemoveMember: func(_ context.Context, r control.RemoveMemberRequest) (string, error) {
			return strings.Join(r.Members, "+") + " removed", nil
		},
		Plan: func(context.Context, control.PlanRequest) (*control.Plan, error) {
			return &control.Plan{Node: "ks1", File: "ks.yml", Groups: []control.GroupPlan{{Group: "blue", Action: control.PlanUnchanged, Was: "a", Is: "a"}}}, nil
		},
		DryRun: func(_ context.Context, r any) (control.Reply, error) {
			if r.(control.RekeyRequest).KEK {
				return control.Reply{}, control.Refused("a KEK is on its way already; wait for it")
			}
			return control.Reply{Text: "a new TEK", Unforeseen: "the weather"}, nil
		},
	}, &control.Journal{})
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(context.Background()); <-done })
	return path
}

// runLine runs a command line and returns what it printed and the exit code that main gives it.
func runLine(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	c := command()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(io.Discard)
	err := c.ExecuteContext(t.Context())
	return out.String(), exitCode(err)
}

// TestVerbs: what a verb prints and how it exits.
func TestVerbs(t *testing.T) {
	socket := serve(t)
	for _, row := range []struct {
		line string
		code int
		want string
	}{
		{"rekey blue", 0, "ks1: new TEK for blue\n"},
		{"rekey blue --json", 0, `"done": true`},
		{"rekey blue --dry-run", 0, "ks1: dry run, nothing is done: a new TEK (not foreseen: the weather)\n"},
		{"rekey blue --dry-run --json", 0, "\"done\": false"}, {"rekey blue --dry-run --kek", 1, ""},
		{"rekey blue --kek", 1, ""},
		{"rekey blue --kek --json", 1, `"error": "ks1: a KEK is on its way already; wait for it"`},
		{"rekey green --json", 1, `no attached key server has a group`},
		{"rekey", 2, ""}, {"rekey blue --what", 2, ""}, {"nonsense", 2, ""}, {"remove-member blue", 2, ""},
		{"partition ks1", 2, ""}, {"partition ks1/", 2, ""}, {"partition ks1/gm1/gm2", 2, ""}, {"partition ks1/gm1", 1, ""},
		{"remove-member blue 172.16.1.2 172.16.2.2", 0, "172.16.1.2+172.16.2.2 removed"},
		{"plan blue", 0, "group blue: unchanged"}, {"plan blue --json", 0, `"node": "ks1"`},
		{"kill gm1", 1, ""}, {"kill gm1 --json", 1, "--lab NAME"}, {"apply", 1, ""},
		{"show members", 0, "● registered"}, {"show members green", 1, ""}, {"show nothing", 2, ""}, {"show keys --json", 0, `"kind": "TEK"`},
		{"show rekey blue --json", 0, `"lost": [`}, {"show members --filter seq<12 --format csv", 0, "172.16.3.2"}, {"show members --filter what=1", 2, ""},
		{"show members --sort what", 2, ""}, {"show members --format pdf", 2, ""}, {"show overview", 0, "GROUP blue"},
	} {
		out, code := runLine(t, append(strings.Fields(row.line), "--socket", socket)...)
		if code != row.code || !strings.Contains(out, row.want) {
			t.Errorf("%s: exit code %d, want %d; printed %q, want %q in it", row.line, code, row.code, out, row.want)
		}
		if strings.Contains(row.line, "--json") && !json.Valid([]byte(out)) {
			t.Errorf("%s: not JSON: %q", row.line, out)
		}
	}
	if _, code := runLine(t, "show", "members", "--socket", socket+".gone"); code != 1 {
		t.Errorf("nobody there: exit code %d", code)
	}
	if exitCode(errors.New("usage")) != 2 || exitCode(nil) != 0 {
		t.Error("exit codes")
	}
}

// TestCompletion: a shell is told groups and members.
func TestCompletion(t *testing.T) {
	out, _ := runLine(t, "__complete", "--socket", serve(t), "remove-member", "blue", "172.16.3")
	if !strings.HasPrefix(out, "172.16.3.2\n") {
		t.Errorf("completes to %q", out)
	}
}

// TestHistory: commands come back in the next console, the newest of them.
func TestHistory(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	if got := readHistory(); got != nil {
		t.Errorf("a history from nowhere: %q", got)
	}
	lines := []string{}
	for i := range keepHistory + 5 {
		lines = append(lines, fmt.Sprintf("node gm%d", i))
	}
	writeHistory(lines)
	if got := readHistory(); len(got) != keepHistory || got[0] != "node gm5" || got[len(got)-1] != lines[len(lines)-1] {
		t.Errorf("%d lines, from %q", len(got), got[0])
	}
}
