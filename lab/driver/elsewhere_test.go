package driver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A lab of another directory is not this one's to take down, unless its run directory has gone.
func TestElsewhere(t *testing.T) {
	here, other, link := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "link")
	t.Setenv("GETVPN_LAB_DIR", here)
	if err := errors.Join(os.Mkdir(filepath.Join(here, "two"), 0o700), os.Mkdir(filepath.Join(other, "two"), 0o700), os.Symlink(here, link)); err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{"", here, link, filepath.Join(other, "gone")} {
		if err := Elsewhere("two", base); err != nil {
			t.Errorf("%q: %v", base, err)
		}
	}
	if err := Elsewhere("two", other); !errors.Is(err, ErrElsewhere) || !strings.Contains(err.Error(), "GETVPN_LAB_DIR="+other+" ") {
		t.Errorf("%v", err)
	}
	if err := Elsewhere("one", other); err != nil {
		t.Errorf("its directory has gone: %v", err)
	}
}
