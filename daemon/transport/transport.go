// Package transport is the UDP sockets of GDOI (port 848, RFC 6407 §3.1): one, or one of each address family (sockets.go). One
// bound to :: takes IPv6 alone.
//
// A socket always knows the local address of a datagram: the one it is bound to, or, bound to 0.0.0.0 or ::, what the kernel
// says (IP_PKTINFO, IPV6_PKTINFO), so that answers leave from the address that was asked. DF stays clear on what is sent: a
// registration with many rules is larger than an MTU, and is fragmented rather than lost; over IPv6, where only the sender
// fragments, to what the path is known to carry, and a message that taught us is repeated like any other that is lost. Of phase 1
// our own peers keep each message below 1280 octets (gdoi/ike1).
//
// Rekeys may go by multicast (multicast.go): a key server says with SetRoute how far and where they leave, a member joins the
// group with Join, on a socket of its own that is bound to the group's address.
package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrAddress is wrapped by refusals of an address.
var ErrAddress = errors.New("transport: cannot listen there")

const (
	maxDatagram = 1<<16 - 1
	readBuffer  = 4 << 20 // a burst of registrations of a large group
	oobSize     = 64
	// writeBuffer holds some dozens of rekeys: less than an interface queues (txqueuelen 1000).
	writeBuffer = 256 << 10
	// A kernel without memory for a datagram is asked again.
	sendTries = 5
	sendPause = time.Millisecond
)

// Options of Listen.
type Options struct {
	Mark uint32 // SO_MARK, by which routing rules know our own datagrams; 0: none (setting it takes CAP_NET_ADMIN)
}

// Conn is a bound socket. Send may be called from anywhere; Receive from one goroutine.
type Conn struct {
	udp      *net.UDPConn
	local    netip.AddrPort
	wildcard bool
	opts     Options
	groups   groups

	deliver   func(local, remote netip.AddrPort, b []byte) // Receive's
	receiving chan struct{}                                // closed when deliver is set
	closed    chan struct{}
	closing   sync.Once
}

// Listen binds the address.
func Listen(addr netip.AddrPort, opts Options) (*Conn, error) {
	network := "udp4"
	if addr.Addr().Is6() {
		network = "udp6"
	}
	wildcard := addr.Addr().IsUnspecified()
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if cerr := raw.Control(func(fd uintptr) { err = setOptions(int(fd), addr.Addr().Is4(), wildcard, opts) }); cerr != nil {
			return cerr
		}
		return err
	}}
	pc, err := lc.ListenPacket(context.Background(), network, addr.String())
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w: %s is taken; is the daemon running already?", ErrAddress, addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%w: %s is not an address of this machine; check the configuration and ip addr", ErrAddress, addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%w: %s: port %d takes root or CAP_NET_BIND_SERVICE: %w", ErrAddress, addr, addr.Port(), err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	udp := pc.(*net.UDPConn)
	bound := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	return &Conn{udp: udp, local: netip.AddrPortFrom(bound.Addr().Unmap(), bound.Port()), wildcard: wildcard, opts: opts,
		receiving: make(chan struct{}), closed: make(chan struct{})}, nil
}

func setOptions(fd int, v4, wildcard bool, opts Options) error {
	if opts.Mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(opts.Mark)); err != nil {
			return fmt.Errorf("SO_MARK (takes CAP_NET_ADMIN): %w", err)
		}
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, readBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, readBuffer) // as much as we may
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, writeBuffer)
	if !v4 {
		if wildcard {
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1); err != nil {
				return err
			}
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT)
	}
	if wildcard {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1); err != nil {
			return err
		}
	}
	// Without this a socket gets, on its port, what any other program of the machine has joined.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0); err != nil {
		return err
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
}

// Local is the bound address.
func (c *Conn) Local() netip.AddrPort { return c.local }

// Close ends Receive, and all memberships of multicast groups.
func (c *Conn) Close() error {
	c.closing.Do(func() { close(c.closed) })
	c.leaveAll()
	return c.udp.Close()
}

// Receive, which is called once, calls deliver for every datagram until Close, those of multicast groups from other goroutines; the octets are
// the callee's only during the call.
func (c *Conn) Receive(deliver func(local, remote netip.AddrPort, b []byte)) error {
	c.deliver = deliver
	close(c.receiving)
	buf := make([]byte, maxDatagram)
	oob := make([]byte, oobSize)
	for {
		n, oobn, _, remote, err := c.udp.ReadMsgUDPAddrPort(buf, oob)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			if transient(err) {
				continue
			}
			return fmt.Errorf("transport: %s: %w", c.local, err)
		}
		local := c.local
		if c.wildcard {
			if a, ok := destination(oob[:oobn]); ok {
				local = netip.AddrPortFrom(a, c.local.Port())
			}
		}
		deliver(local, netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()), buf[:n])
	}
}

// transient tells errors that a peer or the network caused (ICMP errors arrive as such) from those of the socket.
func transient(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN,
		syscall.EMSGSIZE, syscall.EINTR, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPROTO,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// destination finds the address that the datagram was sent to.
func destination(oob []byte) (netip.Addr, bool) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}, false
	}
	for _, m := range msgs {
		if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo {
			return netip.AddrFrom4([4]byte(m.Data[8:12])), true // ipi_addr, after ipi_ifindex and ipi_spec_dst
		}
		if m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo {
			return netip.AddrFrom16([16]byte(m.Data[:16])), true // ipi6_addr, before ipi6_ifindex
		}
	}
	return netip.Addr{}, false
}

// Send transmits b, bound to no address from the address local; to a multicast group as SetRoute said. When the socket's
// buffer is full it waits: that is smaller than what an interface queues, so a burst is slowed down here and not dropped
// there.
func (c *Conn) Send(local, remote netip.AddrPort, b []byte) error {
	oob := c.control(local, remote)
	udp := c.socket(local)
	for try := 0; ; try++ {
		_, _, err := udp.WriteMsgUDPAddrPort(b, oob, remote)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.ENOBUFS) && !errors.Is(err, syscall.ENOMEM) || try == sendTries:
			return fmt.Errorf("transport: to %s: %w", remote, err)
		}
		time.Sleep(sendPause)
	}
}
