package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Route says how datagrams to a multicast group leave: how far, and through which interface (empty: the routing table
// decides).
type Route struct {
	TTL       int
	Interface string
}

// groups is the multicast side of a Conn.
type groups struct {
	mu     sync.Mutex
	routes map[netip.Addr]route
	joined map[netip.AddrPort]*membership
}

type route struct{ ttl, index int }

// membership is a group that is listened to, with a socket of its own, or on the main one when that is bound to 0.0.0.0.
type membership struct {
	udp   *net.UDPConn
	index int
	own   bool
}

// SetRoute says how datagrams to a multicast group leave. Interfaces are looked up now.
func (c *Conn) SetRoute(group netip.Addr, r Route) error {
	out := route{ttl: r.TTL}
	if r.Interface != "" {
		i, err := net.InterfaceByName(r.Interface)
		if err != nil {
			return fmt.Errorf("%w: interface %s for multicast to %s: %w", ErrAddress, r.Interface, group, err)
		}
		out.index = i.Index
	}
	c.groups.mu.Lock()
	defer c.groups.mu.Unlock()
	if c.groups.routes == nil {
		c.groups.routes = map[netip.Addr]route{}
	}
	c.groups.routes[group] = out
	return nil
}

// control is the ancillary data of a datagram: its source, and for multicast its TTL and interface.
func (c *Conn) control(local, remote netip.AddrPort) []byte {
	if c.local.Addr().Is6() {
		if a := local.Addr(); c.wildcard && a.Is6() && !a.IsUnspecified() && !a.IsMulticast() {
			return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: a.As16()})
		}
		return nil
	}
	info := unix.Inet4Pktinfo{}
	if local.Addr().Is4() && !local.Addr().IsUnspecified() && !local.Addr().IsMulticast() {
		info.Spec_dst = local.Addr().As4()
	}
	if !remote.Addr().IsMulticast() {
		if !c.wildcard || info.Spec_dst == [4]byte{} {
			return nil
		}
		return unix.PktInfo4(&info)
	}
	c.groups.mu.Lock()
	r := c.groups.routes[remote.Addr()]
	c.groups.mu.Unlock()
	info.Ifindex = int32(r.index) //nolint:gosec // an index of the kernel
	oob := unix.PktInfo4(&info)
	if r.ttl == 0 {
		return oob
	}
	return append(oob, ttlMessage(r.ttl)...)
}

// ttlMessage is a control message with IP_TTL, from a form that the unix package can write.
func ttlMessage(ttl int) []byte {
	b := unix.PktInfo4(&unix.Inet4Pktinfo{})
	b = b[:unix.CmsgSpace(4)]
	word := binary.NativeEndian
	head := unix.CmsgLen(0)
	word.PutUint32(b[head-4:], unix.IP_TTL)
	if head == 16 {
		word.PutUint64(b, uint64(unix.CmsgLen(4))) //nolint:gosec // a small constant
	} else {
		word.PutUint32(b, uint32(unix.CmsgLen(4))) //nolint:gosec // a small constant
	}
	clear(b[head:])
	word.PutUint32(b[head:], uint32(ttl)) //nolint:gosec // 1 to 255
	return b
}

// Join receives what is sent to a multicast group and arrives on an interface, through Receive's function. The kernel
// reports the membership to the routers there (IGMP, RFC 3376).
func (c *Conn) Join(group netip.AddrPort, iface string) error {
	i, err := net.InterfaceByName(iface)
	if err != nil {
		return fmt.Errorf("%w: interface %s for group %s: %w", ErrAddress, iface, group, err)
	}
	c.groups.mu.Lock()
	defer c.groups.mu.Unlock()
	if c.groups.joined[group] != nil {
		return nil
	}
	m := &membership{udp: c.udp, index: i.Index}
	if !c.wildcard || group.Port() != c.local.Port() {
		if m.udp, err = c.listenGroup(group); err != nil {
			return err
		}
		m.own = true
	}
	if err := m.option(group, unix.IP_ADD_MEMBERSHIP); err != nil {
		if m.own {
			_ = m.udp.Close()
		}
		return fmt.Errorf("transport: join %s on %s: %w", group, iface, err)
	}
	if c.groups.joined == nil {
		c.groups.joined = map[netip.AddrPort]*membership{}
	}
	c.groups.joined[group] = m
	if m.own {
		go c.receiveGroup(group, m)
	}
	return nil
}

// listenGroup binds a socket to the group itself, so that nothing but what is sent there arrives on it. Package net would
// bind it to every address.
func (c *Conn) listenGroup(group netip.AddrPort) (*net.UDPConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("transport: group %s: %w", group, err)
	}
	f := os.NewFile(uintptr(fd), "multicast")
	defer f.Close()
	err = errors.Join(setOptions(fd, true, true, c.opts),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: group.Addr().As4(), Port: int(group.Port())}))
	if err != nil {
		return nil, fmt.Errorf("%w: group %s: %w", ErrAddress, group, err)
	}
	pc, err := net.FilePacketConn(f)
	if err != nil {
		return nil, fmt.Errorf("transport: group %s: %w", group, err)
	}
	return pc.(*net.UDPConn), nil
}

func (m *membership) option(group netip.AddrPort, name int) error {
	raw, err := m.udp.SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, name, &unix.IPMreqn{Multiaddr: group.Addr().As4(), Ifindex: int32(m.index)}) //nolint:gosec // an index of the kernel
	})
	return errors.Join(cerr, err)
}

// Leave ends Join.
func (c *Conn) Leave(group netip.AddrPort) error {
	c.groups.mu.Lock()
	m := c.groups.joined[group]
	delete(c.groups.joined, group)
	c.groups.mu.Unlock()
	if m == nil {
		return nil
	}
	err := m.option(group, unix.IP_DROP_MEMBERSHIP)
	if m.own {
		_ = m.udp.Close() // ends receiveGroup, which may be waiting for us right now
	}
	return err
}

// receiveGroup hands on what arrives for a group.
func (c *Conn) receiveGroup(group netip.AddrPort, m *membership) {
	select {
	case <-c.receiving:
	case <-c.closed:
		return
	}
	buf := make([]byte, maxDatagram)
	for {
		n, _, _, remote, err := m.udp.ReadMsgUDPAddrPort(buf, nil)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || !transient(err) {
				return
			}
			continue
		}
		c.deliver(group, netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()), buf[:n])
	}
}

// socket is the one to send from: that of a group, when the datagram answers one on a port of its own.
func (c *Conn) socket(local netip.AddrPort) *net.UDPConn {
	if local.Port() == c.local.Port() || local.Port() == 0 {
		return c.udp
	}
	c.groups.mu.Lock()
	defer c.groups.mu.Unlock()
	for g, m := range c.groups.joined {
		if g.Port() == local.Port() && m.own {
			return m.udp
		}
	}
	return c.udp
}

// leaveAll ends all memberships.
func (c *Conn) leaveAll() {
	c.groups.mu.Lock()
	var all []netip.AddrPort
	for g := range c.groups.joined {
		all = append(all, g)
	}
	c.groups.mu.Unlock()
	for _, g := range all {
		_ = c.Leave(g)
	}
}
