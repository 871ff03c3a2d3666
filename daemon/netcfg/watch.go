package netcfg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// settle is how long the watch waits for the next change before it acts: routing protocols come in bursts.
const settle = 100 * time.Millisecond

// Watch keeps MTU, routes and rules in line with interfaces, addresses and the main table until ctx ends. What goes
// wrong meanwhile is told to report and tried again at the next change, or after a second.
func (n *Net) Watch(ctx context.Context, report func(error)) error {
	done := make(chan struct{})
	defer close(done)
	failed := make(chan error, 1)
	lost := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	links := make(chan netlink.LinkUpdate, 64)
	addrs := make(chan netlink.AddrUpdate, 64)
	routes := make(chan netlink.RouteUpdate, 64)
	if err := errors.Join(
		netlink.LinkSubscribeWithOptions(links, done, netlink.LinkSubscribeOptions{ErrorCallback: lost}),
		netlink.AddrSubscribeWithOptions(addrs, done, netlink.AddrSubscribeOptions{ErrorCallback: lost}),
		netlink.RouteSubscribeWithOptions(routes, done, netlink.RouteSubscribeOptions{ErrorCallback: lost}),
	); err != nil {
		return fmt.Errorf("netcfg: watch the kernel: %w", err)
	}
	// Something may have changed between Up and here.
	timer := time.NewTimer(0)
	defer timer.Stop()
	drainAfter := func() {
		go func() {
			for range links {
			}
		}()
		go func() {
			for range addrs {
			}
		}()
		go func() {
			for range routes {
			}
		}()
	}
	defer drainAfter() // the subscriptions close their channels, but only once nobody blocks them
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return fmt.Errorf("netcfg: watch the kernel: %w", err)
		case _, ok := <-links:
			if !ok {
				return errors.New("netcfg: watch the kernel: subscription ended")
			}
			timer.Reset(settle)
		case _, ok := <-addrs:
			if !ok {
				return errors.New("netcfg: watch the kernel: subscription ended")
			}
			timer.Reset(settle)
		case r, ok := <-routes:
			if !ok {
				return errors.New("netcfg: watch the kernel: subscription ended")
			}
			// Our own changes are not news, except that the kernel removed a route of ours.
			if r.Table == unix.RT_TABLE_MAIN || r.Type == unix.RTM_DELROUTE {
				timer.Reset(settle)
			}
		case <-timer.C:
			if err := n.Sync(); err != nil {
				if report != nil && ctx.Err() == nil {
					report(err)
				}
				timer.Reset(time.Second)
			}
		}
	}
}

// Sync repairs MTU, interface state, routes and rules after a change; it does nothing when Up was not called.
func (n *Net) Sync() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.up {
		return nil
	}
	if err := n.setMTU(); err != nil {
		return err
	}
	if err := n.linkUp(); err != nil {
		return err
	}
	if err := n.syncRoutes(); err != nil {
		return err
	}
	if err := n.addRules(); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
