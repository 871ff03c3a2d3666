package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/lab/course"
)

// A report never goes where a symbolic link leads, and replaces one that is there.
func TestCreateFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	other, link, report := filepath.Join(dir, "other"), filepath.Join(dir, "link.json"), filepath.Join(dir, "report.json")
	if err := os.WriteFile(other, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	if err := writeReport(link, &course.Report{}); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(other); err != nil || string(b) != "precious" {
		t.Errorf("the file behind the link is %q, %v", b, err)
	}
	for range 2 {
		if err := writeReport(report, &course.Report{}); err != nil {
			t.Error(err)
		}
	}
	if st, err := os.Stat(report); err != nil || st.Mode().Perm() != 0o644 || st.Size() == 0 {
		t.Errorf("%v, %v", st, err)
	}
}
