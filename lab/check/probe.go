package check

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/esp/packet"
)

// probe is one packet of a host to find out about the way to another.
type probe struct {
	proto    string // udp, icmp or tcp
	src, dst netip.Addr
	ttl      int
	size     int // of the IP packet, but for tcp
	df       bool
}

// answer is what came back: the address of the router that sent an ICMP error, or of the destination itself.
type answer struct {
	from netip.Addr
	mtu  int // that the error names
}

// portTraceroute is where nobody listens.
const portTraceroute = 33434

func (p *probe) v6() bool { return p.dst.Is6() }

func (p *probe) sockaddr(a netip.Addr, port int) unix.Sockaddr {
	if p.v6() {
		return &unix.SockaddrInet6{Addr: a.As16(), Port: port}
	}
	return &unix.SockaddrInet4{Addr: a.As4(), Port: port}
}

// open makes the socket, in the namespace of the caller.
func (p *probe) open() (fd int, err error) {
	family, typ, proto := unix.AF_INET, unix.SOCK_DGRAM, 0
	if p.v6() {
		family = unix.AF_INET6
	}
	switch p.proto {
	case "tcp":
		typ = unix.SOCK_STREAM
	case "icmp":
		if typ, proto = unix.SOCK_RAW, unix.IPPROTO_ICMP; p.v6() {
			proto = unix.IPPROTO_ICMPV6
		}
	}
	if fd, err = unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto); err != nil {
		return 0, err
	}
	level, ttl, errs, discover := unix.IPPROTO_IP, unix.IP_TTL, unix.IP_RECVERR, unix.IP_MTU_DISCOVER
	if p.v6() {
		level, ttl, errs, discover = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_RECVERR, unix.IPV6_MTU_DISCOVER
	}
	how := unix.IP_PMTUDISC_DONT
	if p.df {
		how = unix.IP_PMTUDISC_PROBE // what the host has learned does not keep it from sending
	}
	err = errors.Join(unix.SetsockoptInt(fd, level, ttl, p.ttl), unix.SetsockoptInt(fd, level, errs, 1), unix.SetsockoptInt(fd, level, discover, how))
	if p.v6() && p.df {
		err = errors.Join(err, unix.SetsockoptInt(fd, level, unix.IPV6_DONTFRAG, 1))
	}
	if err == nil {
		err = unix.Bind(fd, p.sockaddr(p.src, 0))
	}
	if err != nil {
		_ = unix.Close(fd)
	}
	return fd, err
}

// send sends it and waits for what comes back; nothing is an answer that is not valid.
func (p *probe) send(ctx context.Context, fd int) (answer, error) {
	port, head := portTraceroute, 28
	if p.proto == "icmp" {
		port = 0
	}
	if p.v6() {
		head = 48
	}
	if err := unix.Connect(fd, p.sockaddr(p.dst, port)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return answer{}, fmt.Errorf("connect: %w", err)
	}
	var err error
	switch p.proto {
	case "udp":
		_, err = unix.Write(fd, make([]byte, p.size-head))
	case "icmp":
		_, err = unix.Write(fd, p.echo(p.size-head+8))
	}
	if err != nil && !errors.Is(err, unix.EMSGSIZE) {
		return answer{}, fmt.Errorf("send: %w", err)
	}
	b, oob := make([]byte, 2048), make([]byte, 512)
	for end := time.Now().Add(hopPatience); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(2 * time.Millisecond) {
		if _, n, _, _, err := unix.Recvmsg(fd, b, oob, unix.MSG_ERRQUEUE); err == nil {
			return extendedError(oob[:n])
		}
		if p.arrived(fd, b) {
			return answer{from: p.dst}, nil
		}
	}
	return answer{}, ctx.Err()
}

// arrived says whether the destination has answered.
func (p *probe) arrived(fd int, b []byte) bool {
	switch p.proto {
	case "tcp":
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}} //nolint:gosec // a descriptor
		if n, err := unix.Poll(fds, 0); err != nil || n == 0 {
			return false
		}
		soerr, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		return err == nil && (soerr == 0 || unix.Errno(soerr) == unix.ECONNREFUSED)
	case "icmp":
		n, _, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT)
		return err == nil && (p.v6() && n > 8 && b[0] == 129 || !p.v6() && n > 28 && b[20] == 0)
	}
	return false // the port unreachable of udp is an error like all others
}

// echo is a request; the kernel makes the checksum of IPv6.
func (p *probe) echo(n int) []byte {
	b := make([]byte, n)
	b[0], b[4], b[7] = 8, 7, byte(p.ttl) //nolint:gosec // at most 64
	if p.v6() {
		b[0] = 128
		return b
	}
	binary.BigEndian.PutUint16(b[2:], packet.Checksum(b))
	return b
}

// extendedError reads struct sock_extended_err and the address behind it (ip(7), IP_RECVERR).
func extendedError(oob []byte) (answer, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return answer{}, err
	}
	for _, m := range messages {
		d := m.Data
		v4, v6 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR, m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if !v4 && !v6 || len(d) < 32 {
			continue
		}
		var a answer
		if unix.Errno(binary.NativeEndian.Uint32(d)) == unix.EMSGSIZE {
			a.mtu = int(binary.NativeEndian.Uint32(d[8:]))
		}
		switch family := binary.NativeEndian.Uint16(d[16:]); {
		case family == unix.AF_INET:
			a.from = netip.AddrFrom4([4]byte(d[20:24]))
		case family == unix.AF_INET6 && len(d) >= 40:
			a.from = netip.AddrFrom16([16]byte(d[24:40])).Unmap()
		}
		return a, nil
	}
	return answer{}, errors.New("an error without its origin")
}
