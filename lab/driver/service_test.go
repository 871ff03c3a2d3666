package driver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/scenario"
)

// A program that is not there is missed before anything of a lab is made, with what brings it.
func TestFindService(t *testing.T) {
	if path, err := FindService("shell", scenario.Service{Binary: "sh"}); err != nil || !strings.HasSuffix(path, "/sh") {
		t.Errorf("%q %v", path, err)
	}
	for v, want := range map[string]string{"": "install it", "bird2": "apt-get install bird2"} {
		_, err := FindService("routing", scenario.Service{Binary: "no-such-program", Package: v})
		if err == nil || !strings.Contains(err.Error(), "service routing: no-such-program is neither in PATH nor in /usr/sbin: "+want) {
			t.Errorf("%v", err)
		}
	}
}

// A node may write to where its logs and files are: a link that it puts there leads neither a reader nor a writer of the host elsewhere.
func TestLinksOfNodes(t *testing.T) {
	dir := t.TempDir()
	secret, log, fifo, conf := filepath.Join(dir, "secret"), filepath.Join(dir, "bird.log"), filepath.Join(dir, "fifo"), filepath.Join(dir, "bird.conf")
	if err := errors.Join(os.WriteFile(secret, []byte("of the host"), 0o600), os.Symlink(secret, log), os.Symlink(secret, conf), unix.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	if text := Tail(log, 5); strings.Contains(text, "of the host") || !strings.Contains(text, "is a link") {
		t.Errorf("through a link: %s", text)
	}
	for _, path := range []string{fifo, dir} {
		if text := Tail(path, 5); !strings.Contains(text, "is no file") {
			t.Errorf("%s: %s", path, text)
		}
	}
	if text := Tail(secret, 5); text != "  of the host" {
		t.Errorf("a file: %s", text)
	}
	if err := put(conf, "new"); err != nil {
		t.Fatal(err)
	}
	if old, err := os.ReadFile(secret); string(old) != "of the host" {
		t.Errorf("written through a link: %q %v", old, err)
	}
	st, err := os.Lstat(conf)
	if b, _ := os.ReadFile(conf); err != nil || string(b) != "new" || st.Mode() != 0o600 {
		t.Errorf("%q %v %v", b, st, err)
	}
	if all, _ := os.ReadDir(dir); len(all) != 4 {
		t.Errorf("left: %v", all)
	}
}
