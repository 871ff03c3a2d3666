package pkcs11

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getvpn/getvpn/hsm"
)

// TestQueue: one call is in the token and hangs, two wait, the fourth is refused at once; all leave when their time is up.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 2)
		hang := make(chan struct{})
		var after, entered atomic.Int32
		one := func(d time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			_, err := call(ctx, q, "test", func() (int, error) { entered.Add(1); <-hang; return 0, nil }, func() { after.Add(1) })
			return err
		}
		errs := make(chan error, 3)
		for i := range 3 {
			go func() { errs <- one(time.Duration(i+1) * time.Second) }()
			synctest.Wait()
		}
		start := time.Now()
		if err := one(time.Hour); !errors.Is(err, hsm.ErrBusy) || time.Since(start) != 0 {
			t.Errorf("the fourth, after %v: %v", time.Since(start), err)
		}
		for range 3 {
			if err := <-errs; !errors.Is(err, hsm.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("the last left after %v", d)
		}
		if info := q.info(); info.Busy != 1 || info.Waiting != 0 || info.Refused != 1 || info.Abandoned != 3 || info.Calls != 4 {
			t.Errorf("%+v", info)
		}
		close(hang)
		synctest.Wait()
		if err := one(time.Second); err != nil {
			t.Errorf("after the call returned: %v", err)
		}
		synctest.Wait()
		if after.Load() != 5 || entered.Load() != 2 || q.info().Busy != 0 {
			t.Errorf("after ran %d times for 5 calls, %d of them in the token; busy %d", after.Load(), entered.Load(), q.info().Busy)
		}
	})
}
