//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
)

// TestGoneIsCheap: while the token is away, callers are told at once, and the module is left alone.
func TestGoneIsCheap(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h, f := withKey(t, s, func(o *Options) { o.Backoff = time.Hour })
	f.Gone(true)
	if err := sign(t.Context(), h); !errors.Is(err, hsm.ErrUnavailable) {
		t.Fatal(err)
	}
	calls := f.Calls()
	for range 100 {
		if err := sign(t.Context(), h); !errors.Is(err, hsm.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if f.Calls() != calls {
		t.Errorf("%d calls into the module while it was known that the token is away", f.Calls()-calls)
	}
}

// TestHangs: calls that do not return cost their sessions; callers leave in time, the queue fills up and says so.
func TestHangs(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h, f := withKey(t, s, func(o *Options) { o.Sessions, o.Queue = 2, 3 })
	release := f.Hold()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	for range 2 + 3 {
		wg.Go(func() { errs <- sign(ctx, h) })
	}
	for h.queue.info().Waiting < 3 {
		time.Sleep(time.Millisecond)
	}
	err := sign(ctx, h)
	if !errors.Is(err, hsm.ErrBusy) || !errors.Is(err, hsm.ErrUnavailable) || !strings.Contains(err.Error(), "2 calls are in the token and 3 wait") {
		t.Errorf("one more than there is room for: %v", err)
	}
	cancel() // nobody waits for the module
	wg.Wait()
	close(errs)
	for err := range errs {
		if !errors.Is(err, hsm.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("a call that hangs: %v", err)
		}
	}
	if q := h.Info().Queue; q.Busy != 2 || q.Waiting != 0 || q.Refused != 1 || q.Abandoned != 5 {
		t.Errorf("queue: %+v", q)
	}
	release()
	if err := sign(t.Context(), h); err != nil {
		t.Errorf("after the module came to itself: %v", err)
	}
}

func TestSlow(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h, f := withKey(t, s, nil)
	f.Slow(30 * time.Millisecond)
	if err := sign(t.Context(), h); err != nil {
		t.Errorf("slow, but in time: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := sign(ctx, h); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("slower than the caller waits: %v", err)
	}
	f.Slow(0)
	if err := sign(t.Context(), h); err != nil {
		t.Error(err)
	}
}

// TestInventoryOfASlowToken: with 100 ms a call, what a key server has is listed in the time of a call.
func TestInventoryOfASlowToken(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h, f := withKey(t, s, nil)
	for _, spec := range []hsm.Spec{{Kind: hsm.AES256, Use: hsm.Seal}, {Kind: hsm.AES128, Use: hsm.Encrypt, Movable: true}, {Kind: hsm.RSA2048, Use: hsm.Sign}, {Kind: hsm.P384, Use: hsm.Sign}} {
		if err := h.Ensure(t.Context(), spec.String(), spec); err != nil {
			t.Fatal(err)
		}
	}
	before := f.Calls()
	list, err := h.Inventory(t.Context())
	if n := f.Calls() - before; err != nil || len(list) != 5 || time.Duration(n)*100*time.Millisecond > h.opt.Timeout {
		t.Errorf("%d calls for %d keys: %v", n, len(list), err)
	}
}

// TestLeavingWhileAKeyIsMade: the caller has left, the token goes on, and the next caller does not make it again.
func TestLeavingWhileAKeyIsMade(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h, f := withKey(t, s, nil)
	release := f.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := h.Ensure(ctx, "new", signSpec); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- h.Ensure(context.WithoutCancel(t.Context()), "new", signSpec) }()
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if list, err := h.Inventory(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%d keys, want 2: %v", len(list), err)
	}
}

func TestFull(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h, f := withKey(t, s, nil)
	f.Full(true)
	if err := h.Ensure(t.Context(), "more", signSpec); !is(err, p11.CKR_DEVICE_MEMORY) || errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("no place for a key: %v", err)
	}
	if err := sign(t.Context(), h); err != nil {
		t.Errorf("the keys that are there: %v", err)
	}
}
