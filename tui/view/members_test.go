package view

import (
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// TestRemovedMembersAreShown: a removed member that is attached, and one that is not.
func TestRemovedMembersAreShown(t *testing.T) {
	f := sourcetest.Fleet()
	before := len(list(f))
	there := list(f)[0].Address
	for i := range f.Nodes {
		if s := f.Nodes[i].Snap; s != nil && s.KS != nil {
			s.KS.Groups[0].Removed = []control.Removed{{Address: there, Identity: there}, {Address: "192.0.2.9", Identity: "gone"}}
		}
	}
	removed := map[string]bool{}
	for _, m := range list(f) {
		if m.State == control.StateRemoved {
			removed[m.Address+" "+m.Identity] = true
		}
	}
	if len(removed) != 2 || !removed[there+" "+there] || !removed["192.0.2.9 gone"] || len(list(f)) != before+1 {
		t.Errorf("removed %v, %d rows instead of %d", removed, len(list(f)), before+1)
	}
}
