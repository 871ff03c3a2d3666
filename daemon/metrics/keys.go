package metrics

import (
	"fmt"

	"github.com/getvpn/getvpn/daemon/control"
)

// phases are all that a TEK goes through while somebody holds it.
var phases = []string{control.PhaseWaiting, control.PhaseSending, control.PhaseDraining}

// keys is what key servers and members show alike.
func (w *writer) keys(group string, kek *control.KEK, list []control.TEK) {
	if kek != nil {
		w.set(kekSeq, float64(kek.Seq), group)
		w.set(kekLeft, float64(kek.Remaining), group)
	}
	newest := uint64(0)
	for _, phase := range phases {
		n, left := 0, 0
		for i := range list {
			if t := &list[i]; t.Phase == phase {
				n, left = n+1, max(left, t.Remaining)
			}
		}
		w.set(teks, float64(n), group, phase)
		if n > 0 {
			w.set(tekLeft, float64(left), group, phase)
		}
	}
	for i := range list {
		newest = max(newest, list[i].Epoch)
	}
	if newest > 0 {
		w.set(epoch, float64(newest), group)
	}
}

// policy shows an access list, with what its rules decided where that is counted.
func (w *writer) policy(group, mode, sum string, list []control.Rule, counted bool) {
	owned := map[string]int{"group": 0, "local": 0}
	rest := map[string]uint64{}
	for i := range list {
		r := &list[i]
		owned[r.Owner]++
		switch {
		case !counted:
		case i >= maxRules:
			rest[r.Owner] += r.Hits
		default:
			w.set(hits, float64(r.Hits), group, r.Owner, fmt.Sprint(i+1), r.Text)
		}
	}
	for owner, n := range owned {
		w.set(rules, float64(n), group, owner)
	}
	for owner, n := range rest {
		w.set(hits, float64(n), group, owner, other, other)
	}
	if sum != "" {
		w.set(digest, 1, group, sum, mode)
	}
}
