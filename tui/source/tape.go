package source

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/record"
)

const (
	flushEvery = time.Second // how much of the past a crash may cost
	mostQueued = 1 << 16     // frames that wait for a slow disk before the recording is given up
)

// Tape is a recording that is being made of what a Source hears. The disk never holds up the Source.
type Tape struct {
	Path  string
	Begun time.Time

	mu    sync.Mutex
	w     *record.Writer
	queue []record.Frame
	early []record.Frame // what was heard before the calendar of a simulated lab was
	nodes map[string]bool
	stop  bool
	err   error // why it ended before it was stopped
	ended time.Time

	more chan struct{}
	done chan struct{}
	now  func() time.Time // of the Source
}

// Record begins a recording: what is known by now first, then all that is heard until Stop.
func (s *Source) Record(path string, o record.Options) (*Tape, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tape; t != nil && !t.Ended() {
		return nil, fmt.Errorf("it is being recorded to %s already", t.Path)
	}
	now := s.moment()
	w, err := record.Create(path, record.Header{Started: now, Title: s.title, Lab: s.lab}, o)
	if err != nil {
		return nil, err
	}
	t := &Tape{Path: path, Begun: time.Now(), w: w, nodes: map[string]bool{}, more: make(chan struct{}, 1), done: make(chan struct{})}
	t.now = func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.moment()
	}
	s.known(t, now)
	s.tape = t
	go t.run()
	return t, nil
}

// known puts what is known at a moment on a tape.
func (s *Source) known(t *Tape, now time.Time) {
	if s.state != nil {
		t.add(record.Frame{At: now, Lab: s.state.raw})
	}
	if s.course != nil {
		t.add(record.Frame{At: now, Course: s.course.raw})
	}
	var all []Node
	for _, n := range s.nodes {
		all = append(all, *n)
	}
	sortNodes(all)
	for i := range all {
		if n := &all[i]; n.Snap != nil {
			t.add(record.Frame{At: now, Node: n.Name, Role: n.Role, Watch: &control.Watch{Snapshot: n.Snap}})
		}
	}
	for i := range s.events {
		e := s.events[i]
		t.add(record.Frame{At: now, Node: s.heardFrom(e.Node), Watch: &control.Watch{Event: &e}})
	}
	for i := range all { // last, because who speaks is there
		if n := &all[i]; !n.Connected {
			t.add(record.Frame{At: now, Node: n.Name, Role: n.Role, Gone: n.Problem})
		}
	}
}

// heardFrom is the node by whose socket an event came: usually that of its name.
func (s *Source) heardFrom(name string) string {
	if s.nodes[name] != nil {
		return name
	}
	for _, n := range s.nodes {
		if n.Snap != nil && n.Snap.Name == name {
			return n.Name
		}
	}
	return name
}

// tell puts on the tape, if there is one, what is heard now. s.mu is held.
func (s *Source) tell(f record.Frame) {
	if s.tape != nil {
		f.At = s.moment()
		s.tape.add(f)
	}
}

// add queues a frame.
func (t *Tape) add(f record.Frame) {
	t.mu.Lock()
	if f.Node != "" {
		t.nodes[f.Node] = true
	}
	switch {
	case t.err != nil || t.stop:
	case f.At.IsZero():
		t.early = append(t.early, f)
	default:
		t.begin(f.At)
		t.queue = append(t.queue, f)
		if len(t.queue) > mostQueued {
			t.err = errors.New("the disk is too slow for it")
		}
	}
	t.mu.Unlock()
	wake(t.more)
}

// begin takes up a moment, at which what was heard early counts as heard.
func (t *Tape) begin(at time.Time) {
	for _, f := range t.early {
		f.At = at
		t.queue = append(t.queue, f)
	}
	t.early = nil
}

// run writes frames until the tape is stopped or full.
func (t *Tape) run() {
	defer close(t.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-t.more:
		case <-tick.C:
			err = t.w.Flush()
		}
		t.mu.Lock()
		if t.stop {
			t.begin(time.Now())
		}
		batch, stop := t.queue, t.stop || t.err != nil
		t.queue = nil
		t.mu.Unlock()
		for i := 0; i < len(batch) && err == nil; i++ {
			err = t.w.Write(batch[i])
		}
		if err == nil && !stop {
			continue
		}
		if err == nil { // silence until now is worth knowing, too
			err = t.w.Write(record.Frame{At: t.now(), End: "stopped"})
		}
		err = errors.Join(err, t.w.Close())
		t.mu.Lock()
		t.err, t.ended = errors.Join(t.err, err), time.Now()
		t.mu.Unlock()
		return
	}
}

// Done is closed when the recording has ended, by itself or because it was stopped.
func (t *Tape) Done() <-chan struct{} { return t.done }

// Ended says whether it has.
func (t *Tape) Ended() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// Stop completes the recording and returns why it had ended before, if it had.
func (t *Tape) Stop() error {
	t.mu.Lock()
	t.stop = true
	t.mu.Unlock()
	wake(t.more)
	<-t.done
	return t.err
}

// Long says how much time it has recorded.
func (t *Tape) Long() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended.IsZero() {
		return time.Since(t.Begun)
	}
	return t.ended.Sub(t.Begun)
}

// Stats is what the recording has come to, and how many daemons it has.
func (t *Tape) Stats() (s record.Stats, nodes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Stats(), len(t.nodes)
}
