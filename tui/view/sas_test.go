package view

import (
	"slices"
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// TestKeysOfOtherGroups: who is in another group is not missed here; who is listed by the key server and has lost the group is.
func TestKeysOfOtherGroups(t *testing.T) {
	fleet := sourcetest.Fleet()
	fleet.Node("gm1").Snap.GM.Groups[0].Name = "green"
	fleet.Node("gm2").Snap.GM.Groups = nil
	ks := &fleet.Node("ks1").Snap.KS.Groups[0]
	ks.Members = append([]control.KSMember(nil), ks.Members[1:]...)
	var names []string
	for _, h := range keysOf(fleet, "blue")[0].Holders {
		names = append(names, h.Node)
	}
	if want := []string{"gm2", "gm3", "gm4"}; !slices.Equal(names, want) {
		t.Errorf("of group blue are %v, want %v", names, want)
	}
}
