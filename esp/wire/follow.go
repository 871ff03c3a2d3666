package wire

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// events are subscriptions to what changes in the kernel.
type events struct {
	done   chan struct{}
	failed chan error
	links  chan netlink.LinkUpdate
	neighs chan netlink.NeighUpdate
	routes chan netlink.RouteUpdate
	addrs  chan netlink.AddrUpdate
}

// subscribe subscribes to links, and to the rest if the fast way needs it.
func subscribe(all bool) (*events, error) {
	e := &events{
		done: make(chan struct{}), failed: make(chan error, 4), links: make(chan netlink.LinkUpdate, 64),
		neighs: make(chan netlink.NeighUpdate, 64), routes: make(chan netlink.RouteUpdate, 64), addrs: make(chan netlink.AddrUpdate, 64),
	}
	lost := func(err error) {
		select {
		case e.failed <- err:
		default:
		}
	}
	subscriptions := []func() error{
		func() error {
			return netlink.LinkSubscribeWithOptions(e.links, e.done, netlink.LinkSubscribeOptions{ErrorCallback: lost})
		},
		func() error {
			return netlink.NeighSubscribeWithOptions(e.neighs, e.done, netlink.NeighSubscribeOptions{ErrorCallback: lost})
		},
		func() error {
			return netlink.RouteSubscribeWithOptions(e.routes, e.done, netlink.RouteSubscribeOptions{ErrorCallback: lost})
		},
		func() error {
			return netlink.AddrSubscribeWithOptions(e.addrs, e.done, netlink.AddrSubscribeOptions{ErrorCallback: lost})
		},
	}
	if !all {
		subscriptions, e.neighs, e.routes, e.addrs = subscriptions[:1], nil, nil, nil
	}
	for _, f := range subscriptions {
		if err := f(); err != nil {
			close(e.done)
			return nil, fmt.Errorf("wire: watch the kernel: %w", err)
		}
	}
	return e, nil
}

var errEnded = errors.New("wire: watch the kernel: subscription ended")

// end closes the subscriptions; their goroutines end when nobody blocks them.
func (e *events) end() {
	close(e.done)
	go drain(e.links)
	go drain(e.neighs)
	go drain(e.routes)
	go drain(e.addrs)
}

func drain[T any](c <-chan T) {
	if c == nil {
		return
	}
	for range c {
	}
}

// start follows the kernel until close; lost is called when the link is at its end.
func (h *hops) start(lost func()) {
	h.lost = lost
	h.over.Go(func() {
		for {
			e, err := subscribe(h.limit < maxPacket)
			if err == nil {
				h.refresh()
				err = h.follow(e)
				e.end()
			}
			if err == nil {
				return
			}
			select { // events were lost, or there are no descriptors: look again at everything
			case <-h.stop:
				return
			case <-time.After(time.Second):
			}
		}
	})
}

// follow handles events and requests until the end (nil) or until events are lost.
func (h *hops) follow(e *events) error {
	probe := time.NewTicker(probeEvery)
	defer probe.Stop()
	changed := time.NewTimer(0)
	changed.Stop()
	pending := false
	soon := func() { // not later with each further change, or routes that flap would keep us from looking
		if !pending {
			pending = true
			changed.Reset(settle)
		}
	}
	for {
		select {
		case <-h.stop:
			return nil
		case err := <-e.failed:
			return err
		case dst := <-h.asked:
			h.resolve(dst)
		case u, ok := <-e.links:
			if !ok {
				return errEnded
			}
			if int(u.Index) != h.index {
				continue
			}
			if u.Header.Type == unix.RTM_DELLINK {
				h.fail(fmt.Errorf("wire: %s was removed: %w", h.cfg.Device, ErrReopen))
				continue
			}
			h.setLink(u.Attrs())
			soon()
		case u, ok := <-e.neighs:
			if !ok {
				return errEnded
			}
			h.setNeighbour(&u.Neigh, u.Type == unix.RTM_DELNEIGH)
		case _, ok := <-e.routes:
			if !ok {
				return errEnded
			}
			soon()
		case _, ok := <-e.addrs:
			if !ok {
				return errEnded
			}
			soon()
		case <-changed.C:
			pending = false
			h.again()
		case <-probe.C:
			h.probe()
		}
	}
}

// refresh looks at everything: something may have changed before the subscription.
func (h *hops) refresh() {
	link, err := netlink.LinkByIndex(h.index)
	if err != nil {
		if _, gone := err.(netlink.LinkNotFoundError); gone {
			h.fail(fmt.Errorf("wire: %s was removed: %w", h.cfg.Device, ErrReopen))
		}
		return
	}
	h.setLink(link.Attrs())
	h.loadNeighbours()
	h.again()
}

// again looks up every destination. The old way is good until the new one is known.
func (h *hops) again() {
	h.mu.RLock()
	all := make([]netip.Addr, 0, len(h.dst))
	for a := range h.dst {
		all = append(all, a)
	}
	h.mu.RUnlock()
	for _, a := range all {
		h.resolve(a)
	}
}
