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
	"time"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/sim/live"
	"github.com/getvpn/getvpn/lab/space"
)

// nothingLeft proves that there is neither process nor file of any lab in a directory. Every process of a lab has its directory in
// the environment.
func nothingLeft(t *testing.T, labs string) {
	t.Helper()
	for _, pid := range processesOf(labs) {
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		t.Errorf("process %d is left: %s", pid, bytes.ReplaceAll(cmdline, []byte{0}, []byte(" ")))
	}
	entries, _ := os.ReadDir(labs)
	for _, e := range entries {
		t.Errorf("%s is left", filepath.Join(labs, e.Name()))
	}
	entries, _ = os.ReadDir("/run/netns")
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), fmt.Sprintf("gvl-gvlr%d", os.Getpid())) {
			t.Errorf("namespace %s is left", e.Name())
		}
	}
}

func processesOf(labs string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		var pid int
		if _, err := fmt.Sscanf(path, "/proc/%d/environ", &pid); err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile(path)
		if state, _, err2 := driver.Stat(pid); err != nil || err2 != nil || state == 'Z' {
			continue
		}
		if bytes.Contains(append(env, 0), []byte("GETVPN_LAB_DIR="+labs+"\x00")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// anchor is in the command line of what keeps a user's namespaces, and simulation in that of a simulated lab.
const (
	anchor     = "\x00" + space.Command + "\x00"
	simulation = "\x00" + live.Process + "\x00"
)

// kill ends the processes of the labs of a directory that have a text in their command line, as a crash would.
func kill(t *testing.T, labs, which string) {
	t.Helper()
	for _, pid := range processesOf(labs) {
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if _, start, err := driver.Stat(pid); err == nil && bytes.Contains(cmdline, []byte(which)) {
			if err := (driver.Process{PID: pid, Start: start}).Kill(); err != nil {
				t.Error(err)
			}
		}
	}
}

// said is what a program has written up to now.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) has(text string) bool { return strings.Contains(s.String(), text) }

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// until waits for what must happen.
func until(t *testing.T, what string, fn func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !fn(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come: %s", what)
		}
	}
}

// user gives command lines for root, or an ordinary user, with a directory for labs of their own.
func (b *bin) user(t *testing.T, ordinary bool) (lab func(args ...string) *exec.Cmd, labs string) {
	own := *b
	own.t = t
	if ordinary {
		u := own.ordinary()
		return u.lab, u.labs
	}
	labs = t.TempDir()
	t.Setenv("GETVPN_LAB_DIR", labs)
	return own.lab, labs
}

// The program is killed while it brings a lab up, when some daemons run and others do not, or in the middle of a check under traffic;
// so are what keeps the namespaces, and the simulator. Down leaves nothing.
func TestDownAfterKill(t *testing.T) {
	b := build(t)
	file := func(name string) func(string, *said) bool {
		return func(dir string, _ *said) bool { _, err := os.Stat(filepath.Join(dir, name)); return err == nil }
	}
	checks := func(_ string, s *said) bool { return s.has("rollover-lossless ...") }
	for _, c := range []struct {
		name     string
		ordinary bool
		args     string
		when     func(dir string, s *said) bool
		also     string // which processes die as well
	}{
		{"up begun", false, "up basic", file("lock"), "no other"},
		{"up", false, "up basic", file("sockets/ks1.sock"), "no other"},
		{"run", false, "run basic --only rollover-lossless", checks, "no other"},
		{"ordinary up begun", true, "up basic", file("lock"), "no other"},
		{"ordinary up", true, "up basic", file("sockets/ks1.sock"), "no other"},
		{"ordinary up and anchor", true, "up basic", file("sockets/ks1.sock"), anchor},
		{"ordinary run", true, "run basic --only rollover-lossless", checks, "no other"},
		{"ordinary run and anchor", true, "run basic --only rollover-lossless", checks, anchor},
		{"sim up begun", false, "up basic --driver sim", file("scenario.yaml"), "no other"},
		{"sim up", false, "up basic --driver sim", file("lab.json"), "no other"},
		{"sim up and simulator", false, "up basic --driver sim", file("lab.json"), simulation},
		{"sim run", false, "run basic --driver sim", file("lab.json"), "no other"},
		{"ordinary sim up", true, "up basic --driver sim", file("lab.json"), "no other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lab, labs := b.user(t, c.ordinary)
			var out said
			cmd := lab(append(strings.Fields(c.args), "--name", b.name)...)
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			until(t, c.name, func() bool { return c.when(filepath.Join(labs, b.name), &out) })
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // killed
			kill(t, labs, c.also)
			if c.also != simulation && !strings.HasSuffix(c.name, "begun") && len(processesOf(labs)) == 0 {
				t.Error("there is nothing to take away: this proves nothing")
			}
			if b, err := lab("down", b.name).CombinedOutput(); err != nil {
				t.Errorf("down: %v\n%s", err, b)
			}
			nothingLeft(t, labs)
		})
	}
}

// Three labs of one scenario, with the same addresses, stand side by side. While one counts every packet the others come, are broken
// and go, and the first notices nothing.
func TestSideBySide(t *testing.T) {
	b := build(t)
	for name, ordinary := range map[string]bool{"root": false, "ordinary user": true} {
		t.Run(name, func(t *testing.T) {
			lab, labs := b.user(t, ordinary)
			must := func(line string) {
				t.Helper()
				if out, err := lab(strings.Fields(line)...).CombinedOutput(); err != nil {
					t.Errorf("getvpn-lab %s: %v\n%s", line, err, out)
				}
			}
			var report bytes.Buffer
			var out said
			cmd := lab("run", "basic", "--json", "--name", b.name, "--profile", "quick", "--set", "rollovers=2", "--only", "rollover-lossless,core-only-esp")
			cmd.Stdout, cmd.Stderr = &report, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			until(t, "traffic", func() bool { return out.has("rollover-lossless ...") })
			other, simulated := b.name+"b", b.name+"s"
			must("up basic --name " + other)
			must("up basic --driver sim --name " + simulated)
			for _, l := range []string{other, simulated} {
				must("partition p1/p2 --lab " + l)
				must("kill ks1 --lab " + l)
				must("kill gm1 --lab " + l)
				must("heal " + l)
				must("start ks1 --lab " + l)
			}
			must("down " + other)
			must("down " + simulated)
			if out.has("ok    rollover") {
				t.Error("the first lab was ready before the others had gone: this proved nothing")
			}
			err := cmd.Wait()
			var r scenario.Report
			if err := json.Unmarshal(report.Bytes(), &r); err != nil || len(r.Checks) != 2 {
				t.Errorf("report: %v: %s", err, report.String())
			}
			for _, c := range r.Checks {
				if !c.OK {
					t.Errorf("%s: %s; want %s. %s", c.Name, c.Value, c.Want, c.Message)
				}
			}
			if err != nil {
				t.Errorf("%v\n%s", err, out.String())
			}
			nothingLeft(t, labs)
		})
	}
}
