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
		return stdout.String(), stderr.String() + err.Error(), exitCode(understood, err)
	}
	return stdout.String(), stderr.String(), 0
}

// ends is a command line, the exit code that main gives it, and what must be in what it says: the error or, without one, the output.
type ends struct {
	line string
	code int
	want string
}

func (c ends) check(t *testing.T) {
	t.Helper()
	out, said, code := line(t, strings.Fields(c.line)...)
	if code == 0 {
		said = out
	}
	if code != c.code || !strings.Contains(said, c.want) {
		t.Errorf("%s: exit code %d, want %d: %q, want %q in it", c.line, code, c.code, said, c.want)
	}
}

// halfALab is a place for labs where one is that did not get further than its directory.
func halfALab(t *testing.T) (base string) {
	t.Helper()
	base = t.TempDir()
	t.Setenv("GETVPN_LAB_DIR", base)
	if err := os.Mkdir(filepath.Join(base, "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	return base
}

// TestExitCodes: 2 is a command line that makes no sense, 1 what failed.
func TestExitCodes(t *testing.T) {
	halfALab(t)
	for _, c := range []ends{
		{"time frobnicate", 2, "there is pause"}, {"time back", 2, "back what"}, {"time step x", 2, "duration"}, {"time x0", 2, "speed"},
		{"time a b c", 2, "at most 2"}, {"time --lab xyz", 1, "not up"},
		{"ladder", 2, "name one scenario"}, {"ladder basic --seed 1", 2, "name one scenario"}, {"ladder basic --exchange x", 2, "there is"},
		{"ladder nothing", 2, "list"}, {"ladder --lab nothing", 1, "nothing"},
		{"run", 2, "name one scenario"}, {"run basic --all", 2, "name one scenario"},
		{"export basic --format pdf", 2, "compose"}, {"export nothing", 2, "no scenario"},
		{"frobnicate", 2, "unknown"},
		{"up basik", 2, "did you mean basic?"}, {"run basic --driver foo", 2, "no driver"}, {"run basic --sabotage --only x", 2, "--only"},
		{"run basic --jobs 2", 2, "--all"}, {"run basic --name=", 2, "--name is empty"}, {"run --all --jobs 0", 2, "at least 1"},
		{"up basic --name a --lab b", 2, "two names"}, {"up basic --lab Nc-3 --driver sim", 1, "Nc-3"}, {"list --lab a", 2, "not about a lab"},
		{"down --name a", 2, "--lab names"}, {"run basic --seed x", 2, "whole number"}, {"up", 2, "takes 1"},
		{"reset --lab half", 1, "half a lab"}, {"partition a/b --only foo", 2, "--only control"},
		{"ladder --lab half", 1, "half a lab"}, {"ladder basic --nodes nosuch", 2, "nosuch"}, {"ladder basic --for -1s", 2, "--for"},
	} {
		c.check(t)
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

// TestNoSuchLab: what is not there cannot be taken down, nor looked at; half of a lab can be taken down. An exercise that the
// simulator cannot break is refused before there is anything of it.
func TestNoSuchLab(t *testing.T) {
	base := halfALab(t)
	for _, c := range []ends{
		{"status xyz", 1, "not up"}, {"status a b", 2, "at most 1"}, {"heal xyz --lab abc", 1, ""}, {"logs ks1 --lab xyz", 1, "not up"}, {"do heal --lab xyz", 1, "not up"}, {"do", 2, "at least 1"},
		{"up break-fix-1 --driver sim --name bf", 1, "--driver netns or compose"}, {"status bf", 1, "not up"},
	} {
		c.check(t)
	}
	if out, errs, code := line(t, "down", "xyz"); code != 1 || out != "" || !strings.Contains(errs, "there is: half") {
		t.Errorf("down xyz: %d %q %q", code, out, errs)
	}
	if out, errs, code := line(t, "down", "half"); code != 0 || out != "half is down\n" {
		t.Errorf("down half: %d %q %q", code, out, errs)
	}
	if _, err := os.Stat(filepath.Join(base, "half")); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	if out, _, code := line(t, "down"); code != 0 || out != "no lab is up\n" {
		t.Errorf("down: %d %q", code, out)
	}
}

// TestReadme: solutions are shown to who asks for them.
func TestReadme(t *testing.T) {
	for _, c := range []ends{
		{"readme", 2, "takes 1 argument(s), and here are 0; write getvpn-lab readme NAME"}, {"readme nothing", 2, "there is no scenario"}, {"readme basic", 0, "# basic: "},
	} {
		c.check(t)
	}
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("name: mine\nnodes: [{name: p1, kind: core}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := line(t, "readme", file); code != 1 || !strings.Contains(errs, "has no README.md") {
		t.Errorf("without: %d %q", code, errs)
	}
	text := "# mine: x\n\n1. What?\n   <details><summary>Solution</summary>\n\n   That.\n\n   </details>\n"
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "README.md"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, _ := line(t, "readme", file); strings.Contains(out, "That.") || !strings.Contains(out, "readme "+file+" --solutions") {
		t.Errorf("hidden: %s", out)
	}
	if out, _, _ := line(t, "readme", "--solutions", file); !strings.Contains(out, "Solution: That.\n") {
		t.Errorf("shown: %s", out)
	}
}

// TestInstead: the simulator is offered for what it carries.
func TestInstead(t *testing.T) {
	for name, want := range map[string]string{"basic": " --driver sim", "break-fix-2": "readme break-fix-2", "policy-scope": "does not carry policy-scope"} {
		if got := instead(upCommand(), []string{name}); !strings.Contains(got, want) || (name != "basic") != strings.Contains(got, "virtual machine") {
			t.Errorf("%s: %q, want %q in it", name, got, want)
		}
	}
	if got := instead(runCommand(), nil); !strings.Contains(got, "--driver sim") {
		t.Errorf("run --all: %q", got)
	}
}
