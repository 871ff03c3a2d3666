package hsmtest

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/soft"
)

// TestAround: faults before a custody without sessions, and the suite through it when there are none.
func TestAround(t *testing.T) {
	keys, err := soft.Open(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	var f Faults
	h := f.Around(keys)
	Suite{Open: func(*testing.T) hsm.Token { return h }}.Run(t)

	f.Gone(true)
	if _, err := h.Random(t.Context(), 8); !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("gone: %v", err)
	}
	if h.Info().Ready {
		t.Error("it is gone, and ready")
	}
	f.Gone(false)
	f.Full(true)
	if err := h.Ensure(t.Context(), "k", hsm.Spec{Kind: hsm.P256, Use: hsm.Sign}); err == nil {
		t.Error("a full token made a key")
	}
	f.Full(false)
	f.Slow(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := h.Random(ctx, 8); !errors.Is(err, hsm.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow: %v", err)
	}
	f.Slow(0)
	release := f.Hold()
	go release()
	if _, err := h.Random(t.Context(), 8); err != nil {
		t.Errorf("after all: %v", err)
	}
}
