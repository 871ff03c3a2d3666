package replay

import (
	"math/bits"
	"slices"
)

// Nothing is a part of a Picture that lies below the first number.
const Nothing = -1

// Clone copies a window, so that it can be looked at without holding up whom it belongs to.
func (w *Window) Clone() Window {
	c := *w
	c.bits = slices.Clone(w.bits)
	return c
}

// Picture sums a window up for people: in parts of the same size, oldest first, each the share of its numbers that were
// seen, in eighths rounded down, so that 8 is all of them. missing is how many numbers of the window were not seen.
func (w *Window) Picture(parts int) (eighths []int, missing int) {
	size := int64(w.Size())
	parts = min(parts, w.Size())
	bottom := int64(w.top) - size // the highest number below the window; negative while the window is not full
	for i := range int64(parts) {
		from, to := max(bottom+i*size/int64(parts)+1, 1), bottom+(i+1)*size/int64(parts)
		if to < from {
			eighths = append(eighths, Nothing)
			continue
		}
		all, seen := int(to-from+1), w.count(uint64(from), uint64(to))
		eighths, missing = append(eighths, 8*seen/all), missing+all-seen
	}
	return eighths, missing
}

// count is how many of some numbers inside the window were seen.
func (w *Window) count(from, to uint64) (n int) {
	for from <= to {
		last := min(to, from|(wordBits-1))
		word, _ := w.at(from)
		mask := ^uint64(0) << (from % wordBits) & (^uint64(0) >> (wordBits - 1 - last%wordBits))
		n += bits.OnesCount64(*word & mask)
		from = last + 1
	}
	return n
}
