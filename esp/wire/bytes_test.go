package wire

import (
	"bytes"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func FuzzTrim(f *testing.F) {
	f.Add(v4("10.0.0.1", "10.0.0.2", 1, 60))
	f.Add(v6("fd00::1", "fd00::2", 1, 60))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p := trim(b)
		if p != nil && (len(p) == 0 || !bytes.HasPrefix(b, p)) {
			t.Errorf("%x of %x", p, b)
		}
	})
}

func FuzzParseControl(f *testing.F) {
	f.Add(make([]byte, controlLen))
	f.Fuzz(func(t *testing.T, ctl []byte) {
		if len(ctl) > controlLen {
			return
		}
		var aligned [controlLen]byte
		copy(aligned[:], ctl)
		var p [minIPv6]byte
		parseControl(p[:], aligned[:len(ctl)])
	})
}

func TestTrim(t *testing.T) {
	p := v4("10.0.0.1", "10.0.0.2", 1, 30)
	if got := trim(append(bytes.Clone(p), make([]byte, 16)...)); !bytes.Equal(got, p) {
		t.Errorf("padding stayed: %x", got)
	}
	if trim(p[:29]) != nil || trim(nil) != nil || trim([]byte{0x50, 0}) != nil {
		t.Error("a packet longer than its frame")
	}
	q := v6("fd00::1", "fd00::2", 1, 50)
	if got := trim(append(bytes.Clone(q), 0)); !bytes.Equal(got, q) || trim(q[:49]) != nil {
		t.Errorf("%x", got)
	}
}

func atomicAt(p *uint32) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(p)) }

// TestRing: indices run over the end of the ring and of their own range.
func TestRing(t *testing.T) {
	const count = 8
	var memory [4 + count]uint64
	var words [3]uint32
	r := &ring{entries: unsafe.Pointer(&memory[0]), mask: count - 1}
	r.producer, r.consumer, r.flags = atomicAt(&words[0]), atomicAt(&words[1]), atomicAt(&words[2])
	r.producer.Store(1<<32 - 3)
	r.consumer.Store(1<<32 - 3)
	if r.ready() != 0 || r.room() != count {
		t.Error(r.ready(), r.room())
	}
	for i := range uint32(count) {
		*r.address(r.producer.Load()) = uint64(i)
		r.producer.Store(r.producer.Load() + 1)
	}
	if r.ready() != count || r.room() != 0 {
		t.Error(r.ready(), r.room())
	}
	for i := range uint32(count) {
		if got := *r.address(r.consumer.Load()); got != uint64(i) {
			t.Errorf("entry %d is %d", i, got)
		}
		r.consumer.Store(r.consumer.Load() + 1)
	}
	if r.needsWakeup() {
		t.Error("wake-up wanted")
	}
	if r.flags.Store(unix.XDP_RING_NEED_WAKEUP); !r.needsWakeup() {
		t.Error("no wake-up wanted")
	}
}

// TestFrames: a packet is found in the frame that it is in, and memory of others is not ours.
func TestFrames(t *testing.T) {
	u := newUmem(4, 4)
	if uintptr(unsafe.Pointer(&u.memory[0]))%frameSize != 0 {
		t.Error("not on a page")
	}
	for i := range uint32(4) {
		f := u.sendFrame(i)
		if n, at, ok := u.frameOf(f[100:]); !ok || n != i || at != uint64(4+i)*frameSize+100 {
			t.Errorf("frame %d: %d %d %v", i, n, at, ok)
		}
	}
	for _, other := range [][]byte{make([]byte, 10), u.memory[:10]} {
		if _, _, ok := u.frameOf(other); ok {
			t.Error("somebody else's memory")
		}
	}
}
