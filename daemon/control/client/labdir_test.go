package client

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestLabDir(t *testing.T) {
	t.Setenv("GETVPN_LAB_DIR", "/somewhere")
	if d := LabDir(); d != "/somewhere" {
		t.Errorf("what the user names: %s", d)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("GETVPN_LAB_DIR", "labs")
	if d, want := LabDir(), filepath.Join(dir, "labs"); d != want {
		t.Errorf("a relative one: %s, want %s", d, want)
	}
	t.Setenv("GETVPN_LAB_DIR", "")
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

// The directory in /tmp is trusted where it is the user's own, is nobody's before it is made, and is refused when another was quicker.
func TestTrustLabDir(t *testing.T) {
	former := temporary
	temporary = t.TempDir()
	defer func() { temporary = former }()
	dir := fallback()
	t.Setenv("GETVPN_LAB_DIR", dir)
	if err := CheckLabDir(); err != nil {
		t.Errorf("not there yet: %v", err)
	}
	if err := TrustLabDir(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not there: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := TrustLabDir(); err != nil {
		t.Errorf("our own: %v", err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // that is what is tested
		t.Fatal(err)
	}
	if CheckLabDir() == nil || TrustLabDir() == nil {
		t.Error("anybody can write there, and nobody says so")
	}
	t.Setenv("GETVPN_LAB_DIR", t.TempDir())
	if err := TrustLabDir(); err != nil {
		t.Errorf("what the user names: %v", err)
	}
}
