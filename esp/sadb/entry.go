package sadb

import (
	"crypto/sha256"
	"crypto/subtle"
	"sync"
	"sync/atomic"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/replay"
	"github.com/getvpn/getvpn/esp/spd"
)

// Entry is one SA in the database.
type Entry struct {
	SA      *esp.SA
	Group   int
	Expires int64 // hard end, in the clock of the caller; 0 for none

	sender    atomic.Pointer[esp.Sender] // nil: receive only
	senders   senders
	looking   sync.Mutex                    // of Recent
	selectors atomic.Pointer[spd.Selectors] // nil: what the group permits
	print     [sha256.Size]byte             // of the keying material, to recognise the same key again

	Floor  atomic.Int64 // the group's time when it was installed, in nanoseconds; 0: not known
	Demand atomic.Bool  // packets must be stamped

	InPackets, InBytes   atomic.Uint64
	OutPackets, OutBytes atomic.Uint64
}

// Sender returns what hands out tickets for this SA, nil if it can only receive.
func (e *Entry) Sender() *esp.Sender { return e.sender.Load() }

// Selectors returns what may arrive under this SA; nil: whatever its group permits.
func (e *Entry) Selectors() *spd.Selectors { return e.selectors.Load() }

// Owns says whether packets with this sender id are our own.
func (e *Entry) Owns(sid uint64) bool {
	s := e.sender.Load()
	return s != nil && s.Owns(sid)
}

// Senders returns for how many senders there is a window.
func (e *Entry) Senders() int { return int(e.senders.count.Load()) }

// CheckReplay says whether the packet could be new. It changes nothing.
func (e *Entry) CheckReplay(sid uint64, seq uint32) bool {
	s := e.senders.find(sid)
	if s == nil {
		return seq != 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.Check(uint64(seq))
}

// CommitReplay marks an authentic packet as seen. fresh is false if it was seen already; room is false if there is no
// memory for a window for its sender.
func (e *Entry) CommitReplay(sid uint64, seq uint32) (fresh, room bool) {
	s := e.senders.find(sid)
	if s == nil {
		if s = e.senders.make(sid); s == nil {
			return false, false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.window.Commit(uint64(seq)), true
}

// Count adds to the counters.
func (e *Entry) Count(inPackets, inBytes, outPackets, outBytes uint64) {
	if inPackets > 0 {
		e.InPackets.Add(inPackets)
		e.InBytes.Add(inBytes)
	}
	if outPackets > 0 {
		e.OutPackets.Add(outPackets)
		e.OutBytes.Add(outBytes)
	}
}

func (e *Entry) sameKey(keymat []byte) bool {
	p := sha256.Sum256(keymat)
	return subtle.ConstantTimeCompare(p[:], e.print[:]) == 1
}

func (e *Entry) destroy() {
	e.SA.Destroy()
	clear(e.print[:])
}

// buckets is the size of the table of senders. Key servers hand sender ids out in sequence, so they spread evenly.
const buckets = 4096

// senders maps sender ids to windows: chains that only grow at the front, so that finding needs no lock.
type senders struct {
	heads [buckets]atomic.Pointer[sender]
	count atomic.Int64
	limit int
	size  int // of each window
	mu    sync.Mutex
}

type sender struct {
	sid    uint64
	next   *sender
	mu     sync.Mutex // two workers may have packets of one sender
	window replay.Window

	looked uint64 // the window's highest number when it was last looked at, by Recent alone
	heard  int64  // and when that was first seen
}

func (t *senders) find(sid uint64) *sender {
	for s := t.heads[sid%buckets].Load(); s != nil; s = s.next {
		if s.sid == sid {
			return s
		}
	}
	return nil
}

// make returns the window of a new sender, or of one that another worker has just made; nil if there are too many.
func (t *senders) make(sid uint64) *sender {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.find(sid); s != nil {
		return s
	}
	if t.count.Load() >= int64(t.limit) {
		return nil
	}
	head := &t.heads[sid%buckets]
	s := &sender{sid: sid, next: head.Load(), window: replay.New(t.size)}
	head.Store(s)
	t.count.Add(1)
	return s
}
