package view

import (
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
)

// TestDataPathHasNoHoles: what a member does not have is not there.
func TestDataPathHasNoHoles(t *testing.T) {
	for want, d := range map[string]control.DataPath{
		"gv0 mtu 1446, lan0,lan1 → wan0, water": {TUN: "gv0", MTU: 1446, LAN: []string{"lan0", "lan1"}, WAN: "wan0", Backend: "water"},
		"mtu 1500, model":                       {TUN: "none", MTU: 1500, LAN: []string{}, WAN: "none", Backend: "model"},
		"gv0 mtu 1400, wan0, water":             {TUN: "gv0", MTU: 1400, WAN: "wan0", Backend: "water"},
	} {
		if got := dataPath(&d); got != want {
			t.Errorf("%+v reads %q, want %q", d, got, want)
		}
	}
}
