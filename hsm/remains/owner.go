package remains

import (
	"encoding/binary"
	"io"
	"strings"
)

// Owner is whose memory it is.
type Owner string

// Owners. What C code has in this process is a library's: the program itself is Go.
const (
	Program Owner = "program"   // the Go heap, stacks of goroutines, its globals
	CHeap   Owner = "C heap"    // what malloc gave
	CStack  Owner = "C stack"   // of threads: C code runs on them, and the Go runtime when it schedules
	Library Owner = "a library" // its globals
)

// span is memory of which the owner is known.
type span struct {
	from, to uint64
	owner    Owner
}

type spans []span

// of is the owner of an address. What no library and no C library has asked for is the Go runtime's.
func (s spans) of(at uint64) Owner {
	for _, x := range s {
		if at >= x.from && at < x.to {
			return x.owner
		}
	}
	return Program
}

const maxGlobals = 1 << 20

// arenaSize is what the C library (glibc) aligns the heaps of threads to.
const arenaSize = 64 << 20

// owners recognises what the C library lays out in memory: kernels do not tell who mapped anonymous memory.
func owners(mem io.ReaderAt, regions []region) (all spans) {
	binary := ""
	var before region
	for _, r := range regions {
		if r.path != "" && binary == "" {
			binary = r.path // the program is mapped first
		}
		// The globals of a library that begin as zeros follow those that do not.
		globals := r.path == "" && before.to == r.from && strings.HasPrefix(before.path, "/") && before.path != binary
		before = r
		switch {
		case globals:
			all = append(all, span{r.from, min(r.to, r.from+maxGlobals), Library})
		case r.path == "[heap]":
			all = append(all, span{r.from, r.to, CHeap})
		case r.path == "[stack]":
			all = append(all, span{r.from, r.to, CStack})
		case r.path != "" && r.path != binary:
			all = append(all, span{r.from, r.to, Library})
		case r.path == "":
			all = append(all, anonymous(mem, r)...)
		}
	}
	return all
}

// anonymous finds heaps, large blocks and stacks of the C library in a region.
func anonymous(mem io.ReaderAt, r region) (all spans) {
	for at := (r.from + arenaSize - 1) &^ (arenaSize - 1); at < r.to; at += arenaSize {
		// heap_info: the arena, the heap before, the size, what of it can be used.
		if w := words(mem, at, 4); w != nil && w[0] != 0 && w[2] >= 4096 && w[2] <= arenaSize && w[2]%4096 == 0 && w[3] >= w[2] && w[3] <= arenaSize && w[3]%4096 == 0 {
			all = append(all, span{at, min(at+w[3], r.to), CHeap})
		}
	}
	// malloc_chunk of a block that has a mapping of its own: nothing before it, its size, and the mark 2.
	if w := words(mem, r.from, 2); w != nil && w[0] == 0 && w[1]&7 == 2 && w[1]&^7 >= 128<<10 && w[1]&4088 == 0 && r.from+w[1]&^7 <= r.to {
		all = append(all, span{r.from, r.from + w[1]&^7, CHeap})
	}
	// The head of a thread (tcbhead_t) is at the top of its stack, and has its own address in it, twice.
	for _, page := range []uint64{1, 2, 3, 4} {
		at := r.to - page*4096
		if at < r.from || at > r.to {
			break
		}
		w := words(mem, at, 512)
		for i := 0; i+2 < len(w); i++ {
			if self := at + uint64(i)*8; w[i] == self && w[i+2] == self {
				return append(all, span{r.from, r.to, CStack})
			}
		}
	}
	return all
}

// words reads n words, or returns nil.
func words(mem io.ReaderAt, at uint64, n int) []uint64 {
	b := make([]byte, 8*n)
	if _, err := mem.ReadAt(b, int64(at)); err != nil { //nolint:gosec // user space
		return nil
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return out
}
