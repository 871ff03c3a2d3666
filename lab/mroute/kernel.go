package mroute

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options and messages of the kernel's multicast routing, linux/mroute.h.
const (
	mrtInit      = 200
	mrtAddVIF    = 202
	mrtAddMFC    = 204
	maxVIFs      = 32
	useIfindex   = 8 // VIFF_USE_IFINDEX
	upcallNone   = 1 // IGMPMSG_NOCACHE: a packet without an entry
	upcallSize   = 20
	sizeVIFCtl   = 16
	sizeMFCCtl   = 60
	mfcTTLs      = 10 // where struct mfcctl has its thresholds
	neverForward = 255
)

// setOption is setsockopt for the structs of mroute.h.
func setOption(fd, name int, b []byte) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_IP, uintptr(name), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0) //nolint:gosec // the kernel's interface
	if errno != 0 {
		return errno
	}
	return nil
}

// vifctl is struct vifctl: interface number vif is the one with this index.
func vifctl(vif, ifindex int) []byte {
	b := make([]byte, sizeVIFCtl)
	binary.NativeEndian.PutUint16(b, uint16(vif))         //nolint:gosec // below maxVIFs
	b[2], b[3] = useIfindex, 1                            // a threshold of 1: any TTL that is left
	binary.NativeEndian.PutUint32(b[8:], uint32(ifindex)) //nolint:gosec // an index of the kernel
	return b
}

// mfcctl is struct mfcctl.
func mfcctl(f flow, e entry) []byte {
	b := make([]byte, sizeMFCCtl)
	s, g := f.source.As4(), f.group.As4()
	copy(b, s[:])
	copy(b[4:], g[:])
	binary.NativeEndian.PutUint16(b[8:], uint16(e.parent)) //nolint:gosec // below maxVIFs
	for i := range maxVIFs {
		b[mfcTTLs+i] = neverForward
		if e.out[i] {
			b[mfcTTLs+i] = 1
		}
	}
	return b
}

// upcall reads struct igmpmsg, which the kernel puts where an IP header is otherwise; its protocol octet is 0.
func upcall(b []byte) (f flow, kind, vif int, ok bool) {
	if len(b) < upcallSize || b[9] != 0 {
		return flow{}, 0, 0, false
	}
	return flow{netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))}, int(b[8]), int(b[10]), true
}

// openSocket is the one through which the kernel's routing is steered, and IGMP comes and goes.
func openSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_IGMP)
	if err != nil {
		return -1, fmt.Errorf("mroute: raw socket: %w", err)
	}
	tick := unix.NsecToTimeval(int64(readTick))
	on := make([]byte, 4)
	binary.NativeEndian.PutUint32(on, 1)
	err = errors.Join(
		wrap("MRT_INIT (another router, or a kernel without CONFIG_IP_MROUTE)", setOption(fd, mrtInit, on)),
		wrap("IP_PKTINFO", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)),
		wrap("IP_MULTICAST_TTL", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 1)),
		wrap("IP_MULTICAST_LOOP", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0)),
		wrap("IP_OPTIONS", unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_OPTIONS, "\x94\x04\x00\x00")), // router alert, RFC 2113
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tick))
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("mroute: %s: %w", what, err)
	}
	return nil
}

// member joins or leaves a group on an interface: the kernel reports it there.
func member(fd, ifindex int, g netip.Addr, join bool) error {
	name := unix.IP_DROP_MEMBERSHIP
	if join {
		name = unix.IP_ADD_MEMBERSHIP
	}
	return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, name, &unix.IPMreqn{Multiaddr: g.As4(), Ifindex: int32(ifindex)}) //nolint:gosec // an index of the kernel
}
