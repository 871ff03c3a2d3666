package custody

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getvpn/getvpn/hsm"
)

// Ages of an inventory; not for operators.
const (
	inventoryAge     = time.Minute     // others may make keys in the token, too
	inventoryRetry   = 5 * time.Second // after a failure, and after a change: a rekey changes several keys
	inventoryTimeout = 30 * time.Second
)

// inventory is the list of keys as it was read last. Reading takes a token a call for each key, so it is read while
// somebody looks, in the background, and seldom. The zero value with list is ready.
type inventory struct {
	list  func(context.Context) ([]hsm.KeyInfo, error)
	stale atomic.Bool // keys were made or removed since

	mu      sync.Mutex
	keys    []hsm.KeyInfo
	at      time.Time // when keys was read
	tried   time.Time
	problem string
	reading bool
	closed  bool
}

// get returns what is known, and has it read anew if it is old.
func (v *inventory) get(now time.Time) (keys []hsm.KeyInfo, at time.Time, problem string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	age := inventoryAge
	if v.problem != "" || v.stale.Load() {
		age = inventoryRetry
	}
	if !v.reading && !v.closed && (v.tried.IsZero() || now.Sub(v.tried) >= age) {
		v.reading, v.tried = true, now
		go v.read(now)
	}
	return v.keys, v.at, v.problem
}

func (v *inventory) read(now time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), inventoryTimeout)
	defer cancel()
	v.stale.Store(false) // what changes from here on may be missed
	keys, err := v.list(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reading, v.problem = false, ""
	if err != nil {
		v.problem = err.Error()
	} else {
		v.keys, v.at = keys, now
	}
}

func (v *inventory) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
}
