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
	bufs [][]byte

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
func (r *Raw) ReadBatch(pkts [][]byte) (int, error) {
	d := &r.rd
	d.want = min(len(pkts), MaxBatch)
	for i := len(d.bufs); i < d.want; i++ {
		b := make([]byte, maxPacket)
		d.bufs = append(d.bufs, b)
		d.iovs[i].Base = &b[0]
		d.iovs[i].SetLen(len(b))
	}
	for {
		d.got, d.odd, d.fatal = 0, 0, nil
		err := r.rx.conn.Read(d.ready)
		if err == nil {
			err = d.fatal
		}
		if err != nil {
			return 0, r.closedOr("receive", err)
		}
		n := 0
		for i := range d.got {
			if d.msgs[i].hdr.Flags&unix.MSG_TRUNC != 0 {
				r.stats.truncated.Add(1)
				continue
			}
			pkts[n] = d.bufs[i][:d.msgs[i].n]
			n++
		}
		r.stats.received.Add(uint64(n))
		if n > 0 {
			return n, nil
		}
	}
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
