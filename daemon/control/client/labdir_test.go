package client

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLabDir(t *testing.T) {
	t.Setenv("GETVPN_LAB_DIR", "/somewhere")
	if d := LabDir(); d != "/somewhere" {
		t.Errorf("what the user names: %s", d)
	}
	t.Setenv("GETVPN_LAB_DIR", "")
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv(SpaceVariable, "/space")
	want := "/space" // root of a space
	if os.Geteuid() != 0 {
		want = filepath.Join(dir, "getvpn-lab")
	}
	if d := LabDir(); d != want {
		t.Errorf("%s, want %s", d, want)
	}
	t.Setenv(SpaceVariable, "")
	if d := LabDir(); os.Geteuid() == 0 && d != "/run/getvpn-lab" {
		t.Errorf("root's: %s", d)
	}
}

func TestOwn(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // that is what is tested
		t.Fatal(err)
	}
	if err := own(dir); err != nil {
		t.Error(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if own(link) == nil {
		t.Error("a link passes for a directory")
	}
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // that is what is tested
		t.Fatal(err)
	}
	if own(dir) == nil {
		t.Error("anybody can write there, and nobody says so")
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	if own(dir) == nil {
		t.Error("it is another's, and nobody says so")
	}
}
