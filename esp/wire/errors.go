package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/bpf"
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
	err = attachFilter(fd, quotesESP)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: ifc.Index})
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
var quotesESP = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 0, Size: 1},
	bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 4, SkipFalse: 11},

	bpf.LoadAbsolute{Off: 9, Size: 1}, // IPv4: protocol
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_ICMP, SkipFalse: 17},
	bpf.LoadAbsolute{Off: 6, Size: 2}, // not a later fragment
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 15},
	bpf.LoadMemShift{Off: 0},          // X: length of the header
	bpf.LoadIndirect{Off: 0, Size: 1}, // type: 3, 11, 12
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 3, SkipTrue: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 11, SkipTrue: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 12, SkipFalse: 10},
	bpf.LoadIndirect{Off: 8 + 9, Size: 1}, // quoted protocol
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: ProtocolESP, SkipTrue: 7, SkipFalse: 8},

	bpf.LoadAbsolute{Off: 6, Size: 1}, // anything else, IPv6 at best: next header
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_ICMPV6, SkipFalse: 6},
	bpf.LoadAbsolute{Off: 40, Size: 1}, // type: an error
	bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: 128, SkipTrue: 4},
	bpf.LoadAbsolute{Off: 40 + 8 + 6, Size: 1}, // quoted next header
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: ProtocolESP, SkipTrue: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_FRAGMENT, SkipFalse: 1},

	bpf.RetConstant{Val: 1 << 16},
	bpf.RetConstant{Val: 0},
}
