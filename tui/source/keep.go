package source

import (
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// What a node is known to be follows from the words that were heard of it, and from nothing else: a console that watches daemons and one
// that plays a recording of them go through here. The time is an argument.

// hear takes a daemon's word.
func (n *Node) hear(w control.Watch, at time.Time) {
	n.Connected, n.Problem, n.Seen = true, "", at
	if w.Snapshot != nil {
		n.rate(w.Snapshot)
		n.Snap, n.Role, n.told = w.Snapshot, w.Snapshot.Role, at
	}
}

// miss notes why a daemon says nothing any more.
func (n *Node) miss(why string) { n.Connected, n.Problem = false, why }
