package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getvpn/getvpn/lab/driver"
)

// bin is a directory with the programs, a place for labs, and the name of this test's lab.
type bin struct {
	t         *testing.T
	dir, name string
}

// TestMain makes a place for the programs, which a user without rights reaches too.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gvlbin")
	if err == nil {
		err = os.Chmod(dir, 0o755) //nolint:gosec // who tests wants to be let in
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// programs is where compile puts the real programs: what a user runs is what is tested.
var programs string

// compile makes them for the first test that asks for them.
var compile = sync.OnceValue(func() error {
	out, err := exec.Command("go", "build", "-o", programs+"/", "../../../daemon/cmd/getvpn-ks", "../../../daemon/cmd/getvpn-gm",
		"../../../tui/cmd/getvpn-tui", ".").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
})

// build gives a test the programs and a lab.
func build(t *testing.T) *bin {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the programs and runs whole labs")
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skipf("members need /dev/net/tun: %v", err)
	}
	if err := compile(); err != nil {
		t.Fatal(err)
	}
	b := &bin{t: t, dir: programs, name: fmt.Sprintf("gvlr%d", os.Getpid())}
	t.Setenv("GETVPN_LAB_DIR", t.TempDir())
	t.Setenv("GETVPN_BIN", b.dir)
	t.Cleanup(func() {
		if err := drivers.Down(b.name); err != nil {
			t.Error(err)
		}
	})
	return b
}

// lab is a command of getvpn-lab.
func (b *bin) lab(args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(b.dir, "getvpn-lab"), args...) //nolint:gosec // our own program
}

// result runs a program and returns its standard output and error, and whether it exited with 0.
func result(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, ok bool) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited { //nolint:errorlint // straight from Run
		t.Fatal(err)
	}
	return out.String(), errs.String(), err == nil
}

// succeeds is the standard output of a program, which must exit with 0.
func succeeds(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, errs, ok := result(t, cmd)
	if !ok {
		t.Fatalf("%v failed:\n%s%s", cmd.Args, out, errs)
	}
	return out
}

// decoded is what a program has written as JSON.
func decoded[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("this is no JSON: %v\n%s", err, text)
	}
	return v
}

// run is the result of getvpn-lab.
func (b *bin) run(args ...string) (stdout, stderr string, ok bool) {
	b.t.Helper()
	return result(b.t, b.lab(args...))
}

func (b *bin) must(args ...string) string {
	b.t.Helper()
	return succeeds(b.t, b.lab(args...))
}

// What an operator types, from up to down.
func TestCommands(t *testing.T) {
	b := build(t)
	b.must("up", "basic", "--name", b.name)
	status := func(node string) driver.NodeStatus {
		t.Helper()
		labs := decoded[[]driver.Status](t, b.must("status", "--json"))
		if len(labs) != 1 {
			t.Fatalf("status: %d labs", len(labs))
		}
		for _, n := range labs[0].Nodes {
			if n.Name == node {
				return n
			}
		}
		t.Fatalf("no node %s", node)
		return driver.NodeStatus{}
	}
	first := status("gm1")
	if !first.Running || !strings.Contains(first.Detail, "registered") {
		t.Errorf("gm1 after up: %+v", first)
	}
	b.must("kill", "gm1")
	if n := status("gm1"); n.Running || n.Wanted != driver.WantedKilled {
		t.Errorf("gm1 after kill: %+v", n)
	}
	if _, errs, ok := b.run("kill", "gm1"); ok || !strings.Contains(errs, "not running") {
		t.Errorf("killing a dead daemon: %q", errs)
	}
	b.must("start", "gm1")
	if n := status("gm1"); !n.Running || n.PID == first.PID {
		t.Errorf("gm1 after start: %+v", n)
	}
	b.must("pause", "gm2")
	if n := status("gm2"); !n.Running || n.Detail != driver.WantedPaused {
		t.Errorf("gm2 after pause: %+v", n)
	}
	if _, errs, ok := b.run("wipe", "gm2"); ok || !strings.Contains(errs, "is running") {
		t.Errorf("wiping what runs: %q", errs)
	}
	b.must("resume", "gm2")
	b.must("stop", "gm2")
	b.must("wipe", "gm2")
	b.must("start", "gm2")
	b.must("partition", "ks1/gm1", "--only", "control")
	if out := b.must("status"); !strings.Contains(out, "fault: partition ks1/gm1 only control") {
		t.Errorf("status does not show the partition:\n%s", out)
	}
	b.must("heal")
	b.must("partition", "ks1/gm1,gm2", "--for", "30s")
	if out := b.must("status"); !strings.Contains(out, "fault: partition ks1/gm1,gm2") {
		t.Errorf("status does not show the partition:\n%s", out)
	}
	b.must("heal")
	if out := b.must("exec", "h1", "--", "ls", "/sys/class/net"); out != "eth0\nlo\n" {
		t.Errorf("interfaces of h1: %q", out)
	}
	if out := b.must("logs", "ks1"); !strings.Contains(out, "gm-registered") {
		t.Errorf("log of ks1:\n%s", out)
	}
	for _, c := range []struct{ args, want string }{
		{"up basic --name " + b.name, "already up"},
		{"exec h9 -- ls", `no node "h9"`},
		{"kill h1", "has no daemon"},
		{"partition gm1", "exactly two sides"},
		{"token lose gm1", "so it has no token"},
		{"token eject gm1", "write lose or return"},
		{"up basic --driver paper", "no driver"},
		{"run nothing", "getvpn-lab list"}, {"run basik", "did you mean basic?"},
		{"run basic --only nothing", "no step"},
		{"run basic --sabotage --only reach", "--only has no place beside it"},
		{"run break-fix-1 --sabotage", "no sabotage: section"},
		{"run", "name one scenario"},
	} {
		if _, errs, ok := b.run(strings.Fields(c.args)...); ok || !strings.Contains(errs, c.want) {
			t.Errorf("%s: %q, want %q", c.args, errs, c.want)
		}
	}
	b.must("down")
	if _, errs, ok := b.run("kill", "gm1"); ok || !strings.Contains(errs, "not up") {
		t.Errorf("after down: %q", errs)
	}
	if out := b.must("list", "--json"); !strings.Contains(out, `"basic"`) {
		t.Errorf("list: %s", out)
	}
}
