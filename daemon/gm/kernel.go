package gm

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/netcfg"
)

// Kernel is what the member changes in the system; *netcfg.Net is one. Tests have one that changes nothing.
type Kernel interface {
	SetGroups([]netcfg.Group) error
	Prepare([]netcfg.Group) (changed bool, err error)
	Up() error
	Down() error
	Watch(ctx context.Context, report func(error)) error
	Sync() []error
	Links() (wan, tun int, err error) // interface indices, 0 for none
	MTU() (wan, tun int)
	Drops() (map[string]uint64, error)
}

// System opens the system's side of the data path.
type System struct {
	Kernel func(netcfg.Config) (Kernel, error)
	Path   func(c *config.GM) (*Path, error)
	Mark   uint32 // of GDOI datagrams; 0: none
}

// Linux is the system of a daemon.
func Linux() System {
	return System{
		Kernel: func(c netcfg.Config) (Kernel, error) { return netcfg.New(c) },
		Path:   openPath,
		Mark:   netcfg.DefaultMark,
	}
}

const (
	kernelRetry = time.Second
	// settle is how long after a change of policy the last packets that it did not concern yet are under way.
	settle = 100 * time.Millisecond
)

// applier brings policies into the kernel. What a policy lets through, or routes into the TUN, that the one before did
// not, must be there before the engine changes over: that is done at once. What it takes away follows from a goroutine of
// its own, the newest policy first of all, when the packets decided by the old one are gone. So neither a packet of the old
// policy nor one of the new is lost; and until the kernel has followed, it lets pass only what one of the two lets pass.
type applier struct {
	kernel Kernel
	report func(error)

	mu     sync.Mutex // held by whoever is changing kernel or engine
	groups []netcfg.Group
	wait   time.Duration // until what is dirty may be applied
	dirty  chan struct{}
}

func newApplier(k Kernel, initial []netcfg.Group, report func(error)) *applier {
	return &applier{kernel: k, groups: initial, report: report, dirty: make(chan struct{}, 1)}
}

// set changes one group; over changes the engine over to it.
func (a *applier) set(name string, change func(*netcfg.Group), over func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := slices.Clone(a.groups)
	for i := range next {
		if next[i].Name == name {
			change(&next[i])
		}
	}
	a.groups = next
	changed, err := a.kernel.Prepare(next)
	if err != nil { // the stricter of both guards holds, and the goroutine tries again
		a.report(err)
	}
	if changed {
		a.wait = settle
	}
	a.touch()
	return over()
}

func (a *applier) current() []netcfg.Group {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.groups)
}

// run applies until ctx ends; what fails is tried again.
func (a *applier) run(ctx context.Context) {
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.dirty:
		case <-retry:
		}
		wait, err := a.apply()
		switch {
		case err != nil:
			a.report(err)
			retry = time.After(kernelRetry)
		case wait > 0:
			retry = time.After(wait)
		default:
			retry = nil
		}
	}
}

// apply brings the groups into the kernel, or says how long it is too early for that.
func (a *applier) apply() (wait time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if wait, a.wait = a.wait, 0; wait > 0 {
		return wait, nil
	}
	return 0, a.kernel.SetGroups(a.groups)
}

// touch says that there is something to apply.
func (a *applier) touch() {
	select {
	case a.dirty <- struct{}{}:
	default:
	}
}

// flush applies what may still be to be applied. Called when run has ended.
func (a *applier) flush() error { return a.kernel.SetGroups(a.current()) }
