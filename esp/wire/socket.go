package wire

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a non-blocking raw socket that waits in the runtime's poller, so that Close unblocks it.
type socket struct {
	file *os.File
	conn syscall.RawConn
}

func openSocket(protocol int, name string) (socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return socket{}, fmt.Errorf("wire: raw socket for protocol %d (needs CAP_NET_RAW): %w", protocol, err)
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

// buffer asks for size octets, past the system's limit when we may, else up to it.
func (s socket) buffer(force, plain, size int) error {
	return s.control("socket buffer", func(fd int) error {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) == nil {
			return nil
		}
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, size)
	})
}

func (s socket) bind(device string) error {
	if device == "" {
		return nil
	}
	return s.control("bind to "+device, func(fd int) error { return unix.BindToDevice(fd, device) })
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

// drops returns what the kernel threw away because the receive buffer was full.
func (s socket) drops() (uint64, bool) {
	var info [skMeminfoVars]uint32
	size := uint32(unsafe.Sizeof(info))
	err := s.control("SO_MEMINFO", func(fd int) error {
		_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
	return uint64(info[skMeminfoDrops]), err == nil
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
