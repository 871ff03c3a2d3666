package sadb

import (
	"cmp"
	"slices"

	"github.com/getvpn/getvpn/esp/replay"
)

// SenderWindow is the replay window of one sender as it stood at one moment.
type SenderWindow struct {
	SID    uint64
	Heard  int64 // when Recent first found its highest number, in the clock of the caller
	Window replay.Window
}

// Recent copies the windows of the senders that were heard last, at most most of them, the latest first. The data path is not
// asked to keep times for this: a sender counts as heard when its highest number has changed since the last call, so that
// times are as fine as calls are frequent. The lock of each sender is held for as long as it takes to read a number.
func (e *Entry) Recent(now int64, most int) []SenderWindow {
	e.looking.Lock()
	defer e.looking.Unlock()
	var all []*sender
	for i := range e.senders.heads {
		for s := e.senders.heads[i].Load(); s != nil; s = s.next {
			s.mu.Lock()
			top := s.window.Top()
			s.mu.Unlock()
			if top != s.looked {
				s.looked, s.heard = top, now
			}
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *sender) int { return cmp.Or(cmp.Compare(b.heard, a.heard), cmp.Compare(a.sid, b.sid)) })
	all = all[:min(len(all), most)]
	out := make([]SenderWindow, len(all))
	for i, s := range all {
		s.mu.Lock()
		out[i] = SenderWindow{s.sid, s.heard, s.window.Clone()}
		s.mu.Unlock()
	}
	return out
}
