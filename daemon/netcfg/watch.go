package netcfg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// settle is how long the watch waits for the next change before it acts: routing protocols come in bursts.
const settle = 100 * time.Millisecond

// inspect is how often the watch looks whether somebody removed what nobody tells us about: rules (systemd-networkd does
// that) and the guard (`nft flush ruleset`).
const inspect = 5 * time.Second

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
	// The subscriptions close their channels when done closes, but only once nobody blocks them.
	defer func() {
		go drain(links)
		go drain(addrs)
		go drain(routes)
	}()
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
				continue
			}
			timer.Reset(inspect)
		}
	}
}

func drain[T any](c <-chan T) {
	for range c {
	}
}

// Sync repairs guard, MTU, interface state, routes and rules after a change; it does nothing when Up was not called.
func (n *Net) Sync() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.up {
		return nil
	}
	if found, err := n.findGuard(); err != nil {
		return err
	} else if found == nil {
		if err := n.setGuard(); err != nil {
			return err
		}
	}
	for _, step := range []func() error{n.setMTU, n.linkUp, n.syncRoutes, n.addRules, n.syncMulticast} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
