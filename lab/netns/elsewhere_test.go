package netns

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/getvpn/getvpn/lab/driver"
)

// Who works with another directory takes no lab down that has the name of theirs, and half a lab whose directory has gone.
func TestElsewhere(t *testing.T) {
	l := testLab(t, served("exec sleep 1000"))
	home := driver.Base()
	st, err := l.State()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GETVPN_LAB_DIR", t.TempDir())
	before, err := namespaces(l.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := Down(l.Name()); !errors.Is(err, driver.ErrElsewhere) {
		t.Errorf("down in another directory: %v", err)
	}
	if _, err := Up(context.Background(), l.Name(), l.Scenario(), nil); !errors.Is(err, driver.ErrElsewhere) {
		t.Errorf("up in another directory: %v", err)
	}
	if after, err := namespaces(l.Name()); err != nil || len(after) != len(before) {
		t.Errorf("of %v there are %v: %v", before, after, err)
	}
	for _, n := range st.Nodes {
		for _, v := range n.Services {
			if !v.Process().Alive() {
				t.Errorf("%s of %s has been ended", v.Name, n.Name)
			}
		}
	}
	if err := os.RemoveAll(home); err != nil {
		t.Fatal(err)
	}
	if err := Down(l.Name()); err != nil {
		t.Errorf("its directory has gone: %v", err)
	}
	if after, err := namespaces(l.Name()); err != nil || len(after) > 0 {
		t.Errorf("left: %v %v", after, err)
	}
}
