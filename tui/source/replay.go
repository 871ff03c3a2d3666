package source

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/record"
)

// Replay plays a recording: it is where a console has its Fleet from instead of a Source. What it shows at a moment depends on the
// moment only, not on the way there.
type Replay struct {
	rec    *record.Recording
	name   string
	past   *past
	events *eventCache
	clock  func() time.Time
	first  int // frames that tell what was when the recording began

	mu      sync.Mutex
	at      Moment
	playing bool
	speed   float64
	since   time.Time // of the clock: when the recording's time was at.Time
	wake    chan struct{}
	shown   Moment // what Next returned last
}

// Moment is a place in a recording: so many of its frames have been told, and it is that time.
type Moment struct {
	Frame int
	Time  time.Time
}

// Position is where a replay is.
type Position struct {
	Moment
	Name       string // of the file
	Start, End time.Time
	Playing    bool
	Speed      float64
	Frames     int
	Event      int // events that have been told
	Events     int
	Notes      []string // what of the file could not be read
}

// NewReplay plays a recording from its beginning. It stands until Play.
func NewReplay(rec *record.Recording) *Replay {
	r := &Replay{rec: rec, name: filepath.Base(rec.Path), past: newPast(rec), events: newEventCache(rec), clock: time.Now, speed: 1, wake: make(chan struct{}, 1)}
	r.at = r.moment(rec.Start())
	r.first = r.at.Frame
	r.shown.Frame = -1
	return r
}

// moment is the place of a time, which is never outside of the recording.
func (r *Replay) moment(t time.Time) Moment {
	if s := r.rec.Start(); t.Before(s) {
		t = s
	}
	if e := r.rec.End(); t.After(e) {
		t = e
	}
	return Moment{r.rec.Until(t), t}
}

// now moves on with the clock; r.mu is held.
func (r *Replay) now() Moment {
	if !r.playing {
		return r.at
	}
	now := r.clock()
	ahead := now.Sub(r.since).Seconds() * r.speed
	left := r.rec.End().Sub(r.at.Time)
	if ahead >= left.Seconds() {
		r.at, r.playing = r.moment(r.rec.End()), false
		return r.at
	}
	r.at, r.since = r.moment(r.at.Time.Add(time.Duration(ahead*float64(time.Second)))), now
	return r.at
}

// turn changes how it plays, and lets Next see it.
func (r *Replay) turn(change func()) {
	r.mu.Lock()
	r.now()
	change()
	r.since = r.clock()
	r.mu.Unlock()
	wake(r.wake)
}

// Close closes the file.
func (r *Replay) Close() error { return r.rec.Close() }

// Pause lets it stand, or go on. At the end of the recording it goes on from the beginning.
func (r *Replay) Pause(stand bool) {
	r.turn(func() {
		if r.playing = !stand; r.playing && !r.at.Time.Before(r.rec.End()) {
			r.at = r.moment(r.rec.Start())
		}
	})
}

// Speed says how fast it plays: 1 is as it was.
func (r *Replay) Speed(x float64) { r.turn(func() { r.speed = x }) }

// Seek goes to a time, or as near as the recording has it.
func (r *Replay) Seek(t time.Time) { r.turn(func() { r.at = r.moment(t) }) }

// Skip goes forward by a time, or back.
func (r *Replay) Skip(d time.Duration) { r.turn(func() { r.at = r.moment(r.at.Time.Add(d)) }) }

// Step goes forward by frames, or back, and stands there.
func (r *Replay) Step(n int) { r.turn(func() { r.stand(r.at.Frame + n) }) }

// stand goes to where so many frames have been told.
func (r *Replay) stand(frames int) {
	frames = max(r.first, min(frames, r.rec.Len()))
	r.playing, r.at = false, Moment{frames, r.rec.Start()}
	if frames > 0 {
		r.at.Time = r.rec.At(frames - 1)
	}
}

// Position says where it is, without waiting for anything.
func (r *Replay) Position() Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Position{
		Moment: r.now(), Name: r.name, Start: r.rec.Start(), End: r.rec.End(), Playing: r.playing, Speed: r.speed, Frames: r.rec.Len(),
		Event: r.rec.EventsUntil(r.at.Frame), Events: r.rec.Events(), Notes: r.rec.Notes(),
	}
}

// Next waits until there is something else to be shown, at most ten times a second; false when ctx ended.
func (r *Replay) Next(ctx context.Context) (*Fleet, bool) {
	for {
		r.mu.Lock()
		at, playing := r.now(), r.playing
		d := at.Time.Sub(r.shown.Time)
		fresh := at.Frame != r.shown.Frame || d >= time.Second || d < 0 || !playing && d != 0
		if fresh {
			r.shown = at
		}
		r.mu.Unlock()
		if fresh {
			return r.Fleet(at), true
		}
		var tick <-chan time.Time
		if playing {
			tick = time.After(frameEvery)
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-r.wake:
		case <-tick:
		}
	}
}

// At is the fleet at a time.
func (r *Replay) At(t time.Time) *Fleet { return r.Fleet(r.moment(t)) }

// Fleet is what was known at a moment.
func (r *Replay) Fleet(at Moment) *Fleet {
	still := r.past.at(at.Frame)
	f := &Fleet{Title: r.rec.Title, Lab: r.rec.Lab, State: still.lab, Course: still.course, Time: at.Time, Events: r.eventsUntil(at.Frame)}
	for _, n := range still.nodes {
		if n.Name != "" {
			f.Nodes = append(f.Nodes, n)
		}
	}
	sortNodes(f.Nodes)
	return f
}

// eventsUntil are the newest of the events that so many frames tell.
func (r *Replay) eventsUntil(frames int) []control.Event {
	last := r.rec.EventsUntil(frames)
	out := make([]control.Event, 0, min(last, keepEvents))
	for i := max(0, last-keepEvents); i < last; i++ {
		if e := r.events.get(i); e != nil {
			out = append(out, *e)
		}
	}
	sortByTime(out)
	return out
}
