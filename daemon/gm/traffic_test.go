package gm

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/loop"
	"github.com/getvpn/getvpn/daemon/process"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/tun"
	"github.com/getvpn/getvpn/esp/tun/tuntest"
	"github.com/getvpn/getvpn/esp/wire"
	"github.com/getvpn/getvpn/esp/wire/wiretest"
)

// linked is a kernel with interfaces.
type linked struct {
	Kernel
	mu       sync.Mutex
	wan, tun int
	syncs    int
}

func (k *linked) Links() (wan, tun int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wan, k.tun, nil
}

func (k *linked) Sync() []error {
	k.set(func() { k.syncs++ })
	return nil
}

// set changes what the daemon's goroutines look at, too.
func (k *linked) set(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

// broken is a TUN at which the data path finds a fault of ours.
type broken struct{ *tuntest.Device }

func (broken) Read([][]byte, []int, int) (int, error) { panic("a fault") }

// TestTrafficComesBack: whatever ends a data path, it is opened again, with growing waits, and said to be down meanwhile.
func TestTrafficComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var journal control.Journal
		d := &Daemon{cfg: &config.GM{}, clock: loop.NewSystemClock(), log: slog.New(slog.DiscardHandler)}
		d.cfg.Interfaces.WAN, d.cfg.Interfaces.TUN = "wan0", "gv0"
		d.sink = process.Sink{Node: "gm1", Log: d.log, Journal: &journal}
		var err error
		if d.engine, err = engine.New(engine.Config{}); err != nil {
			t.Fatal(err)
		}
		k := &linked{wan: 2, tun: 3}
		d.kernel = newApplier(k, nil, d.kernelFailed)
		var dev *tuntest.Device
		var seen chan []byte
		var fails []error
		var next func() tun.Device
		whole := func() tun.Device { return dev }
		next = whole
		d.system.Path = func(*config.GM) (*Path, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if len(fails) > 0 {
				err := fails[0]
				fails = fails[1:]
				return nil, err
			}
			dev, seen = tuntest.New("gv0", 1400, 16), make(chan []byte, 16)
			to := seen
			w, _ := wiretest.Pair(16, func(p []byte) bool { to <- p; return true })
			return &Path{LAN: []tun.Device{next()}, WAN: []wire.Conn{w}, Name: "memory"}, nil
		}
		d.traffic.d = d
		p, err := d.traffic.open()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { d.traffic.run(ctx, p); close(done) }()
		passes := func(what string) {
			t.Helper()
			b := make([]byte, 20)
			b[0], b[3], b[8], b[9] = 0x45, 20, 64, 17
			synctest.Wait()
			var to *tuntest.Device
			var from chan []byte
			k.set(func() { to, from = dev, seen })
			if !to.Inject(b) {
				t.Fatal(what, ": the TUN is closed")
			}
			synctest.Wait()
			select {
			case <-from:
			default:
				t.Errorf("%s: no packet comes through", what)
			}
		}
		state := func(what, down string, restarts uint64) {
			t.Helper()
			synctest.Wait()
			var syncs int
			k.set(func() { syncs = k.syncs })
			if why, n := d.traffic.state(); !strings.Contains(why, down) || down == "" && why != "" || n != restarts || syncs != int(restarts) {
				t.Errorf("%s: down %q, %d restarts, %d syncs", what, why, n, syncs)
			}
		}
		passes("at first")
		state("at first", "", 0)

		k.set(func() {
			fails = []error{errors.New("no such device"), errors.New("no such device"), errors.New("busy")}
			_ = dev.Close()
		})
		state("the TUN is gone", "closed by someone else", 0)
		time.Sleep(reopenFirst)
		state("the first attempt", "no such device", 0)
		time.Sleep(2 * reopenFirst)
		time.Sleep(4 * reopenFirst)
		state("the third attempt", "busy", 0)
		time.Sleep(8 * reopenFirst)
		passes("the TUN is back")
		state("the TUN is back", "", 1)

		time.Sleep(steady + time.Second)
		k.set(func() { k.wan = 9 }) // deleted and made again
		time.Sleep(linkInterval + 2*reopenFirst)
		passes("another WAN")
		state("another WAN", "", 2)
		k.set(func() { k.wan = 0 })
		time.Sleep(steady)
		passes("no WAN: nothing to open")
		state("no WAN", "", 2)
		k.set(func() { k.wan, k.tun = 9, 4 })
		time.Sleep(linkInterval + 2*reopenFirst)
		passes("another TUN")
		state("another TUN", "", 3)
		k.set(func() {
			next = func() tun.Device { return broken{dev} }
			_ = dev.Close()
		})
		for range 20 { // a fault of ours must not make a busy loop
			time.Sleep(reopenMost)
		}
		synctest.Wait()
		if _, n := d.traffic.state(); n < 15 || n > 30 {
			t.Errorf("%d restarts in %v of faults", n, 20*reopenMost)
		}
		k.set(func() { next = whole })
		time.Sleep(2 * reopenMost)
		passes("after the faults")
		cancel()
		<-done
		var names, texts []string
		events := journal.Since(0, 100)
		for _, e := range events {
			names = append(names, e.Name)
			texts = append(texts, e.Text)
		}
		want := []string{notePathDown, notePathDown, notePathDown, notePathUp, notePathDown, notePathUp, notePathDown, notePathUp}
		if len(names) < len(want) || !slices.Equal(names[:len(want)], want) {
			t.Errorf("journal %q", names)
		}
		for _, why := range []string{"no such device", "interface was replaced: wan0", "interface was replaced: gv0", "a fault"} {
			if !slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, why) }) {
				t.Errorf("the journal does not say %q", why)
			}
		}
	})
}
