package sadb

import "slices"

// senderTable finds the SA that protects a class. Classes are numbers without end, of which few are alive at a time, and
// most of these close together: each has the place of its lowest bits, or the next free one. The table never changes.
type senderTable struct {
	mask  uint32
	slots []slot // 1 + mask of them, at least half of them free
}

type slot struct {
	class uint32
	entry *Entry // nil: free
}

func newSenderTable(used []slot) senderTable {
	size := uint32(2)
	for int(size) < 2*len(used) {
		size *= 2
	}
	t := senderTable{size - 1, make([]slot, size)}
	for _, s := range used {
		t.slots[t.place(s.class)] = s
	}
	return t
}

// place is where a class is, or would be.
func (t *senderTable) place(class uint32) uint32 {
	i := class & t.mask
	for t.slots[i].entry != nil && t.slots[i].class != class {
		i = (i + 1) & t.mask
	}
	return i
}

func (t *senderTable) find(class uint32) *Entry { return t.slots[t.place(class)].entry }

// used lists what is alive, but not what is to be dropped.
func (t *senderTable) used(drop func(slot) bool) []slot {
	return slices.DeleteFunc(slices.Clone(t.slots), func(s slot) bool { return s.entry == nil || drop(s) })
}

func (t *senderTable) with(class uint32, e *Entry) senderTable {
	return newSenderTable(append(t.used(func(s slot) bool { return s.class == class }), slot{class, e}))
}

func (t *senderTable) without(e *Entry) senderTable {
	return newSenderTable(t.used(func(s slot) bool { return s.entry == e }))
}

// classes lists the classes that e protects, sorted.
func (t *senderTable) classes(e *Entry) (out []uint32) {
	for _, s := range t.slots {
		if s.entry == e {
			out = append(out, s.class)
		}
	}
	slices.Sort(out)
	return out
}
