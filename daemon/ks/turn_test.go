package ks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// TestTurn: whatever waits for its turn behind something that hangs is told so when its time is over.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &Daemon{reloading: make(turn, 1)}
		if err := d.reloading.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, f := range map[string]func(context.Context) error{
			"plan":         func(ctx context.Context) error { _, err := d.plan(ctx, control.PlanRequest{}); return err },
			"apply":        func(ctx context.Context) error { _, err := d.apply(ctx, control.PlanRequest{}); return err },
			"rotate":       func(ctx context.Context) error { _, err := d.rotate(ctx, control.RotateRequest{}); return err },
			"dry apply":    func(ctx context.Context) error { _, err := d.dryRun(ctx, control.PlanRequest{}); return err },
			"dry rotate":   func(ctx context.Context) error { _, err := d.dryRun(ctx, control.RotateRequest{}); return err },
			"certificates": func(ctx context.Context) error { _, err := d.Reload(ctx); return err },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			begun := time.Now()
			if err := f(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "nothing was done") || time.Since(begun) != time.Second {
				t.Errorf("%s: %v after %v", name, err, time.Since(begun))
			}
			cancel()
		}
		d.reloading.leave()
		if err := d.reloading.take(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
