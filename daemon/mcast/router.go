package mcast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Config names the interfaces.
type Config struct {
	LAN      []string
	WAN, TUN string
}

// maxRoutes bounds what senders can make the kernel remember.
const maxRoutes = 4096

// Router is the multicast router of a member, until Close.
type Router struct {
	socket *socket
	lans   []int // indices of the interfaces; their places are their vif numbers
	tun    int   // vif number
	wan    int   // index
	names  []string
	all    []int // indices of the interfaces in names, as they were

	done chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	table  table
	routes map[route]int      // what the kernel was told, and the vif that it comes in by
	joined map[netip.Addr]int // file descriptors that hold a membership on the WAN
	failed error
}

// Start takes the kernel's multicast routing over.
func Start(c Config, permits []Permit) (*Router, error) {
	if len(c.LAN) >= maxVIFs {
		return nil, fmt.Errorf("mcast: %d LANs; the kernel routes multicast between %d interfaces", len(c.LAN), maxVIFs)
	}
	r := &Router{
		tun: len(c.LAN), done: make(chan struct{}), routes: map[route]int{}, joined: map[netip.Addr]int{},
		table: table{permits: permits, members: map[member]time.Time{}},
	}
	var indices []int
	for _, name := range append(slices.Clone(c.LAN), c.TUN, c.WAN) {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("mcast: interface %s: %w", name, err)
		}
		indices = append(indices, i.Index)
	}
	r.names, r.all = append(slices.Clone(c.LAN), c.TUN, c.WAN), indices
	r.lans, r.wan = indices[:r.tun], indices[r.tun+1]
	var err error
	if r.socket, err = openSocket(); err != nil {
		return nil, err
	}
	for vif, index := range indices[:r.tun+1] {
		err = errors.Join(err, r.socket.addVIF(vif, index))
	}
	for _, index := range r.lans {
		err = errors.Join(err, r.socket.join(allRouters, index), r.socket.join(allIGMPv3, index))
	}
	if err != nil {
		return nil, errors.Join(err, r.socket.conn.Close())
	}
	r.wg.Go(r.read)
	r.wg.Go(r.tick)
	return r, nil
}

// Stale says whether an interface was replaced: the kernel has forgotten its vif, and only another Start helps.
func (r *Router) Stale() bool {
	for i, name := range r.names {
		if ifi, err := net.InterfaceByName(name); err == nil && ifi.Index != r.all[i] {
			return true
		}
	}
	return false
}

// SetPermits follows the policy.
func (r *Router) SetPermits(permits []Permit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(permits, r.table.permits) {
		r.table.permits = permits
		r.follow()
	}
}

// Err returns what went wrong last, and forgets it.
func (r *Router) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.failed
	r.failed = nil
	return err
}

// Close gives the routes and memberships back.
func (r *Router) Close() error {
	close(r.done)
	err := r.socket.conn.Close() // the kernel forgets vifs and routes with the socket
	r.wg.Wait()
	for _, fd := range r.joined {
		unix.Close(fd)
	}
	return err
}

func (r *Router) read() {
	b := make([]byte, 65536)
	for {
		n, index, err := r.socket.read(b)
		if err != nil {
			return // closed
		}
		if u, ok := parseUpcall(b[:n]); ok {
			r.resolve(u)
			continue
		}
		lan := slices.Index(r.lans, index)
		if lan < 0 {
			continue
		}
		for _, x := range parse(b[:n]) {
			r.hear(lan, x)
		}
	}
}

func (r *Router) hear(lan int, x report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.table.hear(time.Now(), lan, x) {
		r.follow()
	}
	if x.leave {
		r.keep(r.socket.ask(r.lans[lan], x.group, x.group, uint8(leaveWait/(100*time.Millisecond))))
	}
}

// tick asks and forgets.
func (r *Router) tick() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	var asked time.Time
	for {
		r.mu.Lock()
		now := time.Now()
		if now.Sub(asked) >= queryInterval {
			asked = now
			for _, index := range r.lans {
				r.keep(r.socket.ask(index, netip.IPv4Unspecified(), allSystems, uint8(queryWait/(100*time.Millisecond))))
			}
		}
		if r.table.expire(now) {
			r.follow()
		}
		r.mu.Unlock()
		select {
		case <-r.done:
			return
		case <-t.C:
		}
	}
}

func (r *Router) keep(err error) {
	if err != nil {
		r.failed = err
	}
}

// resolve answers the kernel. A packet that goes nowhere gets a route too, else the kernel would ask again.
func (r *Router) resolve(u upcall) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.routes) >= maxRoutes {
		for x, vif := range r.routes { // those that are needed come back with their next packet
			r.keep(r.socket.delRoute(x, vif))
		}
		clear(r.routes)
	}
	r.routes[u.route] = u.vif
	r.keep(r.socket.setRoute(u.route, u.vif, r.out(u.route, u.vif)))
}

// out lists where packets go.
func (r *Router) out(x route, vif int) []int {
	switch {
	case vif == r.tun:
		return r.table.lans(x.group)
	case r.table.outward(x.src, x.group):
		return []int{r.tun}
	}
	return nil
}

// follow brings routes and memberships on the WAN in line with policy and members. Routes are changed in place: while the
// kernel has none, it keeps three packets and drops the others.
func (r *Router) follow() {
	for x, vif := range r.routes {
		r.keep(r.socket.setRoute(x, vif, r.out(x, vif)))
	}
	wanted := r.table.wanted()
	for g, fd := range r.joined {
		if !slices.Contains(wanted, g) {
			unix.Close(fd)
			delete(r.joined, g)
		}
	}
	for _, g := range wanted {
		if _, ok := r.joined[g]; ok {
			continue
		}
		// A socket each: the kernel limits memberships by socket.
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			if err = join(fd, g, r.wan); err != nil {
				unix.Close(fd)
			}
		}
		if err != nil {
			r.keep(fmt.Errorf("mcast: join %s on the WAN: %w", g, err))
			continue
		}
		r.joined[g] = fd
	}
}
