package ks

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getvpn/getvpn/hsm"
)

// generator is a token's generator: it counts, and may be slow or gone.
type generator struct {
	mu    sync.Mutex
	next  byte
	given []byte
	err   error
	slow  time.Duration
	asked int
}

func (g *generator) ask(ctx context.Context, n int) ([]byte, error) {
	g.mu.Lock()
	slow := g.slow
	g.asked++
	g.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return nil, g.err
	}
	out := make([]byte, n)
	for i := range out {
		g.next++
		out[i] = g.next
	}
	g.given = append(g.given, out...)
	return out, nil
}

func (g *generator) set(err error, slow time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err, g.slow = err, slow
}

// TestMixer: octets of the token are used once and mixed in, and reading never waits for it.
func TestMixer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &generator{}
		short := 0
		m := newMixer(g.ask, func() { short++ })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { m.run(ctx); close(done) }()
		stored := func() []byte {
			synctest.Wait()
			m.mu.Lock()
			defer m.mu.Unlock()
			return bytes.Clone(m.have)
		}
		have := stored()
		if len(have) != mixerStore || !bytes.Equal(have, g.given) {
			t.Fatalf("the store has %d octets, not the generator's %d", len(have), len(g.given))
		}

		g.set(hsm.ErrUnavailable, time.Hour) // gone, and slow to say so
		read := func(n int) []byte {
			t.Helper()
			b, from := make([]byte, n), time.Now()
			if got, err := m.Read(b); got != n || err != nil || time.Since(from) != 0 {
				t.Fatalf("%d, %v after %v", got, err, time.Since(from))
			}
			return b
		}
		one, two := read(36), read(36)
		if bytes.Equal(one, two) || bytes.Equal(one, have[len(have)-36:]) {
			t.Error("the system's octets are missing")
		}
		if left := stored(); !bytes.Equal(left, have[:mixerStore-72]) {
			t.Error("what was mixed in is there still, or too much is gone")
		}
		m.mu.Lock()
		behind := m.have[:mixerStore][mixerStore-72:]
		if !bytes.Equal(behind, make([]byte, 72)) {
			t.Error("what was used was not wiped")
		}
		m.mu.Unlock()
		if read(mixerStore); short != 1 || bytes.Equal(read(64), make([]byte, 64)) || short != 1 {
			t.Errorf("without the token: told %d times", short)
		}

		g.set(nil, 0)
		time.Sleep(2*time.Hour + mixerMaxWait)
		if got := stored(); len(got) != mixerStore {
			t.Errorf("the token is back, and the store has %d octets", len(got))
		}
		g.set(errors.New("again"), 0)
		if read(2 * mixerStore); short != 2 {
			t.Errorf("told %d times", short)
		}
		count := func() int {
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.asked
		}
		asked := count()
		time.Sleep(time.Hour)
		if n := count() - asked; n > int(time.Hour/mixerMaxWait)+10 {
			t.Errorf("a token that is gone was asked %d times in an hour", n)
		}
		cancel()
		<-done
		if got := stored(); len(got) != 0 || !bytes.Equal(m.have[:mixerStore], make([]byte, mixerStore)) {
			t.Error("octets are left at the end")
		}
	})
}

// TestMixerMixes: with the token's octets taken off again, the system's are left, which no two reads share.
func TestMixerMixes(t *testing.T) {
	m := newMixer(nil, func() {})
	m.have = append(m.have, bytes.Repeat([]byte{0xff}, 64)...)
	sum := make([]byte, 32)
	for range 2 {
		b := make([]byte, 32)
		_, _ = m.Read(b)
		for i := range b {
			sum[i] ^= b[i]
		}
	}
	if bytes.Equal(sum, make([]byte, 32)) || len(m.have) != 0 {
		t.Errorf("%x", sum)
	}
}
