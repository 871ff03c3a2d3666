package wire

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// reader holds the arrays of recvmmsg.
type reader struct {
	r    *Raw
	msgs [MaxBatch]mmsghdr
	iovs [MaxBatch]unix.Iovec

	want, got int
	odd       int // errors seen in this call
	fatal     error
	ready     func(fd uintptr) bool
}

const maxOddErrors = 100

func (d *reader) init(r *Raw) {
	d.r = r
	d.ready = d.receive
	for i := range d.msgs {
		d.msgs[i].hdr.Iov = &d.iovs[i]
		d.msgs[i].hdr.SetIovlen(1)
	}
}

// ReadBatch implements Conn.
func (r *Raw) ReadBatch(bufs [][]byte, sizes []int, offset int) (int, error) {
	d := &r.rd
	for {
		d.want, d.got, d.odd, d.fatal = min(len(bufs), MaxBatch), 0, 0, nil
		for i := range d.want {
			b := bufs[i][offset:]
			d.iovs[i].Base = &b[0]
			d.iovs[i].SetLen(len(b))
			d.msgs[i].hdr.Flags = 0
		}
		err := r.rx.conn.Read(d.ready)
		if err == nil {
			err = d.fatal
		}
		if err != nil {
			return 0, r.closedOr("receive", err)
		}
		if n := d.keep(bufs, sizes); n > 0 {
			return n, nil
		}
	}
}

// keep drops what did not fit into its buffer and moves the others together by swapping buffers.
func (d *reader) keep(bufs [][]byte, sizes []int) int {
	n := 0
	for i := range d.got {
		if d.msgs[i].hdr.Flags&unix.MSG_TRUNC != 0 {
			d.r.stats.truncated.Add(1)
			continue
		}
		bufs[n], bufs[i] = bufs[i], bufs[n]
		sizes[n] = int(d.msgs[i].n)
		n++
	}
	d.r.stats.received.Add(uint64(n))
	return n
}

func (d *reader) receive(fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&d.msgs[0])),
			uintptr(d.want), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			d.got = int(n)
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		case unix.EBADF, unix.ENOTSOCK:
			d.fatal = errno
			return true
		default:
			// A raw socket may report an ICMP error or a link that went down; reading it clears it. One that does
			// not clear would keep us here for ever.
			if d.odd++; d.odd > maxOddErrors {
				d.fatal = errno
				return true
			}
		}
	}
}
