// Package replay is the anti-replay window of one sender (RFC 4303 §3.4.3 and appendix A2), exact: every number inside
// the window is accepted once, every number below it never.
//
//	       top-size+1 ........................ top
//	too old | 1 0 1 1 1 1 0 1 1 1 1 1 1 1 1 1 1 |  new: the window moves
//
// A group SA has many senders, each with its own numbers, so a receiver keeps one Window for each (SPI, SID). A sender of
// few packets costs little: the memory of a window grows with its numbers, up to its size, and until then it holds them all.
//
// The size is for packets that overtake each other. Those of a sender with several workers do so by a batch (64) for each
// of them, and the network by its jitter times the rate: a millisecond of a sender of 500,000 packets a second is half the
// default. What falls below the window is lost, so a group with faster senders takes a larger one.
//
// The zero value is ready and has DefaultSize. A Window may be used by one goroutine at a time. Check before the
// integrity check (it is cheap and turns floods away), Commit after it: only an authentic packet may move the window.
package replay

import "fmt"

// Sizes of the window in packets.
const (
	DefaultSize = 1024
	MinSize     = 64
	MaxSize     = 1 << 16
)

const wordBits = 64

// Window remembers which of the last sequence numbers of one sender were seen.
type Window struct {
	top   uint64   // highest number seen, 0 for none
	size  int      // 0: DefaultSize
	first uint64   // the ring, as long as one word is enough
	bits  []uint64 // ring: number n is bit n%64 of word n/64 modulo the length; smaller than size only if top is, too
}

// ValidSize says whether a window can have this size: a power of two within MinSize and MaxSize.
func ValidSize(size int) error {
	if size < MinSize || size > MaxSize || size&(size-1) != 0 {
		return fmt.Errorf("replay: window size %d: it must be a power of two from %d to %d", size, MinSize, MaxSize)
	}
	return nil
}

// New returns an empty window of a valid size.
func New(size int) Window {
	return Window{size: size}
}

// Size returns the number of sequence numbers that the window covers.
func (w *Window) Size() int {
	if w.size == 0 {
		return DefaultSize
	}
	return w.size
}

// Top returns the highest number seen, 0 for none.
func (w *Window) Top() uint64 { return w.top }

// Check says whether n could be accepted: it is not below the window and was not seen. Numbers start at 1.
func (w *Window) Check(n uint64) bool {
	switch {
	case n == 0:
		return false
	case n > w.top:
		return true
	case w.top-n >= uint64(w.Size()):
		return false
	}
	word, bit := w.at(n)
	return *word&bit == 0
}

// Commit marks n as seen and moves the window up if n is above it. It says whether n was acceptable, as Check does: two
// copies of a packet may both have passed Check before one of them gets here.
func (w *Window) Commit(n uint64) bool {
	if !w.Check(n) {
		return false
	}
	if n > w.top {
		w.grow(n)
		w.move(n)
	}
	word, bit := w.at(n)
	*word |= bit
	return true
}

func (w *Window) at(n uint64) (word *uint64, bit uint64) {
	if w.bits == nil {
		return &w.first, 1 << (n % wordBits)
	}
	return &w.bits[n/wordBits%uint64(len(w.bits))], 1 << (n % wordBits)
}

// grow makes room for n beside all numbers below it, or for the whole window.
func (w *Window) grow(n uint64) {
	have, size := max(1, len(w.bits)), w.Size()/wordBits
	if have == size || n/wordBits < uint64(have) {
		return
	}
	words := have
	for words < size && n/wordBits >= uint64(words) {
		words *= 2
	}
	bits := make([]uint64, words)
	if bits[0] = w.first; w.bits != nil {
		copy(bits, w.bits)
	}
	w.bits = bits
}

// move forgets what falls out when n becomes the top: all numbers from top+1 to n share their bits with numbers that do.
func (w *Window) move(n uint64) {
	if n-w.top >= uint64(w.Size()) {
		w.first = 0
		clear(w.bits)
		w.top = n
		return
	}
	// Word by word: clear the bits of top+1..n, which still hold the numbers of one lap ago.
	for w.top < n {
		first := w.top + 1
		last := min(n, first|(wordBits-1))
		word, _ := w.at(first)
		*word &^= ^uint64(0) << (first % wordBits) & (^uint64(0) >> (wordBits - 1 - last%wordBits))
		w.top = last
	}
}
