package custody

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm"
)

// TestWatch: a token that goes and returns is told once each, soon after somebody has noticed it, or on its own.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			mu   sync.Mutex
			gone error
			told []string
		)
		from := time.Now()
		ask := func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			return gone
		}
		w := NewWatch(ask, func(_ context.Context, s machine.CustodyState) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprintf("%v %s", time.Since(from), s.Problem))
		})
		set := func(err error) {
			mu.Lock()
			defer mu.Unlock()
			gone = err
		}
		want := func(list ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if fmt.Sprint(told) != fmt.Sprint(list) {
				t.Errorf("told %q, want %q", told, list)
			}
			told, from = nil, time.Now()
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()

		time.Sleep(time.Minute)
		want()
		set(errors.New("pulled out"))
		call := Heeding(w, func(_ context.Context, err error) ([]byte, error) { return nil, err })
		_, _ = call(ctx, hsm.ErrNoKey) // says nothing of the token
		want()
		if _, err := call(ctx, fmt.Errorf("signing: %w", hsm.ErrUnavailable)); !errors.Is(err, hsm.ErrUnavailable) {
			t.Error(err)
		}
		want("0s pulled out")
		time.Sleep(time.Minute)
		set(errors.New("still away"))
		time.Sleep(time.Minute)
		want()
		set(nil)
		time.Sleep(watchLost)
		want("500ms ")
		set(errors.New("gone, and nobody asks it for anything"))
		time.Sleep(watchThere)
		want("1s gone, and nobody asks it for anything")
		cancel()
		<-done
	})
}

// TestWatchSpares: a slow token is asked less often.
func TestWatchSpares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		w := NewWatch(func(context.Context) error { asked++; time.Sleep(time.Second); return nil }, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if w.Run(ctx); asked < 160 || asked > 180 {
			t.Errorf("asked %d times in an hour, for a second each", asked)
		}
	})
}

// TestAlive: a custody without the key that nobody has is there.
func TestAlive(t *testing.T) {
	h := files(t, t.TempDir())
	if err := Alive(h)(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Alive(h)(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
