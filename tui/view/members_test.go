package view

import (
	"slices"
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// TestRemovedMembersAreShown: a removed member that is attached, and one that is not.
func TestRemovedMembersAreShown(t *testing.T) {
	f := sourcetest.Fleet()
	before := len(list(f, ""))
	there := list(f, "")[0].Address
	for i := range f.Nodes {
		if s := f.Nodes[i].Snap; s != nil && s.KS != nil {
			s.KS.Groups[0].Removed = []control.Removed{{Address: there, Identity: there}, {Address: "192.0.2.9", Identity: "gone"}}
		}
	}
	removed := map[string]bool{}
	for _, m := range list(f, "") {
		if m.State == control.StateRemoved {
			removed[m.Address+" "+m.Identity] = true
		}
	}
	if len(removed) != 2 || !removed[there+" "+there] || !removed["192.0.2.9 gone"] || len(list(f, "")) != before+1 {
		t.Errorf("removed %v, %d rows instead of %d", removed, len(list(f, "")), before+1)
	}
}

// TestRemovedOnBothSides: both primaries of a split list whom an operator removed, and others that had the same address.
func TestRemovedOnBothSides(t *testing.T) {
	f := sourcetest.Split()
	before := len(list(f, ""))
	for i := range 3 {
		f.Nodes[i].Snap.KS.Groups[0].Removed = []control.Removed{{Address: "192.0.2.9", Identity: "gone"}, {Address: "192.0.2.9", Identity: "gone too"}}
	}
	var removed []string
	for _, m := range list(f, "")[before:] {
		removed = append(removed, m.Address+" "+m.Identity+" "+m.State)
	}
	if want := []string{"192.0.2.9 gone removed", "192.0.2.9 gone too removed"}; !slices.Equal(removed, want) {
		t.Errorf("removed %q, want %q", removed, want)
	}
}
