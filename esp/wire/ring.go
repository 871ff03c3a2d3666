package wire

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is one of the four rings that user space and kernel share (linux Documentation/networking/af_xdp.rst). Indices run
// freely; an entry is either an address (fill, completion) or a descriptor (receive, transmit).
type ring struct {
	memory   []byte
	producer *atomic.Uint32
	consumer *atomic.Uint32
	flags    *atomic.Uint32
	entries  unsafe.Pointer
	mask     uint32
}

// mapRing maps a ring of so many entries, a power of two, each of size octets.
func mapRing(fd int, page int64, off unix.XDPRingOffset, count, size int) (*ring, error) {
	b, err := unix.Mmap(fd, page, int(off.Desc)+count*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("map a ring: %w", err)
	}
	word := func(at uint64) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&b[at])) }
	return &ring{b, word(off.Producer), word(off.Consumer), word(off.Flags), unsafe.Pointer(&b[off.Desc]), uint32(count - 1)}, nil
}

func (r *ring) address(i uint32) *uint64 {
	return (*uint64)(unsafe.Add(r.entries, uintptr(i&r.mask)*8))
}

func (r *ring) desc(i uint32) *unix.XDPDesc {
	return (*unix.XDPDesc)(unsafe.Add(r.entries, uintptr(i&r.mask)*sizeofDesc))
}

// ready is how many entries wait for the consumer.
func (r *ring) ready() uint32 { return r.producer.Load() - r.consumer.Load() }

// room is how many more the producer may put in.
func (r *ring) room() uint32 { return r.mask + 1 - r.ready() }

func (r *ring) needsWakeup() bool { return r.flags.Load()&unix.XDP_RING_NEED_WAKEUP != 0 }

func (r *ring) unmap() {
	if r != nil {
		_ = unix.Munmap(r.memory)
	}
}
