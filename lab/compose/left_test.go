package compose

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/lab/driver"
)

// A docker-compose that goes on without us is ended, and that of another lab is not.
func TestEndMakers(t *testing.T) {
	here := t.TempDir()
	t.Setenv("GETVPN_LAB_DIR", here)
	ours, theirs := maker(t, "endmakers", here), maker(t, "endmakers2", here)
	defer func() { _ = theirs.Wait() }()
	defer func() { _ = theirs.Process.Kill() }()
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

// One that makes a lab of that name which another directory has is not ended, but for half a lab whose run directory has gone.
func TestEndMakersElsewhere(t *testing.T) {
	here, other := t.TempDir(), t.TempDir()
	t.Setenv("GETVPN_LAB_DIR", here)
	dir := filepath.Join(other, "makers")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	theirs := maker(t, "makers", other)
	if n, err := endMakers("makers"); n != 0 || !errors.Is(err, driver.ErrElsewhere) || !strings.Contains(err.Error(), other) {
		t.Errorf("%d ended: %v", n, err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if n, err := endMakers("makers"); n != 1 || err != nil {
		t.Errorf("%d ended: %v", n, err)
	}
	_ = theirs.Wait()
}

// maker is a docker-compose that makes a lab.
func maker(t *testing.T, lab, base string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "read x; exit 0", "docker-compose", projectFlag, project(lab), "up")
	cmd.Env = append(os.Environ(), "GETVPN_LAB_DIR="+base)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}
