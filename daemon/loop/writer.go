package loop

import (
	"errors"
	"sync"

	"github.com/getvpn/getvpn/gdoi/machine"
)

var errNoStore = errors.New("loop: no store is configured")

// writer executes Persist effects in a goroutine of its own. While one transaction is being synced to the disk, the
// effects that arrive are collected and become the next one (group commit): a thousand registrations a second do not
// need a thousand syncs.
//
// waiting and failed belong to the loop's goroutine, the rest is shared.
type writer struct {
	persist func([]machine.Record) error
	results chan result
	waiting map[machine.PersistID][]machine.Send
	failed  map[machine.PersistID]bool

	mu     sync.Mutex
	more   sync.Cond
	queue  []machine.Persist
	closed bool
}

// result is one finished transaction.
type result struct {
	ids []machine.PersistID
	err error
}

func (w *writer) init(persist func([]machine.Record) error) {
	w.persist = persist
	w.results = make(chan result)
	w.waiting = map[machine.PersistID][]machine.Send{}
	w.failed = map[machine.PersistID]bool{}
	w.more.L = &w.mu
}

// enqueue never waits.
func (w *writer) enqueue(p machine.Persist) {
	w.waiting[p.ID] = nil
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, p)
	w.more.Signal()
}

// hold says whether s must not go out now: it waits, or it is dropped because its persist has failed.
func (w *writer) hold(s machine.Send) bool {
	if s.After == 0 {
		return false
	}
	if list, ok := w.waiting[s.After]; ok {
		w.waiting[s.After] = append(list, s)
		return true
	}
	return w.failed[s.After]
}

// release returns what may go out now that the persist is finished.
func (w *writer) release(id machine.PersistID, err error) []machine.Send {
	list := w.waiting[id]
	delete(w.waiting, id)
	if err != nil {
		w.failed[id] = true
		return nil
	}
	return list
}

// close lets run end when the queue is empty.
func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.more.Signal()
}

func (w *writer) run() {
	defer close(w.results)
	for {
		batch := w.take()
		if batch == nil {
			return
		}
		var (
			r       result
			records []machine.Record
		)
		for _, p := range batch {
			r.ids = append(r.ids, p.ID)
			records = append(records, p.Records...)
		}
		if r.err = errNoStore; w.persist != nil {
			r.err = w.persist(records)
		}
		w.results <- r
	}
}

// take waits for something to write; nil means that the end has come.
func (w *writer) take() []machine.Persist {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) == 0 && !w.closed {
		w.more.Wait()
	}
	batch := w.queue
	w.queue = nil
	return batch
}
