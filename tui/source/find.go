package source

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/record"
)

// eventCache reads events of a recording, those that were used lately once.
type eventCache struct {
	rec *record.Recording

	mu     sync.Mutex
	chunks map[int][]*control.Event
	used   map[int]int
	uses   int
}

func newEventCache(rec *record.Recording) *eventCache {
	return &eventCache{rec: rec, chunks: map[int][]*control.Event{}, used: map[int]int{}}
}

// get is the i-th event; nil: it cannot be read.
func (c *eventCache) get(i int) *control.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := i / eventChunk
	if c.chunks[k] == nil {
		c.read(k)
	}
	c.uses++
	c.used[k] = c.uses
	return c.chunks[k][i%eventChunk]
}

func (c *eventCache) read(k int) {
	if len(c.chunks) >= eventKeep {
		oldest := -1
		for k := range c.chunks {
			if oldest < 0 || c.used[k] < c.used[oldest] {
				oldest = k
			}
		}
		delete(c.chunks, oldest)
		delete(c.used, oldest)
	}
	chunk := make([]*control.Event, min(eventChunk, c.rec.Events()-k*eventChunk))
	for i := range chunk {
		m := c.rec.Event(k*eventChunk + i)
		f, err := c.rec.Frame(m.Frame)
		if err != nil {
			continue
		}
		if chunk[i] = f.Watch.Event; chunk[i].Node == "" {
			chunk[i].Node = m.Node
		}
	}
	c.chunks[k] = chunk
}

// Seeks are the events that are looked for.
type Seeks struct {
	Least record.Severity             // that severe, or more
	Name  string                      // of that name; empty: of any
	Fits  func(e *control.Event) bool // nil: all
}

// StepEvent goes to the next event that is looked for, or the previous one with -1, and stands there. It says whether there is one.
func (r *Replay) StepEvent(step int, want Seeks) bool {
	p := r.Position()
	i := p.Event // the first that has not been told
	if step < 0 {
		i-- // the last that has been
		if i >= 0 && r.rec.Event(i).Frame == p.Frame-1 {
			i-- // on which it stands
		}
	}
	for ; i >= 0 && i < p.Events; i += step {
		m := r.rec.Event(i)
		if m.Frame < r.first { // it was before the recording
			return false
		}
		if m.Severity < want.Least || want.Name != "" && m.Name != want.Name {
			continue
		}
		if want.Fits != nil {
			if e := r.events.get(i); e == nil || !want.Fits(e) {
				continue
			}
		}
		r.turn(func() { r.stand(m.Frame + 1) })
		return true
	}
	return false
}

// SeekEvent goes to where an event was told, and stands there; to its time if it cannot be found.
func (r *Replay) SeekEvent(e control.Event) {
	for i := range r.rec.Events() {
		m := r.rec.Event(i)
		if m.Seq == e.Seq && m.Name == e.Name && m.Time.Equal(e.Time) {
			r.turn(func() { r.stand(m.Frame + 1) })
			return
		}
	}
	r.turn(func() { r.at, r.playing = r.moment(e.Time), false })
}

// Marks says for each of n equal parts of the recording how severe the worst event of it is; 0 or 1: none of note.
func (r *Replay) Marks(n int) []record.Severity {
	out := make([]record.Severity, n)
	start, all := r.rec.Start(), r.rec.End().Sub(r.rec.Start())
	for i := range r.rec.Events() {
		m := r.rec.Event(i)
		if d := m.Time.Sub(start); d >= 0 && all > 0 && n > 0 {
			k := min(n-1, int(float64(d)/float64(all)*float64(n)))
			out[k] = max(out[k], m.Severity)
		}
	}
	return out
}

// EventNames are the names that events of the recording have.
func (r *Replay) EventNames() []string { return r.rec.EventNames() }

// ParseMoment reads a time of a recording: start, end, 12:03:17 or 2026-11-29 12:03:17 as clocks here show them, RFC 3339, +5m after the
// start, -30s before the end.
func ParseMoment(text string, start, end time.Time) (time.Time, error) {
	switch text {
	case "start":
		return start, nil
	case "end":
		return end, nil
	}
	if strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-") {
		d, err := time.ParseDuration(text)
		if err == nil && d < 0 || err == nil && strings.HasPrefix(text, "-") {
			return end.Add(d), nil
		}
		if err == nil {
			return start.Add(d), nil
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		s := start.Local()
		at := time.Date(s.Year(), s.Month(), s.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.Local)
		if at.Before(s.Truncate(time.Second)) { // the recording went on after midnight
			at = at.AddDate(0, 0, 1)
		}
		return at, nil
	}
	return time.Time{}, fmt.Errorf("%q is no time of a recording: say 12:03:17, +5m (after its start), -30s (before its end), start or end", text)
}
