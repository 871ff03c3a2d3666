//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
)

var (
	signSpec = hsm.Spec{Kind: hsm.P256, Use: hsm.Sign}
	digest   = bytes.Repeat([]byte{0x5a}, 32)
)

// withKey opens a token with a signing key "k" and the faults below it.
func withKey(t testing.TB, s *hsmtest.SoftHSM, change func(*Options)) (*Token, *hsmtest.Faults) {
	t.Helper()
	f := &hsmtest.Faults{}
	o := options(s, "one")
	o.Backoff = 5 * time.Millisecond
	o.Fault = f.PKCS11
	if change != nil {
		change(&o)
	}
	h := opened(t, o)
	if err := h.Ensure(t.Context(), "k", signSpec); err != nil {
		t.Fatal(err)
	}
	return h, f
}

func sign(ctx context.Context, h *Token) error {
	_, err := h.Sign(ctx, "k", hsm.ECDSAConcat, crypto.SHA256, digest)
	return err
}

// await signs until it succeeds.
func await(t testing.TB, h *Token) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	for {
		err := sign(t.Context(), h)
		if err == nil {
			return
		}
		if !errors.Is(err, hsm.ErrUnavailable) {
			t.Fatalf("while the token is away: %v", err)
		}
		if time.Now().After(end) {
			t.Fatalf("the token is back, but: %v", err)
		}
		time.Sleep(h.opt.Backoff)
	}
}

// TestTokenLeavesAndReturns takes the directory of the tokens away and puts it back.
func TestTokenLeavesAndReturns(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one", "two")
	var mu sync.Mutex
	var heard []error
	h, _ := withKey(t, s, func(o *Options) {
		o.Notify = func(err error) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, err)
		}
	})
	other := opened(t, options(s, "two"))
	kek := hsm.Spec{Kind: hsm.AES128, Use: hsm.Encrypt, Movable: true}
	if err := errors.Join(h.Ensure(t.Context(), "kek", kek), h.Ensure(t.Context(), "seal", hsm.Spec{Kind: hsm.AES256, Use: hsm.Seal}),
		other.Ensure(t.Context(), "kek", kek)); err != nil {
		t.Fatal(err)
	}
	public, err := h.Public(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	envelope, _, err := hsm.OpenEnvelope(t.Context(), h, "seal", nil)
	if err != nil {
		t.Fatal(err)
	}

	s.Leave(t)
	for range 20 { // attempts, and those that come too early for one
		start := time.Now()
		err := sign(t.Context(), h)
		if !errors.Is(err, hsm.ErrUnavailable) || strings.Count(err.Error(), "does not answer") != 1 {
			t.Fatalf("without its directory: %v", err)
		}
		time.Sleep(h.opt.Backoff)
		if d := time.Since(start); d > h.opt.Timeout {
			t.Errorf("it took %v to say so", d)
		}
	}
	// A key must not be made anew because its token is away.
	if err := h.Ensure(t.Context(), "kek", kek); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("making a key: %v", err)
	}
	if info := h.Info(); info.Ready || info.Problem == "" {
		t.Errorf("Info does not say that the token is away: %+v", info)
	}
	if _, err := envelope.Seal([]byte("record"), nil); err != nil {
		t.Errorf("the envelope needs the token: %v", err)
	}

	s.Return(t)
	back := time.Now()
	await(t, h)
	t.Logf("%v after its return it signs, with a backoff of %v", time.Since(back), h.opt.Backoff)
	if again, err := h.Public(t.Context(), "k"); err != nil || !public.(interface{ Equal(crypto.PublicKey) bool }).Equal(again) {
		t.Errorf("the key is another one: %v", err)
	}
	if err := h.Ensure(t.Context(), "kek", kek); err != nil {
		t.Error(err)
	}
	if info := h.Info(); !info.Ready || info.Problem != "" || info.Queue.Reopened == 0 {
		t.Errorf("Info does not say that the token is back: %+v", info)
	}
	if err := other.Ensure(t.Context(), "kek", kek); err != nil {
		t.Errorf("the other token of the module: %v", err)
	}
	for _, x := range []*Token{h, other} {
		list, err := x.Inventory(t.Context())
		seen := map[string]int{}
		for _, k := range list {
			if seen[k.Name]++; seen[k.Name] > 1 || k.Problem != "" {
				t.Errorf("%s is there %d times: %s", k.Name, seen[k.Name], k.Problem)
			}
		}
		if err != nil || seen["kek"] != 1 {
			t.Errorf("%v: %v", seen, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(heard) < 2 || heard[0] == nil || heard[len(heard)-1] != nil {
		t.Errorf("notified of %v, want a loss first and a return last", heard)
	}
}

// TestLeavesUnnoticed: the token was away between two calls, and the module now finds nothing in it.
func TestLeavesUnnoticed(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h, _ := withKey(t, s, nil)
	if err := h.Ensure(t.Context(), "late", signSpec); err != nil {
		t.Fatal(err)
	}
	h2 := opened(t, h.opt) // has not looked for any key yet
	s.Leave(t)
	_ = sign(t.Context(), h) // the module forgets its objects
	s.Return(t)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := h2.Ensure(t.Context(), "late", signSpec)
		if err == nil {
			break
		}
		if !errors.Is(err, hsm.ErrUnavailable) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
	list, err := h2.Inventory(t.Context())
	if err != nil || len(list) != 2 {
		t.Errorf("%d keys, want 2: %v", len(list), err)
	}
}

// TestSessionsLost loses what is above the token: for real where SoftHSM can be made to, injected elsewhere.
func TestSessionsLost(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h, f := withKey(t, s, nil)
	slot := func() uint { return h.now.slot }
	for _, row := range []struct {
		name string
		lose func()
	}{
		{"all sessions are closed", func() { _ = h.mod.ctx.CloseAllSessions(slot()) }},
		{"logged out", func() { x := <-h.now.idle; _ = h.mod.ctx.Logout(x); h.now.idle <- x }},
		{"the module was finalised", func() { _ = h.mod.ctx.Finalize() }},
		{"CKR_DEVICE_REMOVED", func() { f.Once("C_SignInit", hsmtest.DeviceRemoved) }},
		{"CKR_TOKEN_NOT_PRESENT", func() { f.Once("C_SignInit", hsmtest.TokenNotPresent) }},
		{"CKR_SESSION_HANDLE_INVALID", func() { f.Once("C_SignInit", hsmtest.SessionHandleInvalid) }},
		{"CKR_USER_NOT_LOGGED_IN", func() { f.Once("C_SignInit", hsmtest.UserNotLoggedIn) }},
		{"in the midst of an operation", func() { f.Once("C_Sign", hsmtest.SessionHandleInvalid) }},
		{"an operation was left active", func() { f.Once("C_Sign", hsmtest.DeviceMemory) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := h.Info().Queue.Reopened
			row.lose()
			err := sign(t.Context(), h)
			if is(err, p11.CKR_DEVICE_MEMORY) { // the token refused this one; the next finds a session in disorder
				err = nil
				for range 2 * h.opt.Sessions {
					err = errors.Join(err, sign(t.Context(), h))
				}
			}
			if err != nil {
				t.Fatalf("the call did not survive: %v", err)
			}
			if h.Info().Queue.Reopened == before {
				t.Error("nothing was opened again: the fault did not happen")
			}
		})
	}
}

// TestLossUnderLoad: many callers while the token comes and goes. A call succeeds or says that the token is away; the
// module survives.
func TestLossUnderLoad(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h, _ := withKey(t, s, nil)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var good, away atomic.Int64
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				switch err := sign(context.WithoutCancel(ctx), h); {
				case err == nil:
					good.Add(1)
				case errors.Is(err, hsm.ErrUnavailable):
					away.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	for range 5 {
		s.Leave(t)
		for n := away.Load(); away.Load() < n+50; {
			time.Sleep(time.Millisecond)
		}
		s.Return(t)
		await(t, h)
	}
	stop()
	wg.Wait()
	t.Logf("%d signatures, %d times told that the token is away, opened again %d times", good.Load(), away.Load(), h.Info().Queue.Reopened)
}
