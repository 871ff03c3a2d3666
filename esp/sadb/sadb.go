package sadb

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/spd"
)

// spentMax is how many (SPI, SID) pairs of retired SAs are remembered, to refuse their reuse.
const spentMax = 4096

// DB is the database. Groups are numbers that the owner gives out, from 0 on.
type DB struct {
	view       atomic.Pointer[View]
	pending    atomic.Bool // limbo is not empty
	maxSenders int

	mu      sync.Mutex
	readers []*Reader
	limbo   []retired
	spent   []spent
	gone    map[int]Traffic // of SAs that were destroyed, by group
}

type spent struct{ spi, sid uint32 }

// View is the database at one moment. It never changes.
type View struct {
	inbound  map[uint32]*Entry
	outbound senderTable
}

// Inbound returns the SA of an SPI, or nil.
func (v *View) Inbound(spi uint32) *Entry { return v.inbound[spi] }

// Outbound returns the SA that protects a class, or nil.
func (v *View) Outbound(class uint32) *Entry { return v.outbound.find(class) }

// New returns an empty database. maxSenders limits the windows per SA.
func New(maxSenders int) *DB {
	db := &DB{maxSenders: maxSenders, gone: map[int]Traffic{}}
	db.view.Store(&View{outbound: newSenderTable(nil)})
	return db
}

// Params describes an SA to Add.
type Params struct {
	Group   int
	SPI     uint32
	Suite   esp.Suite
	KeyMat  []byte // the caller wipes it afterwards
	SIDBits uint8
	SIDs    []uint32 // none: receive only
	Expires int64
	Window  int   // size of the replay windows, valid for package replay
	Floor   int64 // see Entry
	Demand  bool
	// Selectors are checked when a packet arrives; nil: what the group permits.
	Selectors *spd.Selectors
}

// Add installs an SA. An SA that is there already, with the same key, keeps its windows and its counters: new sender
// ids are used after the ones it has.
func (db *DB) Add(p Params) error {
	db.mu.Lock()
	defer db.unlock()
	v := db.view.Load()
	for _, sid := range p.SIDs {
		if slices.Contains(db.spent, spent{p.SPI, sid}) {
			return fmt.Errorf("%w: SPI %08x, sender id %d", ErrSIDReused, p.SPI, sid)
		}
	}
	if old := v.inbound[p.SPI]; old != nil {
		return old.refresh(p)
	}
	sa, err := esp.NewSA(p.SPI, p.Suite, p.KeyMat, p.SIDBits)
	if err != nil {
		return err
	}
	e := &Entry{SA: sa, Group: p.Group, Expires: p.Expires, print: sha256.Sum256(p.KeyMat)}
	e.selectors.Store(p.Selectors)
	e.Floor.Store(p.Floor)
	e.Demand.Store(p.Demand)
	e.senders.limit, e.senders.size = db.maxSenders, p.Window
	if len(p.SIDs) > 0 {
		x, err := sa.Sender(p.SIDs)
		if err != nil {
			e.destroy()
			return err
		}
		e.sender.Store(x)
	}
	next := v.clone()
	next.inbound[p.SPI] = e
	db.view.Store(next)
	return nil
}

// refresh takes over the sender ids of a second registration under a key that is already in use.
func (e *Entry) refresh(p Params) error {
	if e.Group != p.Group || e.SA.Suite() != p.Suite || e.SA.SIDBits() != p.SIDBits || !e.sameKey(p.KeyMat) {
		return fmt.Errorf("%w: SPI %08x", ErrSPIInUse, p.SPI)
	}
	e.selectors.Store(p.Selectors)
	if len(p.SIDs) == 0 {
		return nil
	}
	var x *esp.Sender
	var err error
	if old := e.sender.Load(); old != nil {
		x, _, err = old.Extend(p.SIDs)
	} else {
		x, err = e.SA.Sender(p.SIDs)
	}
	if err == nil {
		e.sender.Store(x)
	}
	return err
}

// Activate makes an SA the one that a class is protected with, in one step: there is always exactly one. One SA may
// protect several classes. Numbers of classes are the caller's, unique over all groups.
func (db *DB) Activate(group int, spi, class uint32) error {
	db.mu.Lock()
	defer db.unlock()
	v := db.view.Load()
	e := v.inbound[spi]
	if e == nil || e.Group != group {
		return fmt.Errorf("%w: SPI %08x", ErrUnknownSPI, spi)
	}
	if e.Sender() == nil {
		return fmt.Errorf("SPI %08x: %w", spi, esp.ErrNoSenderID)
	}
	next := v.clone()
	next.outbound = next.outbound.with(class, e)
	db.view.Store(next)
	return nil
}

// Retire removes an SA. Its key is overwritten when the last reader that may use it has left.
func (db *DB) Retire(group int, spi uint32) error {
	db.mu.Lock()
	defer db.unlock()
	v := db.view.Load()
	e := v.inbound[spi]
	if e == nil || e.Group != group {
		return fmt.Errorf("%w: SPI %08x", ErrUnknownSPI, spi)
	}
	next := v.clone()
	delete(next.inbound, spi)
	next.outbound = next.outbound.without(e)
	db.view.Store(next)
	if x := e.Sender(); x != nil {
		for _, sid := range x.SIDs() {
			db.spent = append(db.spent, spent{spi, sid})
		}
		db.spent = db.spent[max(0, len(db.spent)-spentMax):]
	}
	db.bury(e)
	return nil
}

// Sends says whether there is an SA that protects the class.
func (db *DB) Sends(class uint32) bool { return db.view.Load().Outbound(class) != nil }

// Entries returns all SAs, by SPI, and for each the classes that it protects.
func (db *DB) Entries() (all []*Entry, sending [][]uint32) {
	db.mu.Lock()
	defer db.unlock()
	v := db.view.Load()
	for _, spi := range slices.Sorted(maps.Keys(v.inbound)) {
		e := v.inbound[spi]
		all = append(all, e)
		sending = append(sending, v.outbound.classes(e))
	}
	return all, sending
}

func (v *View) clone() *View {
	n := &View{inbound: maps.Clone(v.inbound), outbound: v.outbound}
	if n.inbound == nil {
		n.inbound = map[uint32]*Entry{}
	}
	return n
}
