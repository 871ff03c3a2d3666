package netcfg

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/esp/packet"
)

// traceArg asks for the routers on the way, as traceroute does: packets with a TTL of 1, 2, 3 ..., until Dst answers.
type traceArg struct {
	Dst   string // address and port
	Proto string // udp, icmp or tcp
	Size  int    // of the payload of udp
	DF    bool
}

// hop is what came back for one TTL: the address of who answered, "reached" when it was Dst itself, or "" for nobody.
type hop struct {
	From       string
	Type, Code uint8 // of the ICMP error
	MTU        uint32
	Errno      string
}

func traceRole(arg string) error {
	var a traceArg
	if err := json.Unmarshal([]byte(arg), &a); err != nil {
		return err
	}
	dst := netip.MustParseAddrPort(a.Dst)
	var hops []hop
	for ttl := 1; ttl <= 12; ttl++ {
		h, err := a.try(dst, ttl)
		if err != nil {
			return err
		}
		hops = append(hops, h)
		if h.From == "reached" || h.MTU != 0 {
			break
		}
	}
	return json.NewEncoder(os.Stdout).Encode(hops)
}

func (a *traceArg) try(dst netip.AddrPort, ttl int) (h hop, err error) {
	v6 := dst.Addr().Is6()
	family, typ, proto := unix.AF_INET, unix.SOCK_DGRAM, 0
	if v6 {
		family = unix.AF_INET6
	}
	switch a.Proto {
	case "tcp":
		typ = unix.SOCK_STREAM
	case "icmp":
		if typ, proto = unix.SOCK_RAW, unix.IPPROTO_ICMP; v6 {
			proto = unix.IPPROTO_ICMPV6
		}
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return h, err
	}
	defer unix.Close(fd)
	discover := unix.IP_PMTUDISC_DONT
	if a.DF {
		discover = unix.IP_PMTUDISC_PROBE
	}
	if v6 {
		err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl), unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, discover))
	} else {
		err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, ttl), unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, discover))
	}
	if err != nil {
		return h, err
	}
	var to unix.Sockaddr
	port := int(dst.Port())
	if a.Proto == "icmp" {
		port = 0
	}
	if v6 {
		to = &unix.SockaddrInet6{Port: port, Addr: dst.Addr().As16()}
	} else {
		to = &unix.SockaddrInet4{Port: port, Addr: dst.Addr().As4()}
	}
	if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS {
		return h, fmt.Errorf("connect: %w", err)
	}
	switch a.Proto {
	case "udp":
		_, err = unix.Write(fd, make([]byte, a.Size))
	case "icmp":
		echo := []byte{8, 0, 0, 0, 7, 7, 0, byte(ttl), 1, 2, 3, 4}
		if v6 {
			echo[0] = 128
		} else {
			binary.BigEndian.PutUint16(echo[2:], packet.Checksum(echo))
		}
		_, err = unix.Write(fd, echo)
	}
	if err != nil {
		return h, fmt.Errorf("send: %w", err)
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		b, oob := make([]byte, 2048), make([]byte, 512)
		_, n, _, _, err := unix.Recvmsg(fd, b, oob, unix.MSG_ERRQUEUE)
		if err == nil {
			return readError(oob[:n])
		}
		switch a.Proto {
		case "tcp":
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			if k, _ := unix.Poll(fds, 0); k > 0 {
				if soerr, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); soerr == 0 || soerr == int(unix.ECONNREFUSED) {
					return hop{From: "reached"}, nil
				}
			}
		default:
			if n, _, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT); err == nil && n > 0 && (a.Proto != "icmp" || v6 && b[0] == 129 || !v6 && b[20] == 0) {
				return hop{From: "reached"}, nil
			}
		}
	}
	return hop{}, nil
}

// readError reads struct sock_extended_err and the address behind it.
func readError(oob []byte) (hop, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return hop{}, err
	}
	for _, m := range messages {
		if (m.Header.Level != unix.IPPROTO_IP || m.Header.Type != unix.IP_RECVERR) && (m.Header.Level != unix.IPPROTO_IPV6 || m.Header.Type != unix.IPV6_RECVERR) {
			continue
		}
		d := m.Data
		h := hop{Type: d[5], Code: d[6], Errno: unix.Errno(binary.NativeEndian.Uint32(d)).Error()}
		if unix.Errno(binary.NativeEndian.Uint32(d)) == unix.EMSGSIZE {
			h.MTU = binary.NativeEndian.Uint32(d[8:])
		}
		switch binary.NativeEndian.Uint16(d[16:]) {
		case unix.AF_INET:
			h.From = netip.AddrFrom4([4]byte(d[20:24])).String()
		case unix.AF_INET6:
			h.From = netip.AddrFrom16([16]byte(d[24:40])).String()
		}
		return h, nil
	}
	return hop{}, errors.New("an error without its origin")
}
