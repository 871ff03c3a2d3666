package client

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A socket is reached at its path and by one link, which who made the link answers for; a link behind it leads nowhere.
func TestDial(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	l, err := net.Listen("unix", at("other.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Mkdir(at("ks1"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"ks1.sock": "ks1/ks1.sock", "direct.sock": "other.sock", "absolute.sock": at("other.sock"), "ks1/ks1.sock": at("other.sock")} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"other.sock", "direct.sock", "absolute.sock"} {
		c, err := dial(t.Context(), at(name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c.Close()
	}
	if _, err := dial(t.Context(), at("ks1.sock")); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("what a container has put in the place of its socket: %v", err)
	}
	if _, err := dial(t.Context(), at("none.sock")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), at("none.sock")) {
		t.Errorf("no socket: %v", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err := dial(t.Context(), at("other.sock")); !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), at("other.sock")) {
		t.Errorf("nobody listens: %v", err)
	}
}
