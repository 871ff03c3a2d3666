package sourcetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// Groups returns the fleet of Fleet with n groups, of which the third is in trouble, and 40 members, of which one is.
func Groups(n int) *source.Fleet {
	f := Fleet()
	ks := f.Nodes[0].Snap.KS
	one := ks.Groups[0]
	ks.Groups = nil
	for i := range n {
		g := one
		g.Name, g.Members, g.NextRekey = fmt.Sprintf("group%d", i+1), slices.Clone(one.Members), Now.Add(time.Duration(20+7*i)*time.Second)
		if i == 2 {
			g.Health, g.HealthReason = "EXPIRING", "the KEK ends in 00:40 and no rekey was acknowledged"
		}
		ks.Groups = append(ks.Groups, g)
	}
	member := f.Nodes[1]
	f.Nodes = f.Nodes[:1]
	for i := range 40 {
		node, snap, gm := member, *member.Snap, *member.Snap.GM
		gm.Groups = slices.Clone(gm.Groups)
		gm.Groups[0].Name = fmt.Sprintf("group%d", i%n+1)
		snap.Name, snap.Local, snap.GM = fmt.Sprintf("gm%02d", i+1), fmt.Sprintf("172.17.%d.1:848", i+1), &gm
		if i == 30 {
			gm.Groups[0].State, gm.Groups[0].StateReason = control.StateExpired, "its keys have ended: no key server answers"
		}
		node.Name, node.Snap = snap.Name, &snap
		f.Nodes = append(f.Nodes, node)
	}
	return f
}
