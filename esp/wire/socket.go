package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a non-blocking raw socket that waits in the runtime's poller, so that Close unblocks it.
type socket struct {
	file *os.File
	conn syscall.RawConn
}

func openSocket(family, protocol int, name string) (socket, error) {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return socket{}, fmt.Errorf("wire: %s: raw socket (needs CAP_NET_RAW): %w", name, err)
	}
	file := os.NewFile(uintptr(fd), name)
	conn, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return socket{}, fmt.Errorf("wire: %s: %w", name, err)
	}
	return socket{file, conn}, nil
}

// Close closes the socket.
func (s socket) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// interrupt ends a write that waits, and every later one: a shaped or stopped interface may hold what was sent for minutes.
func (s socket) interrupt() {
	if s.file != nil {
		_ = s.file.SetWriteDeadline(time.Unix(1, 0))
	}
}

func (s socket) control(what string, f func(fd int) error) error {
	var err error
	if cerr := s.conn.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("wire: %s of %s: %w", what, s.file.Name(), err)
	}
	return nil
}

func (s socket) setInt(level, option, value int, what string) error {
	return s.control(what, func(fd int) error { return unix.SetsockoptInt(fd, level, option, value) })
}

func (s socket) mark(mark uint32) error {
	if mark == 0 {
		return nil
	}
	return s.setInt(unix.SOL_SOCKET, unix.SO_MARK, int(mark), "SO_MARK (needs CAP_NET_ADMIN)")
}

// buffer is setBuffer for what waits to be sent.
func (s socket) buffer(size int) error {
	return s.control("socket buffer", func(fd int) error { return setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, size) })
}

// setBuffer asks for size octets, past the system's limit when we may, else up to it.
func setBuffer(fd, force, plain, size int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) == nil {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, size)
}

// multicast makes packets to groups leave through a device, and only there: a copy for ourselves would be our own packet
// coming back.
func (s socket) multicast(device string) error {
	if err := s.setInt(unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0, "IP_MULTICAST_LOOP"); err != nil || device == "" {
		return err
	}
	i, err := net.InterfaceByName(device)
	if err != nil {
		return fmt.Errorf("wire: interface %s: %w", device, err)
	}
	return s.control("multicast through "+device, func(fd int) error {
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(i.Index)})
	})
}

// multicast6 is multicast for IPv6; it returns the scope of addresses that mean something on that link only.
func (s socket) multicast6(device string) (scope uint32, err error) {
	if err := s.setInt(unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0, "IPV6_MULTICAST_LOOP"); err != nil || device == "" {
		return 0, err
	}
	i, err := net.InterfaceByName(device)
	if err != nil {
		return 0, fmt.Errorf("wire: interface %s: %w", device, err)
	}
	return uint32(i.Index), s.setInt(unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, i.Index, "multicast through "+device)
}

// closedOr names the error of a closed descriptor: RawConn reports an internal one of the runtime.
func closedOr(what string, err error) error {
	if errors.Is(err, os.ErrClosed) || errors.Is(err, unix.EBADF) {
		return ErrClosed
	}
	return fmt.Errorf("wire: %s: %w", what, err)
}

// drops returns what the kernel threw away because a socket's receive buffer was full; 0 if it does not say.
func drops(fd int) uint64 {
	var info [skMeminfoVars]uint32
	size := uint32(unsafe.Sizeof(info))
	if _, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
		return 0
	}
	return uint64(info[skMeminfoDrops])
}

// Indices of SO_MEMINFO's array (linux/sock_diag.h).
const (
	skMeminfoDrops = 8
	skMeminfoVars  = 9
)

// mmsghdr is struct mmsghdr of sendmmsg(2); x/sys has none. Go pads it as C does.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}
