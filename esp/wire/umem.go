package wire

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/esp"
)

// Sizes of AF_XDP. A frame is a page, as the kernel wants it where memory is not in huge pages.
const (
	frameSize = 4096
	// xdpMTU is the largest MTU: the kernel keeps XDP_PACKET_HEADROOM (256) of a received frame for itself, and native XDP
	// without fragments wants the packet and its own book-keeping (320) in one page.
	xdpMTU   = 3400
	rxFrames = 2048
	rxFew    = 512 // for each queue, on interfaces with many
	manyQs   = 4
	txFrames = 1024
	txBudget = 128
)

// umem is the memory of one receive queue and its sockets: frames for receiving, then frames for sending. It is from the Go
// heap, whose objects stay where they are: what somebody still holds after Close stays memory.
type umem struct {
	memory []byte
	rx, tx int // frames
}

func newUmem(rx, tx int) *umem {
	b := make([]byte, (rx+tx+1)*frameSize)
	skip := -uintptr(unsafe.Pointer(&b[0])) & (frameSize - 1)
	return &umem{b[skip : skip+uintptr((rx+tx)*frameSize)], rx, tx}
}

// sendFrame returns frame i of those for sending.
func (u *umem) sendFrame(i uint32) []byte {
	at := (u.rx + int(i)) * frameSize
	return u.memory[at : at+frameSize : at+frameSize]
}

// frameOf says in which of the frames for sending a packet is, and where in the memory.
func (u *umem) frameOf(p []byte) (frame uint32, at uint64, ok bool) {
	d := uintptr(unsafe.Pointer(&p[0])) - uintptr(unsafe.Pointer(&u.memory[0]))
	first := uintptr(u.rx * frameSize)
	if d < first || d >= uintptr(len(u.memory)) {
		return 0, 0, false
	}
	return uint32((d - first) / frameSize), uint64(d), true
}

// xskQueue is the sockets of one receive queue of the interface.
type xskQueue struct {
	fd         int
	umem       *umem
	fill, comp *ring
	rx         *ring
	given      uint32 // of rx: in the hands of the reader
	stats      *counters
	zero       bool // copy
}

func xskOption(fd, option, value int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_XDP, option, value); err != nil {
		return fmt.Errorf("option %d of an XDP socket: %w", option, err)
	}
	return nil
}

func xskSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("XDP socket: %w", err)
	}
	return fd, nil
}

func xskOffsets(fd int) (off unix.XDPMmapOffsets, err error) {
	size := uint32(unsafe.Sizeof(off))
	if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_XDP, unix.XDP_MMAP_OFFSETS,
		uintptr(unsafe.Pointer(&off)), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
		return off, fmt.Errorf("offsets of the rings: %w", errno)
	}
	if size != uint32(unsafe.Sizeof(off)) {
		return off, errors.New("offsets of the rings: the kernel has no wake-up flags (Linux 5.4 or newer?)")
	}
	return off, nil
}

// openQueue opens the receiving socket of a queue, which owns the memory. Zero copy is the driver's choice.
func openQueue(index, queue int, u *umem, stats *counters) (*xskQueue, error) {
	fd, err := xskSocket()
	if err != nil {
		return nil, err
	}
	q := &xskQueue{fd: fd, umem: u, stats: stats}
	if err := q.setup(index, queue); err != nil {
		return nil, errors.Join(err, q.close())
	}
	return q, nil
}

func (q *xskQueue) setup(index, queue int) error {
	reg := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(&q.umem.memory[0]))), Len: uint64(len(q.umem.memory)), Size: frameSize}
	if _, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(q.fd), unix.SOL_XDP, unix.XDP_UMEM_REG,
		uintptr(unsafe.Pointer(&reg)), unsafe.Sizeof(reg), 0); errno != 0 {
		return fmt.Errorf("share %d kB with the kernel: %w", len(q.umem.memory)>>10, errno)
	}
	if err := errors.Join(
		xskOption(q.fd, unix.XDP_UMEM_FILL_RING, q.umem.rx), xskOption(q.fd, unix.XDP_UMEM_COMPLETION_RING, txFrames),
		xskOption(q.fd, unix.XDP_RX_RING, q.umem.rx),
	); err != nil {
		return err
	}
	off, err := xskOffsets(q.fd)
	if err != nil {
		return err
	}
	if q.fill, err = mapRing(q.fd, unix.XDP_UMEM_PGOFF_FILL_RING, off.Fr, q.umem.rx, 8); err != nil {
		return err
	}
	if q.comp, err = mapRing(q.fd, unix.XDP_UMEM_PGOFF_COMPLETION_RING, off.Cr, txFrames, 8); err != nil {
		return err
	}
	if q.rx, err = mapRing(q.fd, unix.XDP_PGOFF_RX_RING, off.Rx, q.umem.rx, sizeofDesc); err != nil {
		return err
	}
	for i := range uint32(q.umem.rx) {
		*q.fill.address(i) = uint64(i) * frameSize
	}
	q.fill.producer.Store(uint32(q.umem.rx))
	if err := bindXDP(q.fd, &unix.SockaddrXDP{Flags: unix.XDP_USE_NEED_WAKEUP, Ifindex: uint32(index), QueueID: uint32(queue)}); err != nil {
		return fmt.Errorf("bind an XDP socket to queue %d: %w", queue, err)
	}
	if got, err := unix.GetsockoptInt(q.fd, unix.SOL_XDP, unix.XDP_OPTIONS); err == nil {
		q.zero = got&unix.XDP_OPTIONS_ZEROCOPY != 0
	}
	return nil
}

// bindXDP gives a predecessor time: the kernel frees the queue of a socket that was closed a moment later.
func bindXDP(fd int, to *unix.SockaddrXDP) error {
	for end := time.Now().Add(queueBusy); ; time.Sleep(queueBusy / 100) {
		if err := unix.Bind(fd, to); !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}

const queueBusy = time.Second

// receive implements source. What the last call gave goes back to the kernel.
func (q *xskQueue) receive(pkts [][]byte) (int, error) {
	at := q.rx.consumer.Load()
	put := q.fill.producer.Load()
	for i := range q.given {
		*q.fill.address(put + i) = q.rx.desc(at+i).Addr &^ (frameSize - 1)
	}
	if q.given > 0 {
		q.fill.producer.Store(put + q.given)
		at += q.given
		q.rx.consumer.Store(at)
		q.given = 0
	}
	n := 0
	for waiting := q.rx.producer.Load() - at; q.given < waiting && n < len(pkts); q.given++ {
		d := q.rx.desc(at + q.given)
		if p := trim(q.umem.memory[d.Addr+etherLen : d.Addr+uint64(d.Len)]); p != nil {
			pkts[n] = p
			n++
			continue
		}
		q.stats.truncated.Add(1)
	}
	if n == 0 && q.fill.needsWakeup() { // zero copy: the driver waits for frames
		_, _, _ = unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(q.fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	}
	return n, nil
}

func (q *xskQueue) overflow() uint64 {
	var s unix.XDPStatistics
	size := uint32(unsafe.Sizeof(s))
	if _, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(q.fd), unix.SOL_XDP, unix.XDP_STATISTICS,
		uintptr(unsafe.Pointer(&s)), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
		return 0
	}
	return s.Rx_dropped + s.Rx_ring_full
}

func (q *xskQueue) close() error {
	for _, r := range []*ring{q.fill, q.comp, q.rx} {
		r.unmap()
	}
	return unix.Close(q.fd)
}

// A frame holds a packet of the largest MTU with everything around it, or this does not compile.
const _ = uint(frameSize - esp.Headroom - xdpMTU - esp.Tailroom)
