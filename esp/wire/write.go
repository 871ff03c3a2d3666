package wire

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// minIPv4 is the length of an IPv4 header without options; the destination ends it.
const minIPv4 = 20

// writer holds the arrays of sendmmsg, so that a batch allocates nothing.
type writer struct {
	r    *Raw
	msgs [MaxBatch]mmsghdr
	iovs [MaxBatch]unix.Iovec
	tos  [MaxBatch]unix.RawSockaddrInet4

	count, next, sent int
	fatal             error
	ready             func(fd uintptr) bool
}

func (w *writer) init(r *Raw) {
	w.r = r
	w.ready = w.send
	for i := range w.msgs {
		w.tos[i].Family = unix.AF_INET
		h := &w.msgs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&w.tos[i]))
		h.Namelen = unix.SizeofSockaddrInet4
		h.Iov = &w.iovs[i]
		h.SetIovlen(1)
	}
}

// WriteBatch implements Conn.
func (r *Raw) WriteBatch(pkts [][]byte) (int, error) {
	total := 0
	for len(pkts) > 0 {
		n := min(len(pkts), MaxBatch)
		sent, err := r.wr.batch(pkts[:n])
		total += sent
		if err != nil {
			return total, err
		}
		pkts = pkts[n:]
	}
	return total, nil
}

func (w *writer) batch(pkts [][]byte) (int, error) {
	w.count, w.next, w.sent, w.fatal = 0, 0, 0, nil
	for _, p := range pkts {
		// The kernel would send IPv6 as if it were IPv4, to whatever its octets say.
		if len(p) < minIPv4 || p[0]>>4 != 4 {
			w.r.stats.sendErrors.Add(1)
			continue
		}
		i := w.count
		copy(w.tos[i].Addr[:], p[16:20])
		w.iovs[i].Base = &p[0]
		w.iovs[i].SetLen(len(p))
		w.count++
	}
	if w.count == 0 {
		return 0, nil
	}
	err := w.r.tx.conn.Write(w.ready)
	w.r.stats.sent.Add(uint64(w.sent))
	for i := range w.count {
		w.iovs[i].Base = nil
	}
	if err == nil {
		err = w.fatal
	}
	if err != nil {
		return w.sent, w.r.closedOr("send", err)
	}
	return w.sent, nil
}

// send runs when the socket may be writable. sendmmsg stops at the first packet that fails: reported at once if it
// is the first of the call, else by the next call; so an error always speaks of packet next.
func (w *writer) send(fd uintptr) bool {
	for w.next < w.count {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&w.msgs[w.next])),
			uintptr(w.count-w.next), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			w.next += int(n)
			w.sent += int(n)
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		case unix.EBADF, unix.ENOTSOCK:
			w.fatal = errno
			return true
		default:
			w.r.stats.countSend(errno)
			w.next++
		}
	}
	return true
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
