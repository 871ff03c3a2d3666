package source

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/daemon/control/record"
)

const (
	keepEvents = 2000                   // events kept over all nodes
	retryEvery = time.Second / 4        // pause before a new try to attach
	scanEvery  = time.Second / 2        // how often a directory is looked at for new sockets, and a lab for what has become of it
	dialBound  = 3 * time.Second        // bound on one request
	frameEvery = time.Second / 10       // most often that a change is announced
	calmEvery  = 300 * time.Millisecond // the same while nothing happens but that counters count
)

// notSeen is what is the matter with a daemon that has not answered yet.
const notSeen = "not seen yet"

// Source watches daemons. Make one with Socket, Dir or Lab and start it with Run.
type Source struct {
	title, lab string
	discover   func() []target
	looking    sync.Mutex // held while what a lab has is read

	mu      sync.Mutex
	state   *LabState
	course  *Course
	nodes   map[string]*Node
	events  []control.Event
	sorted  []control.Event   // the same by time, as they are handed out; nil: one has come since
	seen    map[string]uint64 // node -> newest event kept
	tape    *Tape             // what it is recorded on; nil: it is not
	changed chan struct{}
	turns   int       // how often a simulated lab's time was turned back
	told    time.Time // what time it was before that
	virtual bool      // the lab that was seen last has a time of its own
	held    *Fleet    // what is shown until those of now have spoken, at most until
	until   time.Time
	urgent  chan struct{} // something has happened: a warning, a daemon that came or went, a fault of the lab
}

func newSource(title, lab string, discover func() []target) *Source {
	return &Source{
		title: title, lab: lab, discover: discover,
		nodes: map[string]*Node{}, seen: map[string]uint64{}, changed: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
	}
}

// Run watches until ctx ends.
func (s *Source) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(scanEvery)
	defer tick.Stop()
	s.announce() // that there is nothing yet, too
	for {
		s.look()
		for _, d := range s.discover() {
			if s.adopt(d) {
				wg.Go(func() { s.watch(ctx, d.name, d.path) })
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// adopt adds a node that is not known yet.
func (s *Source) adopt(d target) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nodes[d.name] != nil {
		return false
	}
	s.nodes[d.name] = &Node{Name: d.name, Role: d.role, Socket: d.path, Problem: notSeen}
	s.tell(record.Frame{Node: d.name, Role: d.role, Gone: notSeen})
	return true
}

// take keeps one word that a daemon says now.
func (s *Source) take(name string, w control.Watch) { s.hear(name, s.turned(), w) }

// hear keeps one word of a daemon, unless time was turned back meanwhile.
func (s *Source) hear(name string, turn int, w control.Watch) {
	s.mu.Lock()
	if turn != s.turns {
		s.mu.Unlock()
		return
	}
	n := s.nodes[name]
	if !n.Connected && s.held != nil {
		if rest := time.Now().Add(holdRest); rest.Before(s.until) {
			s.until = rest
		}
	}
	happened := !n.Connected || w.Event != nil && (w.Event.Severity == "warning" || w.Event.Severity == "error")
	if w.Snapshot != nil && n.Snap != nil && n.Snap.PID != w.Snapshot.PID {
		delete(s.seen, name) // a restarted daemon numbers its journal anew
	}
	now, fresh := time.Now(), w.Event == nil || w.Event.Seq > s.seen[name]
	n.hear(w, now)
	if e := w.Event; e != nil && fresh {
		s.seen[name] = e.Seq
		if e.Node == "" {
			e.Node = name
		}
		s.events, s.sorted = append(s.events, *e), nil
		if len(s.events) > keepEvents {
			s.events = slices.Delete(s.events, 0, len(s.events)-keepEvents)
		}
	}
	if fresh {
		s.tell(record.Frame{Node: name, Role: n.Role, Watch: &w})
	}
	s.mu.Unlock()
	if happened {
		s.announce()
	} else {
		s.mention()
	}
}

func (s *Source) lost(name string, err error) {
	s.mu.Lock()
	n := s.nodes[name]
	why := "the daemon closed the connection"
	if err != nil {
		why = err.Error()
	}
	if _, statErr := os.Stat(n.Socket); statErr != nil {
		why = "not running (no socket)"
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		why = "not running (its socket is dead)"
	}
	changed := n.Connected || n.Problem != why
	if changed {
		s.tell(record.Frame{Node: name, Role: n.Role, Gone: why})
	}
	n.miss(why)
	s.mu.Unlock()
	if changed { // it is tried again and again, and what is down must not keep the screen busy
		s.announce()
	}
}

// mention says that something counts on, announce that something has happened, which is worth a frame sooner.
func (s *Source) mention() { wake(s.changed) }

func (s *Source) announce() {
	wake(s.urgent)
	wake(s.changed)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Next waits for a change and returns the fleet, at most ten times a second, and three times while only counters count; false when
// ctx ended.
func (s *Source) Next(ctx context.Context) (*Fleet, bool) {
	select {
	case <-ctx.Done():
		return nil, false
	case <-s.changed:
	}
	calm := time.NewTimer(calmEvery)
	defer calm.Stop()
	select {
	case <-ctx.Done():
		return nil, false
	case <-calm.C:
	case <-s.urgent:
		time.Sleep(frameEvery) // what comes with it, in the same frame
	}
	return s.Fleet(), true
}

// sortByTime puts the oldest first; those of one time stay as they came.
func sortByTime(events []control.Event) {
	slices.SortStableFunc(events, func(a, b control.Event) int { return a.Time.Compare(b.Time) })
}

// Fleet returns what is known now.
func (s *Source) Fleet() *Fleet {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds() {
		return s.held
	}
	return s.fleet()
}

// fleet is what is known, with s.mu held.
func (s *Source) fleet() *Fleet {
	if s.sorted == nil {
		s.sorted = slices.Clone(s.events)
		sortByTime(s.sorted)
	}
	f := &Fleet{Title: s.title, Lab: s.lab, State: s.state, Course: s.course, Time: time.Now(), Events: s.sorted}
	for _, n := range s.nodes {
		f.Nodes = append(f.Nodes, *n)
	}
	if s.state.Simulated() {
		f.simulate(s.told)
	}
	sortNodes(f.Nodes)
	return f
}

// Once asks every daemon for one snapshot and its journal, for the verbs that print and end. All are asked at the same
// time: one that hangs must not hide the others.
func (s *Source) Once(ctx context.Context) *Fleet {
	ctx, cancel := context.WithTimeout(ctx, dialBound)
	defer cancel()
	var wg sync.WaitGroup
	s.look()
	for _, d := range s.discover() {
		s.adopt(d)
		wg.Go(func() {
			c := client.New(d.path)
			snap, err := c.Snapshot(ctx)
			if err != nil {
				s.lost(d.name, err)
				return
			}
			s.recognise(ctx, d.name, c)
			s.take(d.name, control.Watch{Snapshot: snap})
			s.history(ctx, d.name, s.turned(), c)
		})
	}
	wg.Wait()
	f := s.Fleet()
	for i := range f.Nodes { // who answered was asked once, however long it took to wait for the others
		if n := &f.Nodes[i]; n.Connected {
			n.Seen = f.Time
		}
	}
	return f
}
