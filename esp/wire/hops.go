package wire

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	etherLen = 14
	// maxDestinations bounds the cache; a member that talks to more hosts at a time looks some of them up again.
	maxDestinations = 1 << 16
	// probeEvery is how often a neighbour in use is asked whether it is still there. The kernel does not see our packets,
	// so without that an entry would be believed for ever: a changed address is followed within this and three seconds of
	// probes.
	probeEvery = 3 * time.Second
	// settle is how long to wait for further changes of the routes before all is looked up again.
	settle = 50 * time.Millisecond
)

// neighbour is a next hop on the WAN's link.
type neighbour struct {
	header [etherLen]byte // ready to be put before a packet, but for the EtherType
	usable bool
	used   atomic.Bool // since the last probe
}

// hops knows the next hop of each destination, as the kernel does; what it does not know (yet) goes through the raw sockets.
//
//	destination ──RTM_GETROUTE, with the mark──▶ gateway or itself ──neighbour table──▶ Ethernet address
//
// A goroutine looks up what is asked for, and follows links, routes and neighbours.
type hops struct {
	cfg      Config
	index    int
	limit    int // largest MTU that the mode can have
	ethernet bool
	asked    chan netip.Addr
	stop     chan struct{}
	over     sync.WaitGroup
	mac      func([6]byte) error // told the interface's address when it changes
	lost     func()

	mu     sync.RWMutex
	self   [6]byte
	up     bool
	mtu    int
	dst    map[netip.Addr]*neighbour
	next   map[netip.Addr]*neighbour // by next hop
	reason error
}

// slowWay is the neighbour of destinations that are not behind the WAN's link.
var slowWay = &neighbour{}

func newHops(cfg Config, limit int) (*hops, error) {
	link, err := netlink.LinkByName(cfg.Device)
	if err != nil {
		return nil, fmt.Errorf("wire: interface %s: %w", cfg.Device, err)
	}
	h := &hops{
		cfg: cfg, index: link.Attrs().Index, limit: limit, asked: make(chan netip.Addr, 256), stop: make(chan struct{}), lost: func() {},
		dst: map[netip.Addr]*neighbour{}, next: map[netip.Addr]*neighbour{},
		mac: func([6]byte) error { return nil },
	}
	h.ethernet = link.Attrs().EncapType == "ether"
	h.setLink(link.Attrs())
	return h, nil
}

// find returns the neighbour for an ESP packet, or nil if it is to go through the raw sockets. Called under mu.
func (h *hops) find(p []byte) *neighbour {
	var dst netip.Addr
	switch {
	case len(p) >= minIPv4 && p[0]>>4 == 4 && p[9] == ProtocolESP:
		dst = netip.AddrFrom4([4]byte(p[16:20]))
	case len(p) >= minIPv6 && p[0]>>4 == 6 && p[6] == ProtocolESP:
		dst = netip.AddrFrom16([16]byte(p[24:40]))
	default:
		return nil // in clear: past the system's packet filter like everything else
	}
	if !h.up || len(p) > min(h.mtu, h.limit) { // an MTU beyond the limit ends the link, in a moment
		return nil
	}
	to := h.dst[dst]
	if to == nil {
		h.ask(dst)
		return nil
	}
	if !to.usable {
		return nil
	}
	if !to.used.Load() {
		to.used.Store(true)
	}
	return to
}

// ask wants a destination looked up.
func (h *hops) ask(dst netip.Addr) {
	select {
	case h.asked <- dst:
	default: // the next packet asks again
	}
}

// resolve looks a destination up. The routes are the main table's, by netcfg's rule for the mark.
func (h *hops) resolve(dst netip.Addr) {
	h.mu.Lock()
	if len(h.dst) >= maxDestinations || len(h.next) >= maxDestinations { // on a large link each may be its own next hop
		clear(h.dst)
		clear(h.next)
	}
	h.mu.Unlock()
	to := slowWay
	if dst.IsMulticast() {
		to = h.group(dst)
	} else if routes, err := netlink.RouteGetWithOptions(dst.AsSlice(), &netlink.RouteGetOptions{Mark: h.cfg.Mark}); err == nil && len(routes) > 0 {
		if r := routes[0]; r.LinkIndex == h.index && r.Type == unix.RTN_UNICAST {
			hop := dst
			if gw, ok := gateway(&r); ok {
				hop = gw
			}
			to = h.neighbour(hop)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dst[dst] = to
}

// gateway returns the next hop of a route, also one of the other family (RFC 5549).
func gateway(r *netlink.Route) (netip.Addr, bool) {
	gw := r.Gw
	if via, ok := r.Via.(*netlink.Via); ok && via != nil {
		gw = via.Addr
	}
	a, ok := netip.AddrFromSlice(gw)
	return a.Unmap(), ok
}

// group maps a multicast address to Ethernet's: RFC 1112 §6.4, RFC 2464 §7.
func (h *hops) group(dst netip.Addr) *neighbour {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n := &neighbour{usable: true}
	if a := dst.AsSlice(); dst.Is4() {
		copy(n.header[:], []byte{0x01, 0, 0x5e, a[1] & 0x7f, a[2], a[3]})
	} else {
		copy(n.header[:], []byte{0x33, 0x33, a[12], a[13], a[14], a[15]})
	}
	copy(n.header[6:], h.self[:])
	return n
}

// neighbour returns the entry of a next hop. A new one is read from the kernel, which is asked to resolve it if need be.
func (h *hops) neighbour(hop netip.Addr) *neighbour {
	h.mu.Lock()
	n, known := h.next[hop]
	if !known {
		n = &neighbour{}
		n.used.Store(true)
		h.next[hop] = n
	}
	h.mu.Unlock()
	if !known {
		h.loadNeighbours()
		if !h.usable(n) {
			h.use(hop)
		}
	}
	return n
}

func (h *hops) usable(n *neighbour) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return n.usable
}

// idle says that no next hop is known, as always with raw sockets alone: there is nothing to ask the kernel for.
func (h *hops) idle() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.next) == 0
}

// loadNeighbours reads the kernel's table into the entries that there are.
func (h *hops) loadNeighbours() {
	if h.idle() {
		return
	}
	list, err := netlink.NeighList(h.index, netlink.FAMILY_ALL)
	if err != nil {
		return
	}
	for i := range list {
		h.setNeighbour(&list[i], false)
	}
}

// Neighbour states with an address that the kernel itself would use.
const valid = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT | netlink.NUD_NOARP

func (h *hops) setNeighbour(e *netlink.Neigh, deleted bool) {
	a, ok := netip.AddrFromSlice(e.IP)
	if !ok || e.LinkIndex != h.index {
		return
	}
	h.mu.Lock()
	n := h.next[a.Unmap()]
	used := false
	if n != nil {
		n.usable = !deleted && e.State&valid != 0 && len(e.HardwareAddr) == 6
		if n.usable {
			copy(n.header[:6], e.HardwareAddr)
			copy(n.header[6:12], h.self[:])
		}
		used = n.used.Load() && !n.usable && (deleted || e.State&netlink.NUD_FAILED != 0)
	}
	h.mu.Unlock()
	if used {
		h.use(a.Unmap())
	}
}

// use tells the kernel that a neighbour is in use: it resolves what it does not know.
func (h *hops) use(hop netip.Addr) {
	_ = netlink.NeighSet(&netlink.Neigh{LinkIndex: h.index, Family: familyOf(hop), IP: hop.AsSlice(), Flags: netlink.NTF_USE})
}

// probe asks the neighbours that are in use whether they are still there.
func (h *hops) probe() {
	if h.idle() {
		return
	}
	list, err := netlink.NeighList(h.index, netlink.FAMILY_ALL)
	if err != nil {
		return
	}
	for i := range list {
		e := &list[i]
		a, _ := netip.AddrFromSlice(e.IP)
		h.mu.Lock()
		n := h.next[a.Unmap()]
		used := n != nil && n.used.Swap(false)
		h.mu.Unlock()
		if used && e.State&(netlink.NUD_REACHABLE|netlink.NUD_STALE) != 0 {
			_ = netlink.NeighSet(&netlink.Neigh{LinkIndex: h.index, Family: familyOf(a.Unmap()), IP: e.IP, State: netlink.NUD_PROBE})
		}
		h.setNeighbour(e, false)
	}
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// setLink follows the interface itself; it ends the link if its mode can no longer be.
func (h *hops) setLink(a *netlink.LinkAttrs) {
	h.mu.Lock()
	h.up = a.RawFlags&(unix.IFF_UP|unix.IFF_LOWER_UP) == unix.IFF_UP|unix.IFF_LOWER_UP
	h.mtu = a.MTU
	changed := len(a.HardwareAddr) == 6 && [6]byte(a.HardwareAddr) != h.self
	if changed {
		h.self = [6]byte(a.HardwareAddr)
		for _, m := range []map[netip.Addr]*neighbour{h.dst, h.next} {
			for _, n := range m {
				if n != slowWay {
					copy(n.header[6:], h.self[:])
				}
			}
		}
	}
	h.mu.Unlock()
	if changed {
		if err := h.mac([6]byte(a.HardwareAddr)); err != nil {
			h.fail(fmt.Errorf("wire: address of %s: %w", h.cfg.Device, err))
		}
	}
	if a.MTU > h.limit {
		h.fail(fmt.Errorf("wire: %s has an MTU of %d now, and the frames hold %d: %w", h.cfg.Device, a.MTU, h.limit, ErrReopen))
	}
}

// fail ends the link.
func (h *hops) fail(err error) {
	h.mu.Lock()
	first := h.reason == nil
	if first {
		h.reason, h.up = err, false
	}
	h.mu.Unlock()
	if first {
		h.lost()
	}
}

func (h *hops) why() error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.reason == nil {
		return errors.New("wire: lost")
	}
	return h.reason
}

func (h *hops) close() error {
	close(h.stop)
	h.over.Wait()
	return nil
}
