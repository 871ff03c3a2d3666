package compose

import (
	"os/exec"
	"testing"
)

// A docker-compose that goes on without us is ended, and that of another lab is not.
func TestEndMakers(t *testing.T) {
	maker := func(lab string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "read x; exit 0", "docker-compose", projectFlag, project(lab), "up")
		if _, err := cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	ours, other := maker("endmakers"), maker("endmakers2")
	defer func() { _ = other.Wait() }()
	defer func() { _ = other.Process.Kill() }()
	if n, err := endMakers("endmakers"); n != 1 || err != nil {
		t.Errorf("%d ended: %v", n, err)
	}
	if err := ours.Wait(); err == nil {
		t.Error("it has ended by itself")
	}
	if n, err := endMakers("endmakers"); n != 0 || err != nil {
		t.Errorf("%d more ended: %v", n, err)
	}
}
