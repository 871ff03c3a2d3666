package wire

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is messages for sendmmsg, and how far it came with them.
type batch struct {
	msgs              [MaxBatch]mmsghdr
	stats             *counters
	count, next, sent int
	fatal             error
	ready             func(fd uintptr) bool
}

func (b *batch) init() { b.ready = b.sendReady }

// send sends the messages and empties the batch.
func (b *batch) send(s socket) (int, error) {
	if b.count == 0 {
		return 0, nil
	}
	b.next, b.sent, b.fatal = 0, 0, nil
	err := s.conn.Write(b.ready)
	b.stats.sent.Add(uint64(b.sent))
	if err == nil {
		err = b.fatal
	}
	if err != nil {
		b.stats.sendErrors.Add(uint64(b.count - b.next))
		err = closedOr("send", err)
	}
	b.count = 0
	return b.sent, err
}

// sendReady runs when the socket may be writable. sendmmsg stops at the first packet that fails: reported at once if it
// is the first of the call, else by the next call; so an error always speaks of packet next.
func (b *batch) sendReady(fd uintptr) bool {
	for b.next < b.count {
		n, errno := sendmmsg(int(fd), b.msgs[b.next:b.count])
		switch errno {
		case 0:
			b.next += n
			b.sent += n
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		case unix.EBADF, unix.ENOTSOCK:
			b.fatal = errno
			return true
		default:
			b.stats.countSend(errno)
			b.next++
		}
	}
	return true
}

func sendmmsg(fd int, msgs []mmsghdr) (int, syscall.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&msgs[0])), uintptr(len(msgs)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func (c *counters) countSend(errno syscall.Errno) {
	switch errno {
	case unix.EMSGSIZE:
		c.tooBig.Add(1)
	case unix.ENOBUFS, unix.ENOMEM:
		c.noBuffers.Add(1)
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.ENODEV, unix.ENXIO, unix.EHOSTDOWN:
		c.unreachable.Add(1)
	case unix.EPERM, unix.EACCES:
		c.refused.Add(1)
	default:
		c.sendErrors.Add(1)
	}
}
