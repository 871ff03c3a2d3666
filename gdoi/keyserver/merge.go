package keyserver

import (
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Merge takes all that another key server has (its Since(now, 0)) into the active group, which may have gone a way of its
// own since both were one: keys that are not known here are distributed beside ours, members, removals and sender ids are
// united. It says whether there was anything new.
func (g *Group) Merge(now machine.Now, ahead time.Duration, from coop.ID, records []machine.Record, out machine.Effects) (bool, machine.Effects, error) {
	in, err := g.parse(now, ahead, records)
	if err != nil {
		return false, out, err
	}
	defer in.forget()
	for id := coop.ID(1); id <= coop.MaxKeyServers; id++ {
		if r, ok := in.replica.sids[id]; ok {
			g.learnSIDs(now, id, r)
		}
	}
	for _, k := range in.keks {
		if own := g.kekOf(k.spi.String()); own != nil && own.seq < k.seq {
			own.seq = k.seq
			g.openWindow(own)
		}
	}
	for _, r := range in.members.sorted {
		if i, ok := g.members.search(r.key); !ok || g.members.sorted[i].registered < r.registered {
			g.adoptMember(r, r.at)
		}
	}
	return false, g.flush(now, out), nil
}
