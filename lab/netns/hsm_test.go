package netns

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/hsm/softhsm"
	"github.com/getvpn/getvpn/lab/driver"
)

// A node's programs see the node's token and no other; it is lost and returns.
func TestToken(t *testing.T) {
	if _, err := softhsm.Module(); err != nil {
		t.Skip(err)
	}
	text := strings.Replace(bare, "program: sleeper,", "program: sleeper, manual: true, hsm: {keys: [c1]},", 1)
	l := testLab(t, strings.Replace(text, "programs:", "pki: {authorities: [{name: ca, key: rsa}], certificates: [{name: c1, by: ca, key: rsa}]}\nprograms:", 1))
	sees := func(node string) bool {
		out, err := l.Run(context.Background(), node, []string{"softhsm2-util", "--show-slots"})
		return err == nil && strings.Contains(out, "g2") // without its directory softhsm2-util fails
	}
	if !sees("g2") || sees("g1") {
		t.Error("g2 does not see its token, or g1 sees it")
	}
	dir := filepath.Join(driver.Dir(l.name), "hsm", "g2")
	if st, err := os.Stat(filepath.Join(dir, "pin")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the PIN: %v %v", st, err)
	}
	if _, err := os.Stat(filepath.Join(driver.Dir(l.name), "secrets", "c1.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key of c1 is in a file as well: %v", err)
	}
	if err := l.LoseToken("g1"); err == nil || !strings.Contains(err.Error(), "no token") {
		t.Errorf("a node without: %v", err)
	}
	if err := l.ReturnToken("g2"); err == nil {
		t.Error("returned what was not lost")
	}
	faults := func() int {
		t.Helper()
		st, err := l.State()
		if err != nil {
			t.Fatal(err)
		}
		return len(st.Faults)
	}
	for _, back := range []func() error{func() error { return l.ReturnToken("g2") }, l.Heal} {
		if err := l.LoseToken("g2"); err != nil {
			t.Fatal(err)
		}
		if sees("g2") || faults() != 1 {
			t.Error("it is lost, and seen, or nobody says so")
		}
		if err := back(); err != nil {
			t.Fatal(err)
		}
		if !sees("g2") || faults() != 0 {
			t.Error("it did not come back, or is still a fault")
		}
	}
}
