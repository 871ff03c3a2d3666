package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiver holds the arrays of recvmmsg for one socket. It is not in the runtime's poller: see waiter.
type receiver struct {
	fd    int
	stats *counters
	head  int // octets kept free before a packet
	msgs  [MaxBatch]mmsghdr
	iovs  [MaxBatch]unix.Iovec
	bufs  [][]byte
	from  []unix.RawSockaddrInet6
	ctl   [][controlLen]byte
	// finish makes a packet of what was received; nil drops it.
	finish func(r *receiver, i, n int) []byte
	lost   func(fd int) uint64 // that the kernel threw away
}

const maxOddErrors = 100

func newReceiver(fd int, stats *counters, finish func(r *receiver, i, n int) []byte) *receiver {
	r := &receiver{fd: fd, stats: stats, finish: finish, lost: drops}
	for i := range r.msgs {
		r.msgs[i].hdr.Iov = &r.iovs[i]
		r.msgs[i].hdr.SetIovlen(1)
	}
	return r
}

// openRaw4 opens the socket that gets transit ESP in IPv4, by the rule of daemon/netcfg, when the kernel has reassembled it.
func openRaw4(cfg Config, stats *counters) (*receiver, error) {
	fd, err := rawReceiver(cfg, unix.AF_INET)
	if err != nil {
		return nil, err
	}
	return newReceiver(fd, stats, func(r *receiver, i, n int) []byte { return r.bufs[i][:n] }), nil
}

// rawReceiver opens a raw socket of protocol 50, bound to the device.
func rawReceiver(cfg Config, family int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, ProtocolESP)
	if err != nil {
		return -1, fmt.Errorf("wire: raw socket for protocol %d (needs CAP_NET_RAW): %w", ProtocolESP, err)
	}
	if err := errors.Join(setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.SocketBuffer), bindTo(fd, cfg.Device)); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func bindTo(fd int, device string) error {
	if device == "" {
		return nil
	}
	if err := unix.BindToDevice(fd, device); err != nil {
		return fmt.Errorf("wire: bind to %s: %w", device, err)
	}
	return nil
}

func (r *receiver) prepare(want int) {
	for i := len(r.bufs); i < want; i++ {
		b := make([]byte, r.head+maxPacket)
		r.bufs = append(r.bufs, b)
		r.iovs[i].Base = &b[r.head]
		r.iovs[i].SetLen(maxPacket)
	}
	if r.from == nil {
		return
	}
	for i := range want {
		h := &r.msgs[i].hdr
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&r.from[i])), unix.SizeofSockaddrInet6
		h.Control = &r.ctl[i][0]
		h.SetControllen(controlLen)
	}
}

// receive implements source.
func (r *receiver) receive(pkts [][]byte) (int, error) {
	want := min(len(pkts), MaxBatch)
	if want == 0 {
		return 0, nil
	}
	r.prepare(want)
	for odd := 0; ; {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(r.fd), uintptr(unsafe.Pointer(&r.msgs[0])), uintptr(want), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			if k := r.keep(int(n), pkts); k > 0 {
				return k, nil
			}
		case unix.EAGAIN:
			return 0, nil
		case unix.EINTR:
		default:
			// A socket may report an ICMP error or a link that went down; reading it clears it. One that does not clear would
			// keep us here for ever.
			if odd++; odd > maxOddErrors || errno == unix.EBADF || errno == unix.ENOTSOCK {
				return 0, closedOr("receive", errno)
			}
		}
	}
}

func (r *receiver) keep(n int, pkts [][]byte) int {
	k := 0
	for i := range n {
		if r.msgs[i].hdr.Flags&unix.MSG_TRUNC != 0 {
			r.stats.truncated.Add(1)
			continue
		}
		if p := r.finish(r, i, int(r.msgs[i].n)); p != nil {
			pkts[k] = p
			k++
		}
	}
	return k
}

func (r *receiver) overflow() uint64 { return r.lost(r.fd) }
func (r *receiver) close() error     { return unix.Close(r.fd) }

// trim cuts a packet to the length that it says: a short Ethernet frame is padded. A packet longer than its frame is nil.
func trim(p []byte) []byte {
	n := 0
	switch {
	case len(p) >= minIPv4 && p[0]>>4 == 4:
		n = int(binary.BigEndian.Uint16(p[2:]))
	case len(p) >= minIPv6 && p[0]>>4 == 6:
		n = minIPv6 + int(binary.BigEndian.Uint16(p[4:]))
	}
	if n == 0 || n > len(p) {
		return nil
	}
	return p[:n]
}
