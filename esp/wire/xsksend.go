package wire

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// sizeofDesc is the length of struct xdp_desc.
const sizeofDesc = 16

// States of a frame for sending.
const (
	frameFree   = iota
	frameLent   // with the caller of Frames
	frameQueued // with the kernel, until it is in the completion ring
)

// xskSender sends through a socket of its own that has no receive ring: a poll of one with both would send under the
// socket's lock. It shares the memory of a queue's receiving socket.
type xskSender struct {
	fd    int
	queue *xskQueue
	tx    *ring
	state [txFrames]byte
	free  []uint32
	lent  []uint32
	out   [][]byte

	fresh uint32 // put since the last batch
	seen  uint32 // taken by the kernel and counted
}

func openXSKSender(index, queue int, q *xskQueue, cfg Config) (*xskSender, error) {
	fd, err := xskSocket()
	if err != nil {
		return nil, err
	}
	s := &xskSender{fd: fd, queue: q, lent: make([]uint32, 0, MaxBatch), out: make([][]byte, MaxBatch)}
	for i := range uint32(txFrames) {
		s.free = append(s.free, txFrames-1-i)
	}
	if err := s.setup(index, queue, cfg); err != nil {
		return nil, errors.Join(err, s.shut())
	}
	return s, nil
}

func (s *xskSender) setup(index, queue int, cfg Config) error {
	if err := xskOption(s.fd, unix.XDP_TX_RING, txFrames); err != nil {
		return err
	}
	// Older kernels send 32 at a time and are asked more often.
	_ = xskOption(s.fd, unix.XDP_MAX_TX_SKB_BUDGET, txBudget)
	_ = setBuffer(s.fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, cfg.SocketBuffer)
	off, err := xskOffsets(s.fd)
	if err != nil {
		return err
	}
	if s.tx, err = mapRing(s.fd, unix.XDP_PGOFF_TX_RING, off.Tx, txFrames, sizeofDesc); err != nil {
		return err
	}
	if err := unix.Bind(s.fd, &unix.SockaddrXDP{
		Flags: unix.XDP_SHARED_UMEM, Ifindex: uint32(index), QueueID: uint32(queue), SharedUmemFD: uint32(s.queue.fd),
	}); err != nil {
		return fmt.Errorf("bind an XDP socket for sending to queue %d: %w", queue, err)
	}
	return nil
}

// frames lends free frames; those lent before and not sent come back first.
func (s *xskSender) frames(n int) [][]byte {
	for _, f := range s.lent {
		if s.state[f] == frameLent {
			s.release(f)
		}
	}
	s.lent = s.lent[:0]
	s.reap()
	n = min(n, len(s.free))
	for i := range n {
		f := s.take()
		s.state[f] = frameLent
		s.lent = append(s.lent, f)
		s.out[i] = s.queue.umem.sendFrame(f)
	}
	return s.out[:n]
}

func (s *xskSender) take() uint32 {
	f := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	return f
}

func (s *xskSender) release(f uint32) {
	s.state[f] = frameFree
	s.free = append(s.free, f)
}

// reap takes back what the kernel is done with.
func (s *xskSender) reap() {
	c := s.queue.comp
	at := c.consumer.Load()
	n := c.producer.Load() - at
	for i := range n {
		f := uint32(*c.address(at + i)/frameSize) - uint32(s.queue.umem.rx)
		if f < txFrames && s.state[f] == frameQueued {
			s.release(f)
		}
	}
	c.consumer.Store(at + n)
}

// put queues a packet, with its header before it: in its own frame if it is in one, else in a copy.
func (s *xskSender) put(p []byte, to *neighbour) bool {
	if s.tx.room() <= s.fresh {
		return false
	}
	u := s.queue.umem
	f, at, ours := u.frameOf(p)
	if !ours || s.state[f] != frameLent || at%frameSize < etherLen {
		if len(s.free) == 0 {
			if s.reap(); len(s.free) == 0 {
				return false
			}
		}
		f = s.take()
		at = uint64(u.rx+int(f))*frameSize + LinkHeadroom
		copy(u.memory[at:], p)
	}
	s.state[f] = frameQueued
	header := u.memory[at-etherLen : at : at]
	copy(header, to.header[:])
	setEtherType(header, p)
	d := s.tx.desc(s.tx.producer.Load() + s.fresh)
	d.Addr, d.Len, d.Options = at-etherLen, uint32(etherLen+len(p)), 0
	s.fresh++
	return true
}

// maxKicks bounds how often one batch asks the kernel to go on without any progress.
const maxKicks = 64

// end hands over what was put. A packet counts as sent when the kernel has taken it from the ring. What it does not take
// now stays there for the next batch: so does everything when the interface's own queue is full for long.
func (s *xskSender) end(stats *counters) (int, error) {
	n := s.fresh
	s.tx.producer.Store(s.tx.producer.Load() + n)
	s.fresh = 0
	lost, err := s.kick(stats)
	s.reap()
	return int(n) - min(int(n), lost), err
}

// kick makes the kernel send, and returns how many packets it threw away.
func (s *xskSender) kick(stats *counters) (lost int, err error) {
	for idle := 0; s.tx.ready() > 0 && idle < maxKicks; {
		if s.queue.zero && !s.tx.needsWakeup() {
			break // the driver is at it
		}
		before := s.tx.consumer.Load()
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0, unix.EAGAIN, unix.EINTR, unix.ENOBUFS:
		case unix.EBUSY: // one packet refused by the driver, and gone
			if s.tx.consumer.Load() != before {
				lost++
			}
		case unix.EBADF:
			err = ErrClosed
			idle = maxKicks
		default: // ENETDOWN, ENXIO: nothing moves until the link is back
			idle = maxKicks
		}
		if s.tx.consumer.Load() == before {
			idle++
			s.reap() // a full completion ring holds the kernel up
		} else {
			idle = 0
		}
	}
	taken := s.tx.consumer.Load() - s.seen
	s.seen += taken
	stats.sent.Add(uint64(max(0, int(taken)-lost)))
	stats.noBuffers.Add(uint64(lost))
	return lost, err
}

func (s *xskSender) interrupt() {} // it does not wait

// close counts what is left in the ring as not sent.
func (s *xskSender) close(stats *counters) error {
	_, _ = s.kick(stats)
	stats.sendErrors.Add(uint64(s.tx.ready()))
	return s.shut()
}

func (s *xskSender) shut() error {
	s.tx.unmap()
	return unix.Close(s.fd)
}
