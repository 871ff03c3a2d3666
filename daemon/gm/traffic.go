package gm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/pipeline"
	"github.com/getvpn/getvpn/gdoi/machine"
)

const (
	// reopenFirst and reopenMost bound the waits between attempts to open the data path again.
	reopenFirst = 100 * time.Millisecond
	reopenMost  = 2 * time.Second
	// steady is how long a data path must have run for the next fault not to be counted against it.
	steady = 10 * time.Second
	// linkInterval is how often the interfaces under it are looked at.
	linkInterval = 500 * time.Millisecond
)

// errLink ends a data path whose interface is another one now.
var errLink = errors.New("an interface was replaced")

// traffic keeps a data path running. The interfaces at its ends may vanish and come back, and the devices may fail: then it
// is opened again, with growing waits. The kernel keeps failing closed in between: with the TUN its routes are gone, and the
// guard drops what would leave in clear.
type traffic struct {
	d *Daemon

	mu       sync.Mutex
	down     string // why; empty: it runs
	since    time.Time
	restarts uint64
}

// open opens the data path, not yet run.
func (t *traffic) open() (*pipeline.Pipeline, error) {
	d := t.d
	path, err := d.system.Path(d.cfg)
	if err != nil {
		return nil, err
	}
	p, err := pipeline.New(pipeline.Config{
		LAN: path.LAN, WAN: path.WAN, Errors: path.Errors, Engine: d.engine, Now: func() engine.Instant { return engine.Instant(d.clock.Now().Mono) },
	})
	if err != nil {
		return nil, errors.Join(err, path.Close())
	}
	before := d.path.Swap(path)
	if before == nil || before.Name != path.Name {
		for _, text := range path.Notes {
			d.sink.Note(d.clock.Now(), machine.Note{Name: noteSlower, Severity: machine.Warning, Text: text})
		}
	}
	return p, nil
}

// run runs p and its successors until ctx ends.
func (t *traffic) run(ctx context.Context, p *pipeline.Pipeline) {
	wait := reopenFirst
	for {
		began := time.Now()
		err := t.until(ctx, p)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > steady {
			wait = reopenFirst
		}
		for p = nil; p == nil; wait = min(2*wait, reopenMost) {
			t.failed(err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			p, err = t.open()
		}
		t.runs()
	}
}

// until runs p until it fails, ctx ends, or an interface under it is not the one that it was opened on.
func (t *traffic) until(ctx context.Context, p *pipeline.Pipeline) error {
	ctx, cancel := context.WithCancelCause(ctx)
	k := t.d.kernel.kernel
	wan, tun, unknown := k.Links()
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(linkInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			w, u, err := k.Links()
			switch {
			case err != nil: // the kernel did not say
			case unknown != nil:
				wan, tun, unknown = w, u, nil
			case u != tun:
				cancel(fmt.Errorf("%w: %s", errLink, t.d.cfg.Interfaces.TUN))
			case w != wan && w != 0: // one that is gone comes back with another index
				cancel(fmt.Errorf("%w: %s", errLink, t.d.cfg.Interfaces.WAN))
			}
		}
	})
	err := p.Run(ctx)
	cancel(nil)
	watch.Wait()
	if err == nil {
		err = errors.New("closed by someone else")
	}
	return err
}

// failed notes that the data path is down, once for each reason.
func (t *traffic) failed(err error) {
	t.mu.Lock()
	was := t.down
	if was == "" {
		t.since = time.Now()
	}
	t.down = err.Error()
	t.mu.Unlock()
	if was != err.Error() {
		t.d.sink.Note(t.d.clock.Now(), machine.Note{
			Name: notePathDown, Severity: machine.Error, Text: "the data path is down and is opened again until it runs; fail-closed traffic is dropped meanwhile: " + err.Error(),
		})
	}
}

// runs notes that it is up again, and brings the kernel in line with the new TUN.
func (t *traffic) runs() {
	for _, err := range t.d.kernel.kernel.Sync() {
		t.d.kernelFailed(err) // the watch tries again
	}
	t.mu.Lock()
	t.down = ""
	t.restarts++
	gap := time.Since(t.since)
	t.mu.Unlock()
	t.d.sink.Note(t.d.clock.Now(), machine.Note{
		Name: notePathUp, Severity: machine.Warning, Text: "the data path runs again, after " + gap.Round(time.Millisecond).String(),
	})
}

// state says why it is down, if it is, and how often it was opened again.
func (t *traffic) state() (down string, restarts uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.down, t.restarts
}
