package netcfg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// settle is how long the watch collects changes before it acts: routing protocols come in bursts.
const settle = 100 * time.Millisecond

// inspect is how often the watch looks without having been told of a change.
const inspect = 5 * time.Second

// Watch keeps MTU, routes and rules in line with interfaces, addresses and the main table until ctx ends, and puts back what
// others remove: rules (systemd-networkd does that), the guard (`nft flush ruleset`), forwarding. What goes wrong meanwhile
// is told to report, once for as long as it lasts, and tried again at the next change, or after a second. Each
// *Repaired is told too.
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
	news := make(chan struct{}, 1)
	end, err := subscribe(func(filter bool) {
		if filter {
			n.doubt.Store(true)
		}
		select {
		case news <- struct{}{}:
		default:
		}
	}, lost)
	if err != nil {
		return err
	}
	defer end()
	// Something may have changed between Up and here.
	timer := newSoon(0)
	told := map[string]bool{} // what went wrong the last time
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
			timer.within(settle)
		case _, ok := <-addrs:
			if !ok {
				return errors.New("netcfg: watch the kernel: subscription ended")
			}
			timer.within(settle)
		case <-news:
			timer.within(settle)
		case r, ok := <-routes:
			if !ok {
				return errors.New("netcfg: watch the kernel: subscription ended")
			}
			// Our own changes are not news, except that the kernel removed a route of ours.
			if r.Table == unix.RT_TABLE_MAIN || r.Type == unix.RTM_DELROUTE || r.Protocol != netlink.RouteProtocol(n.cfg.Protocol) {
				timer.within(settle)
			}
		case <-timer.C:
			timer.set(inspect)
			was := told
			told = map[string]bool{}
			for _, err := range n.Sync() {
				if _, ok := errors.AsType[*Repaired](err); !ok {
					timer.set(time.Second)
					if told[err.Error()] = true; was[err.Error()] {
						continue // an interface may be away for days
					}
				}
				if report != nil && ctx.Err() == nil {
					report(err)
				}
			}
		}
	}
}

func drain[T any](c <-chan T) {
	for range c {
	}
}
