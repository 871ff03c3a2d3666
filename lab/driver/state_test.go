package driver

import (
	"os"
	"strings"
	"testing"
)

// A directory that another user was quicker to make is refused by who makes it, and nothing in it is believed. Root, whose labs are never
// there, tries it with the name that root's would have.
func TestMakeBase(t *testing.T) {
	const dir = "/tmp/getvpn-lab-0"
	if os.Geteuid() != 0 {
		t.Skip("an ordinary user may have labs there")
	}
	t.Setenv("GETVPN_LAB_DIR", dir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Mkdir(dir+"/basic", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/basic/lab.json", []byte(`{"name": "basic"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MakeBase(); err != nil {
		t.Errorf("the user's own: %v", err)
	}
	if _, err := ReadState("basic"); err != nil || len(Labs()) != 1 {
		t.Errorf("%v; labs: %v", err, Labs())
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := MakeBase(); err == nil || !strings.Contains(err.Error(), "is no directory that belongs to user 0 alone") {
		t.Errorf("another's: %v", err)
	}
	if _, err := ReadState("basic"); err == nil || len(Labs()) > 0 {
		t.Errorf("another's is believed: %v; labs: %v", err, Labs())
	}
}
