package sadb

import (
	"slices"
	"sync/atomic"
)

// Reader is one goroutine's way into the database.
type Reader struct {
	_     [64]byte // epochs of two readers must not share a cache line
	epoch atomic.Uint64
	_     [64]byte
	db    *DB
}

// retired is an SA that is in no View any more, and the readers that may still use it: each was inside (odd epoch) when
// it was retired, and is done with it once its epoch is another.
type retired struct {
	entry *Entry
	until []mark
}

type mark struct {
	reader *Reader
	epoch  uint64
}

// NewReader registers a goroutine.
func (db *DB) NewReader() *Reader {
	db.mu.Lock()
	defer db.unlock()
	r := &Reader{db: db}
	db.readers = append(db.readers, r)
	return r
}

// Enter begins a batch. It must not be nested.
func (r *Reader) Enter() *View {
	r.epoch.Add(1)
	return r.db.view.Load()
}

// Leave ends the batch: the View and its entries must not be used any more.
func (r *Reader) Leave() {
	r.epoch.Add(1)
	if r.db.pending.Load() && r.db.mu.TryLock() { // a worker never waits for a control call
		r.db.unlock()
	}
}

// Close unregisters the goroutine.
func (r *Reader) Close() {
	db := r.db
	db.mu.Lock()
	defer db.unlock()
	db.readers = slices.DeleteFunc(db.readers, func(x *Reader) bool { return x == r })
}

// bury is called with the lock held, after the View without e was stored: readers that enter from now on cannot see it.
func (db *DB) bury(e *Entry) {
	g := retired{entry: e}
	for _, r := range db.readers {
		if epoch := r.epoch.Load(); epoch%2 == 1 {
			g.until = append(g.until, mark{r, epoch})
		}
	}
	db.limbo = append(db.limbo, g)
	db.pending.Store(true)
}

// unlock destroys what nobody uses any more and releases the lock.
func (db *DB) unlock() {
	db.limbo = slices.DeleteFunc(db.limbo, func(g retired) bool {
		for _, m := range g.until {
			if m.reader.epoch.Load() == m.epoch {
				return false
			}
		}
		db.gone[g.entry.Group] = db.gone[g.entry.Group].plus(g.entry) // nobody counts for it any more
		g.entry.destroy()
		return true
	})
	db.pending.Store(len(db.limbo) > 0)
	db.mu.Unlock()
}
