package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// line runs a command line in this process, with a place for labs of its own, and returns what it said and the exit code that main
// gives it.
func line(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	understood := false
	c := root(&understood)
	c.SetArgs(args)
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	if err := c.ExecuteContext(t.Context()); err != nil {
		return stdout.String(), stderr.String() + err.Error(), exitCode(understood)
	}
	return stdout.String(), stderr.String(), 0
}

// TestExitCodes: 2 is a command line that makes no sense, 1 what failed.
func TestExitCodes(t *testing.T) {
	t.Setenv("GETVPN_LAB_DIR", t.TempDir())
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"time frobnicate", 2, "there is pause"}, {"time back", 2, "back what"}, {"time step x", 2, "duration"}, {"time x0", 2, "speed"},
		{"time a b c", 2, "at most 2"}, {"time", 1, "not up"},
		{"ladder", 2, "name one scenario"}, {"ladder basic --seed 1", 2, "name one scenario"}, {"ladder basic --exchange x", 2, "there is"},
		{"ladder nothing", 1, "basic"}, {"ladder --lab nothing", 1, "nothing"},
		{"run", 2, "name one scenario"}, {"run basic --all", 2, "name one scenario"},
		{"export basic --format pdf", 2, "compose"}, {"export nothing", 1, "basic"},
		{"frobnicate", 2, "unknown"},
	} {
		if _, errs, code := line(t, strings.Fields(c.line)...); code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit code %d, want %d: %q, want %q in it", c.line, code, c.code, errs, c.want)
		}
	}
}

// TestExport: the directory is made when it is not there.
func TestExport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if _, errs, code := line(t, "export", "basic", "-o", dir); code != 0 {
		t.Fatal(errs)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "docker-compose.yml")); err != nil || !bytes.Contains(b, []byte("services:")) {
		t.Errorf("%v\n%s", err, b)
	}
}
