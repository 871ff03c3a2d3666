package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/lab/driver"
)

// The program is killed in the middle of bringing a lab up, when some daemons run and others do not: down leaves nothing.
func TestDownAfterKillInUp(t *testing.T) {
	b := build(t)
	cmd := exec.Command(filepath.Join(b.dir, "getvpn-lab"), "up", "basic", "--name", b.name) //nolint:gosec // our own program
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(driver.Dir(b.name), "sockets", "ks1.sock")
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(first); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the first daemon does not come up")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	st, err := driver.ReadState(b.name)
	if err != nil {
		t.Fatal(err)
	}
	var alive []driver.Process
	for _, n := range st.Nodes {
		if p := n.Process(); p.Alive() {
			alive = append(alive, p)
		}
	}
	b.must("down", b.name)
	for _, p := range alive {
		if p.Alive() {
			t.Errorf("process %d is left", p.PID)
		}
	}
	if _, err := os.Stat(driver.Dir(b.name)); !os.IsNotExist(err) {
		t.Errorf("the run directory is left: %v", err)
	}
	entries, _ := os.ReadDir("/run/netns")
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "gvl-"+b.name+"-") {
			t.Errorf("namespace %s is left", e.Name())
		}
	}
}
