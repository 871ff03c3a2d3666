package control

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// JournalSize is how many events a daemon remembers.
const JournalSize = 4096

// Journal is a ring of numbered events. It is safe for concurrent use; the zero value is empty. A reader asks for what
// is newer than the number that it knows, so a slow one loses old events (the numbers show the gap) and never holds up
// a daemon.
type Journal struct {
	mu     sync.Mutex
	ring   [JournalSize]Event
	last   uint64 // number of the newest; the first event is 1
	notify map[chan struct{}]bool
	counts map[EventCount]uint64 // by name and severity, with a zero Count
}

// EventCount is how many events of a name and severity there were since the start.
type EventCount struct {
	Name, Severity string
	Count          uint64
}

// maxCounts bounds them. Names come from a list in the code, so it is never reached.
const maxCounts = 512

// Add numbers the event and keeps it.
func (j *Journal) Add(e Event) Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	e.Seq = j.last
	j.ring[e.Seq%JournalSize] = e
	if j.counts == nil {
		j.counts = map[EventCount]uint64{}
	}
	key := EventCount{Name: e.Name, Severity: e.Severity}
	if _, known := j.counts[key]; known || len(j.counts) < maxCounts {
		j.counts[key]++
	}
	for ch := range j.notify {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	return e
}

// Last is the number of the newest event, 0 for none.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Since returns up to limit of the oldest events that are newer than number seq and still remembered.
func (j *Journal) Since(seq uint64, limit int) []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.last > JournalSize {
		seq = max(seq, j.last-JournalSize)
	}
	var out []Event
	for n := seq + 1; n <= j.last && len(out) < limit; n++ {
		out = append(out, j.ring[n%JournalSize])
	}
	return out
}

// Counts is how often each event came, sorted by name and severity.
func (j *Journal) Counts() []EventCount {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]EventCount, 0, len(j.counts))
	for c, n := range j.counts {
		c.Count = n
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b EventCount) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Severity, b.Severity))
	})
	return out
}

// Subscribe returns a channel that gets a value when there are new events, and a function that ends this.
func (j *Journal) Subscribe() (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.notify == nil {
		j.notify = map[chan struct{}]bool{}
	}
	j.notify[ch] = true
	return ch, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.notify, ch)
	}
}
