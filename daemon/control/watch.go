package control

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// hurried begins the names of the events after which a snapshot follows soon: roles and keys of cooperating key servers change seldom,
// and an operator who has killed one waits for nothing else.
const hurried = "coop-"

// watcher is one watch stream.
type watcher struct {
	s    *Server
	w    http.ResponseWriter
	rc   *http.ResponseController
	ctx  context.Context
	seq  uint64 // of the newest event that was written
	last *Snapshot
	soon <-chan time.Time // a snapshot before its turn is due; nil: none
	rush time.Time        // when the last of these was wanted
}

// getWatch writes a snapshot, then what happens. Events are read from the journal's ring by number, so a reader that
// is slow for a while misses events (it sees the gap in their numbers); one that stands still is cut off.
func (s *Server) getWatch(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	x := &watcher{s: s, w: w, rc: http.NewResponseController(w), ctx: ctx, seq: s.journal.Last()}
	more, unsubscribe := s.journal.Subscribe()
	defer unsubscribe()
	w.Header().Set("Content-Type", "application/x-ndjson")
	if !x.snapshot() {
		return
	}
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		ok := true
		select {
		case <-more:
			ok = x.events()
		case <-tick.C:
			ok = x.snapshot()
		case <-x.soon:
			x.soon = nil
			ok = x.snapshot()
		case <-s.closing:
			x.events()
			return
		case <-ctx.Done():
			return
		}
		if !ok {
			return
		}
	}
}

// events writes what is new in the journal.
func (x *watcher) events() bool {
	for {
		batch := x.s.journal.Since(x.seq, eventBatch)
		if len(batch) == 0 {
			return true
		}
		for i := range batch {
			if !x.write(Watch{Event: &batch[i]}) {
				return false
			}
			x.seq = batch[i].Seq
			if x.hurries(batch[i].Name, time.Now()) {
				x.soon = time.After(watchHurry)
			}
		}
	}
}

// hurries says whether a snapshot is to follow an event soon. There is one such in the time in which one comes anyhow: a peer that
// causes many events does not make the daemon work for each.
func (x *watcher) hurries(event string, now time.Time) bool {
	if !strings.HasPrefix(event, hurried) || now.Sub(x.rush) < watchInterval {
		return false
	}
	x.rush = now
	return true
}

// snapshot writes one if something has changed since the last.
func (x *watcher) snapshot() bool {
	ctx, cancel := context.WithTimeout(x.ctx, requestTimeout)
	defer cancel()
	snap, _, err := x.s.snapshot(ctx)
	if err != nil {
		return false
	}
	if unchanged(x.last, snap) {
		return true
	}
	x.last = snap
	return x.write(Watch{Snapshot: snap})
}

func (x *watcher) write(v Watch) bool {
	line, err := json.Marshal(v)
	if err != nil {
		return false
	}
	_ = x.rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := x.w.Write(append(line, '\n')); err != nil {
		return false
	}
	return x.rc.Flush() == nil
}
