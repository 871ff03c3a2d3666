package mroute

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Timers.
const (
	queryEvery   = 5 * time.Second
	queryAtFirst = 250 * time.Millisecond
	lifetime     = 2*queryEvery + 2*time.Second
	readTick     = 200 * time.Millisecond
)

var (
	allSystems = netip.MustParseAddr("224.0.0.1")
	allRouters = []netip.Addr{netip.MustParseAddr("224.0.0.2"), netip.MustParseAddr("224.0.0.22")} // of versions 2 and 3
)

// iface is an interface that takes part.
type iface struct {
	index  int
	name   string
	joined map[netip.Addr]bool
}

// Router is a running router of one network namespace.
type Router struct {
	fd     int
	ifaces []*iface // the number of an interface is its place
	own    map[netip.Addr]bool
	table  *table
	kernel map[flow]entry // what it holds
	log    io.Writer
}

// New takes over multicast routing in the network namespace of the caller, on the interfaces of these names, or on all but
// loopback.
func New(log io.Writer, names ...string) (*Router, error) {
	if err := allowMemberships(); err != nil {
		return nil, fmt.Errorf("mroute: %w", err)
	}
	fd, err := openSocket()
	if err != nil {
		return nil, err
	}
	r := &Router{fd: fd, own: map[netip.Addr]bool{}, table: newTable(lifetime), kernel: map[flow]entry{}, log: log}
	all, err := net.Interfaces()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 || len(r.ifaces) == maxVIFs || len(names) > 0 && !slices.Contains(names, i.Name) {
			continue
		}
		err := setOption(fd, mrtAddVIF, vifctl(len(r.ifaces), i.Index))
		for _, g := range allRouters {
			err = errors.Join(err, member(fd, i.Index, g, true))
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("mroute: interface %s: %w", i.Name, err), r.Close())
		}
		addrs, _ := i.Addrs() // an interface without any is no fault
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				r.own[p.Addr()] = true
			}
		}
		r.ifaces = append(r.ifaces, &iface{i.Index, i.Name, map[netip.Addr]bool{}})
	}
	return r, nil
}

// allowMemberships lets one router join more groups than a host may. In a container, whose /proc is read-only, a sysctl of the
// container has done it.
func allowMemberships() error {
	const file, least = "/proc/sys/net/ipv4/igmp_max_memberships", 1000
	if b, err := os.ReadFile(file); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && n >= least {
			return nil
		}
	}
	return os.WriteFile(file, []byte(strconv.Itoa(least)), 0o644) //nolint:gosec // a kernel file
}

// Close gives multicast routing back to nobody; the kernel forgets all entries.
func (r *Router) Close() error { return unix.Close(r.fd) }

// Run routes until ctx ends.
func (r *Router) Run(ctx context.Context) error {
	buf, oob := make([]byte, 2048), make([]byte, 128)
	var next time.Time
	for quick := 8; ctx.Err() == nil; {
		if now := time.Now(); !now.Before(next) {
			r.ask()
			next = now.Add(queryEvery)
			if quick > 0 { // members that are there already must not wait long
				quick--
				next = now.Add(queryAtFirst)
			}
		}
		n, oobn, _, _, err := unix.Recvmsg(r.fd, buf, oob, 0)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("mroute: %w", err)
		default:
			r.receive(time.Now(), buf[:n], oob[:oobn])
		}
		r.table.expire(time.Now())
		r.sync()
	}
	return nil
}

// ask sends a general query everywhere.
func (r *Router) ask() {
	q := queryMessage(byte(queryEvery / time.Second))
	for _, i := range r.ifaces {
		info := unix.PktInfo4(&unix.Inet4Pktinfo{Ifindex: int32(i.index)}) //nolint:gosec // an index of the kernel
		if err := unix.Sendmsg(r.fd, q, info, &unix.SockaddrInet4{Addr: allSystems.As4()}, 0); err != nil {
			fmt.Fprintf(r.log, "query on %s: %v\n", i.name, err)
		}
	}
}

// receive takes what the kernel or a neighbour says.
func (r *Router) receive(now time.Time, b, oob []byte) {
	if f, kind, _, ok := upcall(b); ok {
		if kind == upcallNone {
			r.arrive(f)
		}
		return
	}
	header := 0
	if len(b) >= 20 {
		header = int(b[0]&15) * 4
	}
	if header < 20 || len(b) < header || r.own[netip.AddrFrom4([4]byte(b[12:16]))] {
		return // our own report comes back
	}
	vif := r.vif(oob)
	if vif < 0 {
		return
	}
	changes, query := parseIGMP(b[header:])
	if query {
		r.table.query(now, vif)
	}
	for _, c := range changes {
		if linkLocal(c.group) {
			continue
		}
		before := len(r.table.members[c.group])
		r.table.report(now, vif, c)
		if len(r.table.members[c.group]) != before {
			fmt.Fprintf(r.log, "%s %s: wanted %v\n", r.ifaces[vif].name, c.group, c.want)
		}
	}
}

// vif is the interface that a packet arrived on.
func (r *Router) vif(oob []byte) int {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return -1
	}
	for _, m := range msgs {
		if m.Header.Level != unix.IPPROTO_IP || m.Header.Type != unix.IP_PKTINFO || len(m.Data) < unix.SizeofInet4Pktinfo {
			continue
		}
		for n, i := range r.ifaces {
			if i.index == int(binary.NativeEndian.Uint32(m.Data)) {
				return n
			}
		}
	}
	return -1
}

// arrive makes an entry for a flow: it comes from where the route to its source leads (reverse path forwarding).
func (r *Router) arrive(f flow) {
	routes, err := netlink.RouteGet(f.source.AsSlice())
	if err != nil || len(routes) == 0 {
		fmt.Fprintf(r.log, "no route to source %s: %v\n", f.source, err)
		return
	}
	for n, i := range r.ifaces {
		if i.index == routes[0].LinkIndex {
			r.table.arrives(f, n)
			delete(r.kernel, f)
		}
	}
}

// sync brings the kernel's entries and our own memberships to what the table says.
func (r *Router) sync() {
	for f, e := range r.table.entries() {
		if was, ok := r.kernel[f]; ok && was.parent == e.parent && maps.Equal(was.out, e.out) {
			continue
		}
		if err := setOption(r.fd, mrtAddMFC, mfcctl(f, e)); err != nil {
			fmt.Fprintf(r.log, "%s > %s: %v\n", f.source, f.group, err)
			continue
		}
		r.kernel[f] = e
		fmt.Fprintf(r.log, "%s > %s: from %s to %d interfaces\n", f.source, f.group, r.ifaces[e.parent].name, len(e.out))
	}
	for n, i := range r.ifaces {
		want := r.table.joins(n)
		for g := range want {
			if !i.joined[g] {
				r.member(i, g, true)
			}
		}
		for g := range i.joined {
			if !want[g] {
				r.member(i, g, false)
			}
		}
	}
}

func (r *Router) member(i *iface, g netip.Addr, join bool) {
	if err := member(r.fd, i.index, g, join); err != nil {
		fmt.Fprintf(r.log, "membership of %s on %s: %v\n", g, i.name, err)
		return
	}
	if join {
		i.joined[g] = true
	} else {
		delete(i.joined, g)
	}
}
