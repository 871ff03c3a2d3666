package source

import "time"

// simulate makes a fleet's time that of a simulated lab, which stands, runs faster than ours, and goes back: the one that was
// heard last has told it. How long ago the others were heard is counted from there, in our seconds; while all are silent, time stands.
func (f *Fleet) simulate() {
	var last time.Time
	now := f.Time
	for i := range f.Nodes {
		if n := &f.Nodes[i]; n.Connected && n.Snap != nil && n.Seen.After(last) {
			last, now = n.Seen, n.Snap.Time
		}
	}
	if last.IsZero() {
		return
	}
	f.Time = now
	for i := range f.Nodes {
		if n := &f.Nodes[i]; !n.Seen.IsZero() {
			n.Seen = now.Add(-max(0, last.Sub(n.Seen)))
		}
	}
}
