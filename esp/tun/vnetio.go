package tun

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/esp/linger"
)

// reader holds the super-packet that is being given out and the arguments of the Read under way, so that the callback of
// RawConn is made once and not per call.
type reader struct {
	v     *Vnet
	buf   []byte
	split splitter

	bufs   [][]byte
	sizes  []int
	offset int
	n      int
	err    error
	ready  func(fd uintptr) bool
	poll   [1]unix.PollFd
}

func (r *reader) init(v *Vnet) {
	r.v, r.buf = v, make([]byte, vnetLen+maxSuper)
	r.ready = r.receive
}

// Read waits for a packet and drains what else is there, as far as there are buffers.
func (v *Vnet) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	r := &v.rd
	r.bufs, r.sizes, r.offset, r.n, r.err = bufs, sizes, offset, 0, nil
	r.give()
	if err := v.conn.Read(r.ready); err != nil {
		return 0, v.closedOr(err)
	}
	if r.n == 0 {
		return 0, fmt.Errorf("tun: read %s: %w", v.name, r.err)
	}
	return r.n, nil
}

// give cuts what is left of the super-packet into the free buffers.
func (r *reader) give() {
	for !r.split.empty() && r.n < len(r.bufs) {
		n := r.split.next(r.bufs[r.n][r.offset:])
		if n == 0 {
			r.v.stats.oversize.Add(1)
			continue
		}
		r.sizes[r.n] = n
		r.n++
	}
}

// receive runs when the descriptor may be readable; false asks the runtime's poller to wait. The descriptor never blocks,
// so the raw call need not tell the scheduler.
func (r *reader) receive(fd uintptr) bool {
	for r.n < len(r.bufs) {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&r.buf[0])), uintptr(len(r.buf)))
		switch errno {
		case 0:
			r.load(r.buf[:n])
			r.give()
		case unix.EINTR:
		case unix.EAGAIN:
			if r.n > 0 {
				return true
			}
			r.poll[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
			if !linger.For(r.poll[:]) {
				return false
			}
		default:
			r.err = errno
			return true
		}
	}
	return true
}

func (r *reader) load(b []byte) {
	s := &r.v.stats
	s.read.Add(1)
	if len(b) <= vnetLen {
		s.malformed.Add(1)
		return
	}
	var h vnetHeader
	h.parse(b)
	if h.gsoType != gsoNone {
		s.super.Add(1)
	}
	if r.split.load(h, b[vnetLen:]) != nil {
		s.malformed.Add(1)
	}
}

// writer holds the plan and the arguments of the Write under way.
type writer struct {
	v       *Vnet
	m       merger
	headers [vnetLen + maxHeaders]byte
	single  [vnetLen]byte // no checksum, no super-packet
	iovs    []unix.Iovec

	bufs   [][]byte
	offset int
	at     int // run to write
	n      int // packets written
	err    error
	ready  func(fd uintptr) bool
}

// maxVec is UIO_MAXIOV.
const maxVec = 1024

func (w *writer) init(v *Vnet) {
	w.v, w.iovs = v, make([]unix.Iovec, 0, maxVec)
	w.ready = w.send
}

// Write merges the packets and gives them to the kernel. What the kernel refuses (interface down, no memory) is counted.
func (v *Vnet) Write(bufs [][]byte, offset int) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	w := &v.wr
	w.bufs, w.offset, w.at, w.n, w.err = bufs, offset, 0, 0, nil
	w.m.plan(bufs, offset)
	if err := v.conn.Write(w.ready); err != nil {
		return w.n, v.closedOr(err)
	}
	return w.n, w.err
}

func (w *writer) send(fd uintptr) bool {
	for ; w.at < len(w.m.runs); w.at++ {
		r := &w.m.runs[w.at]
		errno := w.writev(fd, r)
		if errno != 0 && r.count > 1 && !fatal(errno) { // perhaps it is the super-packet that it does not like
			errno = w.singly(fd, r)
		} else if errno == 0 {
			w.n += r.count
		} else {
			w.v.stats.refused.Add(uint64(r.count))
		}
		if fatal(errno) {
			w.err = fmt.Errorf("tun: write %s: %w", w.v.name, errno)
			return true
		}
	}
	return true
}

func fatal(errno unix.Errno) bool { return errno == unix.EBADF || errno == unix.EBADFD }

// singly writes the packets of a run one by one.
func (w *writer) singly(fd uintptr, r *run) unix.Errno {
	for i := r.first; i >= 0; i = w.m.next[i] {
		errno := w.writev(fd, &run{first: i, last: i, count: 1})
		switch {
		case errno == 0:
			w.n++
		case fatal(errno):
			return errno
		default:
			w.v.stats.refused.Add(1)
		}
	}
	return 0
}

// writev gives a run to the kernel: the virtio header, and the payloads from where they are.
func (w *writer) writev(fd uintptr, r *run) unix.Errno {
	first := w.bufs[r.first][w.offset:]
	w.iovs = w.iovs[:0]
	if r.count == 1 {
		w.add(w.single[:])
		w.add(first)
	} else {
		n := r.put(w.headers[:], first, w.bufs[r.last][w.offset:])
		w.add(w.headers[:n])
		for i := r.first; i >= 0; i = w.m.next[i] {
			w.add(w.bufs[i][w.offset+r.headers:])
		}
	}
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&w.iovs[0])), uintptr(len(w.iovs)))
		if errno == unix.EINTR {
			continue
		}
		if errno == 0 {
			w.v.stats.written.Add(1)
			if r.count > 1 {
				w.v.stats.merged.Add(uint64(r.count))
			}
		}
		return errno
	}
}

func (w *writer) add(b []byte) {
	w.iovs = append(w.iovs, unix.Iovec{Base: &b[0]})
	w.iovs[len(w.iovs)-1].SetLen(len(b))
}
