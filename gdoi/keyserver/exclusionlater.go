package keyserver

import (
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// An exclusion takes a new KEK and its value, in one step with all that follows from it: a crash finds either the old keys
// or the new ones and who was excluded. So where KEKs are in the custody it waits for that value (WithNextKEK), and if the
// custody cannot give it, until it can.

// mayExclude says whether an exclusion can be carried out in this step.
func (g *Group) mayExclude() bool {
	return !g.cfg.Custody || g.spareReady() && g.custody.spare.open()
}

// excludeLater excludes members when there is a KEK for it. Until then they stay on the list.
func (g *Group) excludeLater(now machine.Now, gone []*member, out machine.Effects) (string, machine.Effects) {
	c := &g.custody
	for _, m := range gone {
		if !slices.Contains(c.excluding, m) {
			c.excluding = append(c.excluding, m)
		}
	}
	c.recut = true
	return fmt.Sprintf("%d removed as soon as the key custody gives out a new KEK", len(gone)), g.excludePending(now, out)
}

// excludePending tries it.
func (g *Group) excludePending(now machine.Now, out machine.Effects) machine.Effects {
	c := &g.custody
	if !c.recut || c.asked || !g.Active() || g.withdrawn || !g.spareReady() {
		return out
	}
	c.asked = true
	return g.WithNextKEK(now, func(now machine.Now, err error, out machine.Effects) machine.Effects {
		c.asked = false
		if err != nil || !c.recut || !g.Active() || g.withdrawn {
			c.again.Set(now.Mono.Add(maxKeyRetry))
			return out
		}
		gone := slices.DeleteFunc(c.excluding, func(m *member) bool {
			i, ok := g.members.search(m.key)
			return !ok || g.members.sorted[i] != m
		})
		c.excluding, c.recut = nil, false
		_, out = g.exclude(now, gone, false, out)
		return out
	}, out)
}
