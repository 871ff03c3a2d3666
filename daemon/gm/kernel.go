package gm

import (
	"context"
	"sync"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/netcfg"
	"github.com/getvpn/getvpn/esp/tun"
	"github.com/getvpn/getvpn/esp/wire"
)

// Kernel is what the member changes in the system; *netcfg.Net is one. Tests have one that changes nothing.
type Kernel interface {
	SetGroups([]netcfg.Group) error
	Up() error
	Down() error
	Watch(ctx context.Context, report func(error)) error
	MTU() (wan, tun int)
}

// System opens the system's side of the data path.
type System struct {
	Kernel func(netcfg.Config) (Kernel, error)
	TUN    func(name string) (tun.Device, error)
	Wire   func(c *config.GM) (wire.Conn, error)
	Mark   uint32 // of GDOI datagrams; 0: none
	Name   string // shown as the backend
}

// Linux is the system of a daemon.
func Linux() System {
	return System{
		Kernel: func(c netcfg.Config) (Kernel, error) { return netcfg.New(c) },
		TUN:    func(name string) (tun.Device, error) { return tun.OpenWater(name) },
		Wire: func(c *config.GM) (wire.Conn, error) {
			return wire.OpenRaw(wire.Config{Device: c.Interfaces.WAN, Mark: netcfg.DefaultMark})
		},
		Mark: netcfg.DefaultMark,
		Name: "tun (water), raw sockets",
	}
}

const kernelRetry = time.Second

// applier brings policies into the kernel from a goroutine of its own, the newest first of all: netlink and nftables may
// take longer than the machine can wait. Until it has done so the older, stricter guard holds.
type applier struct {
	kernel Kernel
	report func(error)

	mu     sync.Mutex
	groups []netcfg.Group
	dirty  chan struct{}
}

func newApplier(k Kernel, initial []netcfg.Group, report func(error)) *applier {
	return &applier{kernel: k, groups: initial, report: report, dirty: make(chan struct{}, 1)}
}

// set changes one group.
func (a *applier) set(name string, change func(*netcfg.Group)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.groups {
		if a.groups[i].Name == name {
			change(&a.groups[i])
		}
	}
	select {
	case a.dirty <- struct{}{}:
	default:
	}
}

func (a *applier) current() []netcfg.Group {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]netcfg.Group(nil), a.groups...)
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
		retry = nil
		if err := a.kernel.SetGroups(a.current()); err != nil {
			a.report(err)
			retry = time.After(kernelRetry)
		}
	}
}

// flush applies what is still to be applied. Called when run has ended.
func (a *applier) flush() error {
	select {
	case <-a.dirty:
		return a.kernel.SetGroups(a.current())
	default:
		return nil
	}
}
