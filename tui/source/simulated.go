package source

import "time"

// simulate makes a fleet's time that of a simulated lab, which stands, runs faster than ours, and goes back: the one that was
// heard last has told it. How long ago the others were heard is counted from there, in our seconds; while all are silent, time stands.
// now is what it was if nobody has told it yet.
func (f *Fleet) simulate(now time.Time) {
	var last time.Time
	for i := range f.Nodes {
		f.Nodes[i].tells(&last, &now)
	}
	if now.IsZero() {
		return
	}
	f.Time = now
	for i := range f.Nodes {
		if n := &f.Nodes[i]; !n.Seen.IsZero() {
			n.Seen = now.Add(-max(0, last.Sub(n.Seen)))
		}
	}
}

// tells is the time of a simulated lab by this node, if it said so after the last that has told it. One that is gone has told it too:
// when all are gone, time does not become ours.
func (n *Node) tells(last, now *time.Time) {
	if n.Snap != nil && n.told.After(*last) {
		*last, *now = n.told, n.Snap.Time
	}
}

// moment is when something that is heard now goes on a tape: by the calendar of a simulated lab, so that its recording takes as long
// as the run, and ends by the same calendar when the lab goes down meanwhile. Zero: nobody has told that yet.
func (s *Source) moment() (now time.Time) {
	if !s.virtual {
		return time.Now()
	}
	var last time.Time
	now = s.told
	for _, n := range s.nodes {
		n.tells(&last, &now)
	}
	return now
}
