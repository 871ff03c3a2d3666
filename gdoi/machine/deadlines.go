package machine

import "container/heap"

// Deadlines is a set of keyed deadlines: a machine with thousands of parts finds the earliest without asking them all.
// Equal deadlines come in the order in which they were set, so that runs repeat. The zero value is empty.
type Deadlines[K comparable] struct {
	h     deadlineHeap[K]
	index map[K]*deadline[K]
	seq   uint64
}

type deadline[K comparable] struct {
	key K
	at  Instant
	seq uint64
	pos int
}

// Set gives key the deadline at; ok false removes it, so that a part's Deadline() fits as arguments.
func (d *Deadlines[K]) Set(key K, at Instant, ok bool) {
	e := d.index[key]
	switch {
	case !ok && e == nil, ok && e != nil && e.at == at:
	case !ok:
		heap.Remove(&d.h, e.pos)
		delete(d.index, key)
	case e == nil:
		if d.index == nil {
			d.index = map[K]*deadline[K]{}
		}
		d.seq++
		e = &deadline[K]{key: key, at: at, seq: d.seq}
		d.index[key] = e
		heap.Push(&d.h, e)
	default:
		d.seq++
		e.at, e.seq = at, d.seq
		heap.Fix(&d.h, e.pos)
	}
}

// Next is the earliest deadline.
func (d *Deadlines[K]) Next() (Instant, bool) {
	if len(d.h) == 0 {
		return 0, false
	}
	return d.h[0].at, true
}

// PopDue removes the earliest deadline that is not after now and returns its key; false when there is none. Whoever
// calls it sets the key's next deadline.
func (d *Deadlines[K]) PopDue(now Instant) (key K, ok bool) {
	if len(d.h) == 0 || d.h[0].at > now {
		return key, false
	}
	e := heap.Pop(&d.h).(*deadline[K])
	delete(d.index, e.key)
	return e.key, true
}

// Len is the number of keys.
func (d *Deadlines[K]) Len() int { return len(d.h) }

type deadlineHeap[K comparable] []*deadline[K]

func (h deadlineHeap[K]) Len() int { return len(h) }

func (h deadlineHeap[K]) Less(i, j int) bool {
	if h[i].at != h[j].at {
		return h[i].at < h[j].at
	}
	return h[i].seq < h[j].seq
}

func (h deadlineHeap[K]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].pos, h[j].pos = i, j
}

func (h *deadlineHeap[K]) Push(x any) {
	e := x.(*deadline[K])
	e.pos = len(*h)
	*h = append(*h, e)
}

func (h *deadlineHeap[K]) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}

// Timer is one optional deadline of a machine.
type Timer struct {
	at Instant
	on bool
}

// Set makes the timer due at at.
func (t *Timer) Set(at Instant) { t.at, t.on = at, true }

// Stop makes it due never.
func (t *Timer) Stop() { t.on = false }

// Deadline is when it is due; false means never.
func (t *Timer) Deadline() (Instant, bool) { return t.at, t.on }

// Due says whether it is due, and if so stops it.
func (t *Timer) Due(now Instant) bool {
	if !t.on || now < t.at {
		return false
	}
	t.on = false
	return true
}

// Next folds the deadlines of parts into one.
type Next struct {
	At Instant
	OK bool
}

// Add takes one more deadline.
func (n *Next) Add(at Instant, ok bool) { n.At, n.OK = Earliest(n.At, n.OK, at, ok) }
