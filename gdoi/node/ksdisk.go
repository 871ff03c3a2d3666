package node

import (
	"errors"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// errHangs is what a disk is told to have answered that does not answer.
var errHangs = errors.New("node: the store does not answer")

// unanswered is a write of a group that shares its life with other key servers. One whose disk hangs looks well to the
// others, and still nothing goes out to members.
type unanswered struct {
	id    machine.PersistID
	cell  *cell
	until machine.Instant
	late  bool // the cell knows
}

// diskPatience is how long a write may take.
func (n *KeyServer) diskPatience() time.Duration {
	return max(holdPatience, n.cfg.Coop.Timers.WithDefaults().Detection())
}

// noteWrites takes note of the writes among the effects of a step.
func (n *KeyServer) noteWrites(now machine.Now, effects machine.Effects) {
	if len(n.cells) == 0 {
		return
	}
	for _, e := range effects {
		p, ok := e.(machine.Persist)
		if !ok || len(p.Records) == 0 {
			continue
		}
		for _, k := range n.cells {
			if p.Records[0].Bucket == keyserver.Bucket(k.group.Name()) {
				n.writes = append(n.writes, &unanswered{id: p.ID, cell: k, until: now.Mono.Add(n.diskPatience())})
			}
		}
	}
}

// answeredWrite forgets a write.
func (n *KeyServer) answeredWrite(id machine.PersistID) {
	n.writes = slices.DeleteFunc(n.writes, func(w *unanswered) bool { return w.id == id })
}

// lateWrites tells groups of a disk that hangs.
func (n *KeyServer) lateWrites(now machine.Now, out machine.Effects) machine.Effects {
	for _, w := range n.writes {
		if !w.late && now.Mono >= w.until {
			w.late = true
			out = w.cell.Stored(now, errHangs, out)
		}
	}
	return out
}

// writesDeadline is when lateWrites wants to be called.
func (n *KeyServer) writesDeadline() (machine.Instant, bool) {
	for _, w := range n.writes { // in the order of their deadlines
		if !w.late {
			return w.until, true
		}
	}
	return 0, false
}
