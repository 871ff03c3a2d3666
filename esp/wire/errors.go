package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Errors receives ICMP errors that quote ESP packets, whomever they are addressed to: with address preservation that is the
// host whose packet it was, so no socket of ours would get them. A packet socket sees them before the packet filter, which
// need not let them pass (daemon/netcfg does not), and whatever takes the ESP itself from the interface.
//
// It also sends ICMP errors to hosts, in a router's name or our own. They do not go through the TUN: what comes out of that
// with a source that is routed elsewhere, or is ours, the kernel takes for forged (RFC 1812 §5.3.8) where it has been told to
// look.
type Errors struct {
	file   *os.File
	conn   syscall.RawConn
	to4    socket
	to6    socket // none: a kernel without IPv6
	closed atomic.Bool
}

// OpenErrors listens on an interface, and marks what it sends as OpenRaw does. It needs CAP_NET_RAW.
func OpenErrors(device string, mark uint32) (*Errors, error) {
	e, err := listenErrors(device)
	if err != nil {
		return nil, err
	}
	if e.to4, err = openSocket(unix.AF_INET, unix.IPPROTO_RAW, "getvpn-icmp"); err == nil { // with IP_HDRINCL
		err = e.to4.mark(mark)
	}
	if err == nil {
		if e.to6, err = openSocket(unix.AF_INET6, unix.IPPROTO_RAW, "getvpn-icmp6"); err == nil {
			err = e.to6.mark(mark)
		} else if errors.Is(err, unix.EAFNOSUPPORT) {
			err = nil
		}
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func listenErrors(device string) (*Errors, error) {
	ifc, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("wire: %s: %w", device, err)
	}
	// Without a protocol it receives nothing until the filter is there.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("wire: packet socket for ICMP errors (needs CAP_NET_RAW): %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(quotesESP)), Filter: &quotesESP[0]}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: ifc.Index})
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("wire: packet socket for ICMP errors on %s (Linux 4.20 or newer?): %w", device, err)
	}
	e := &Errors{file: os.NewFile(uintptr(fd), "getvpn-icmp-errors")}
	if e.conn, err = e.file.SyscallConn(); err != nil {
		_ = e.file.Close()
		return nil, fmt.Errorf("wire: %w", err)
	}
	return e, nil
}

func networkOrder(v uint16) uint16 { return v<<8 | v>>8&0xff }

// Read waits for an error and returns how long it is, with its IP header; ErrClosed after Close. An interface that goes
// down is waited for.
func (e *Errors) Read(b []byte) (n int, err error) {
	for {
		rerr := e.conn.Read(func(fd uintptr) bool {
			n, _, err = unix.Recvfrom(int(fd), b, 0)
			return err != unix.EAGAIN
		})
		switch {
		case rerr != nil:
			return 0, ErrClosed
		case err == nil:
			return n, nil
		case err != unix.EINTR && err != unix.ENETDOWN:
			return 0, fmt.Errorf("wire: ICMP errors: %w", err)
		}
	}
}

// Send sends an ICMP error, with its IP header, to the host that it is for. It does not wait: what cannot be sent at once is
// lost, as any ICMP error may be.
func (e *Errors) Send(b []byte) error {
	s, to := e.to4, unix.Sockaddr(nil)
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		to = &unix.SockaddrInet4{Addr: [4]byte(b[16:20])}
	case len(b) >= 40 && b[0]>>4 == 6 && e.to6.file != nil:
		s, to = e.to6, &unix.SockaddrInet6{Addr: [16]byte(b[24:40])}
	default:
		return fmt.Errorf("wire: ICMP error: %w", unix.EAFNOSUPPORT)
	}
	return s.control("send", func(fd int) error { return unix.Sendto(fd, b, unix.MSG_DONTWAIT, to) })
}

// Close ends Read.
func (e *Errors) Close() error {
	if e.closed.Swap(true) {
		return nil
	}
	return errors.Join(e.file.Close(), e.to4.Close(), e.to6.Close())
}

// quotesESP is a filter over IP packets: ICMP errors whose quoted packet is ESP, or of IPv6 a fragment. It only spares us
// the rest; packet.ParseICMPError looks closely.
var quotesESP = []unix.SockFilter{
	load(unix.BPF_B, 0),
	{Code: unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K, K: 4},
	jump(unix.BPF_JEQ, 4, 0, 11),

	load(unix.BPF_B, 9), // IPv4: protocol
	jump(unix.BPF_JEQ, 1, 0, 17),
	load(unix.BPF_H, 6), // not a later fragment
	jump(unix.BPF_JSET, 0x1fff, 15, 0),
	{Code: unix.BPF_LDX | unix.BPF_MSH | unix.BPF_B, K: 0}, // X: length of the header
	loadX(0), // type: 3, 11, 12
	jump(unix.BPF_JEQ, 3, 2, 0),
	jump(unix.BPF_JEQ, 11, 1, 0),
	jump(unix.BPF_JEQ, 12, 0, 10),
	loadX(8 + 9), // quoted protocol
	jump(unix.BPF_JEQ, ProtocolESP, 7, 8),

	load(unix.BPF_B, 6), // anything else, IPv6 at best: next header
	jump(unix.BPF_JEQ, 58, 0, 6),
	load(unix.BPF_B, 40), // type: an error
	jump(unix.BPF_JGE, 128, 4, 0),
	load(unix.BPF_B, 40+8+6), // quoted next header
	jump(unix.BPF_JEQ, ProtocolESP, 1, 0),
	jump(unix.BPF_JEQ, 44, 0, 1),

	{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

func load(size uint16, at uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_ABS | size, K: at}
}

func loadX(at uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_IND | unix.BPF_B, K: at}
}

func jump(op uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | op, Jt: yes, Jf: no, K: k}
}
