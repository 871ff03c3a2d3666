package ks

import (
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// mixer is a reader of random octets: those of the system, mixed (XOR) with those of a token, so that either alone would
// do. It never waits for the token: a store of its octets is filled ahead of time, and when it is used up, the system's
// octets go out as they are.
type mixer struct {
	ask func(ctx context.Context, n int) ([]byte, error)
	// short hears that the store is used up, once until it was full again.
	short func()

	mu   sync.Mutex
	have []byte
	told bool
	more chan struct{} // has a value while the store is less than full
}

// The store of a mixer, in octets: a rekey of all groups takes less. Of the waits after a failure, each is twice as long.
const (
	mixerStore   = 8192
	mixerChunk   = 512
	mixerRetry   = time.Second
	mixerMaxWait = 30 * time.Second
)

func newMixer(ask func(ctx context.Context, n int) ([]byte, error), short func()) *mixer {
	return &mixer{ask: ask, short: short, have: make([]byte, 0, mixerStore), more: make(chan struct{}, 1)}
}

// Read implements io.Reader. It does not block, and does not fail.
func (m *mixer) Read(b []byte) (int, error) {
	_, _ = rand.Read(b) // never fails
	m.mu.Lock()
	left := len(m.have)
	n := min(left, len(b))
	used := m.have[left-n:]
	for i := range used {
		b[i] ^= used[i]
	}
	clear(used)
	m.have = m.have[:left-n]
	tell := n < len(b) && !m.told
	m.told = m.told || tell
	m.mu.Unlock()
	if tell {
		m.short()
	}
	select {
	case m.more <- struct{}{}:
	default:
	}
	return len(b), nil
}

// run fills the store until ctx ends.
func (m *mixer) run(ctx context.Context) {
	wait := mixerRetry
	for ctx.Err() == nil {
		full, err := m.fill(ctx)
		switch {
		case err != nil:
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			wait = min(2*wait, mixerMaxWait)
		case full:
			wait = mixerRetry
			select {
			case <-m.more:
			case <-ctx.Done():
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.have)
	m.have = m.have[:0]
}

// fill asks for one chunk, and tells whether the store is full.
func (m *mixer) fill(ctx context.Context) (full bool, err error) {
	m.mu.Lock()
	room := mixerStore - len(m.have)
	m.told = m.told && room > 0
	m.mu.Unlock()
	if room == 0 {
		return true, nil
	}
	got, err := m.ask(ctx, min(room, mixerChunk))
	if err != nil {
		return false, err
	}
	defer clear(got)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.have = append(m.have, got[:min(len(got), mixerStore-len(m.have))]...)
	return false, nil
}
