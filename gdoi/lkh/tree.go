package lkh

import (
	"container/heap"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Slot is a member's place in the tree.
type Slot uint32

// MaxSlots limits a tree. Ours.
const MaxSlots = 1 << 24

// NodeID names a node below the root.
type NodeID struct {
	Height uint8
	Pos    uint32
}

// Node is a node with its key.
type Node struct {
	ID     NodeID
	Handle uint32
	Key    *machine.Secret // IV | key
}

// Errors of a Tree.
var (
	ErrFull  = errors.New("lkh: the tree is full")
	ErrSlot  = errors.New("lkh: no such slot")
	ErrNodes = errors.New("lkh: these nodes are not a tree")
)

// rootID is the LKH ID of the KEK; no height is 31.
const (
	idBits = 11
	rootID = 1<<16 - 1
)

// lkhID is the name on the wire: five bits of height and the low bits of the position.
func (n NodeID) lkhID() uint16 { return uint16(n.Height)<<idBits | uint16(n.Pos&(1<<idBits-1)) }

func leaf(s Slot) NodeID { return NodeID{0, uint32(s)} }

// parent is false where the root is the parent.
func (n NodeID) parent() (NodeID, bool) { return NodeID{n.Height + 1, n.Pos / 2}, n.Pos > 1 }

// Tree is the key server's side. It belongs to one goroutine.
type Tree struct {
	env    *machine.Env
	suite  suite.KEK
	nodes  map[NodeID]*Node
	next   Slot     // never used
	free   slotHeap // below next
	handle uint32   // the last one given
	dirty  map[NodeID]bool
	// stale nodes, oldest first: somebody who left without having been removed has their keys, and those above them.
	stale []NodeID
}

// New makes an empty tree with keys for s. handle is the last one that was given under the group's name.
func New(env *machine.Env, s suite.KEK, handle uint32) *Tree {
	return &Tree{env: env, suite: s, nodes: map[NodeID]*Node{}, handle: handle, dirty: map[NodeID]bool{}}
}

// Restore makes a tree of stored nodes, whose keys it takes over. After an error they are wiped.
func Restore(env *machine.Env, s suite.KEK, handle uint32, nodes []*Node) (*Tree, error) {
	t := New(env, s, handle)
	for _, n := range nodes {
		t.nodes[n.ID] = n
		t.handle = max(t.handle, n.Handle)
	}
	if err := t.check(len(nodes)); err != nil {
		for _, n := range nodes {
			n.Key.Destroy()
		}
		return nil, err
	}
	return t, nil
}

// check finds the free slots, and whether all nodes are there.
func (t *Tree) check(n int) error {
	want := map[NodeID]bool{}
	for id, node := range t.nodes {
		switch {
		case node.Key.Len() != t.keyLen():
			return fmt.Errorf("%w: a key of %d octets at %v", ErrNodes, node.Key.Len(), id)
		case id.Height == 0 && id.Pos < MaxSlots:
			t.next = max(t.next, Slot(id.Pos)+1)
			for up, ok := id, true; ok && !want[up]; up, ok = up.parent() {
				want[up] = true
			}
		case id.Height == 0:
			return fmt.Errorf("%w: leaf %d", ErrNodes, id.Pos)
		}
	}
	if len(t.nodes) != n || len(want) != n {
		return fmt.Errorf("%w: %d nodes, %d different ones, %d above a leaf", ErrNodes, n, len(t.nodes), len(want))
	}
	for id := range want {
		if t.nodes[id] == nil {
			return fmt.Errorf("%w: %v is missing", ErrNodes, id)
		}
	}
	for s := range t.next {
		if !t.Has(s) {
			t.free = append(t.free, s) // ascending, which is a heap
		}
	}
	return nil
}

func (t *Tree) keyLen() int { return t.suite.IVLen() + t.suite.KeyLen() }

// Suite is what the keys are for.
func (t *Tree) Suite() suite.KEK { return t.suite }

// Handle is the last key handle that was given; it must be durable with the nodes.
func (t *Tree) Handle() uint32 { return t.handle }

// Len is the number of slots in use.
func (t *Tree) Len() int { return int(t.next) - len(t.free) }

// Has says whether the slot is in use.
func (t *Tree) Has(s Slot) bool { return t.nodes[leaf(s)] != nil }

// Slots lists those in use, ascending.
func (t *Tree) Slots() (out []Slot) {
	for s := range t.next {
		if t.Has(s) {
			out = append(out, s)
		}
	}
	return out
}

// Add takes the lowest free slot. Other members' paths stay as they are.
func (t *Tree) Add() (Slot, error) {
	s := t.next
	switch {
	case len(t.free) > 0:
		s = heap.Pop(&t.free).(Slot)
	case t.next == MaxSlots:
		return 0, ErrFull
	default:
		t.next++
	}
	for id, ok := leaf(s), true; ok; id, ok = id.parent() {
		if t.nodes[id] == nil {
			t.renew(id)
		}
	}
	return s, nil
}

// renew gives a node a new key, or makes it.
func (t *Tree) renew(id NodeID) *Node {
	if old := t.nodes[id]; old != nil {
		old.Key.Destroy()
		t.stale = slices.DeleteFunc(t.stale, func(o NodeID) bool { return o == id })
	}
	t.handle++
	n := &Node{ID: id, Handle: t.handle, Key: machine.TakeSecret(t.env.Bytes(t.keyLen()))}
	t.nodes[id] = n
	t.dirty[id] = true
	return n
}

// Vacate frees the slot of somebody who is gone but not excluded, which costs nothing: nobody else hears of it, and
// who left may still have the keys above the leaf. They are replaced by one of the next removals.
func (t *Tree) Vacate(s Slot) {
	if !t.Has(s) {
		return
	}
	t.release(s)
	for id, ok := leaf(s).parent(); ok; id, ok = id.parent() {
		if l, r := id.children(); t.nodes[l] != nil || t.nodes[r] != nil {
			if !slices.Contains(t.stale, id) {
				t.stale = append(t.stale, id)
			}
			return
		}
		t.drop(id)
	}
}

func (t *Tree) release(s Slot) {
	t.drop(leaf(s))
	heap.Push(&t.free, s)
}

func (n NodeID) children() (l, r NodeID) {
	return NodeID{n.Height - 1, 2 * n.Pos}, NodeID{n.Height - 1, 2*n.Pos + 1}
}

// Stale lists the nodes whose keys somebody has who left, to be kept with the nodes.
func (t *Tree) Stale() []NodeID { return slices.Clone(t.stale) }

// SetStale restores that list.
func (t *Tree) SetStale(ids []NodeID) {
	t.stale = slices.DeleteFunc(slices.Clone(ids), func(id NodeID) bool { return t.nodes[id] == nil || id.Height == 0 })
}

// drop takes a node away. It is stale no longer; whoever knows its key knows those above it, which are either replaced by
// the same change or stale then.
func (t *Tree) drop(id NodeID) {
	t.stale = slices.DeleteFunc(t.stale, func(o NodeID) bool { return o == id })
	t.nodes[id].Key.Destroy()
	delete(t.nodes, id)
	t.dirty[id] = true
}

// Path is what the member of a slot gets: the keys from its leaf up to that of the KEK, which the caller gives as it
// gives the handle. It holds keys in clear: see Wipe.
func (t *Tree) Path(s Slot, kekHandle uint32, iv, key *machine.Secret) (*isakmp.LKHDownload, error) {
	if !t.Has(s) {
		return nil, fmt.Errorf("%w: %d", ErrSlot, s)
	}
	d := &isakmp.LKHDownload{}
	for id, ok := leaf(s), true; ok; id, ok = id.parent() {
		n := t.nodes[id]
		d.Keys = append(d.Keys, t.wire(id.lkhID(), n.Handle, append([]byte(nil), n.Key.Bytes()...)))
	}
	d.Keys = append(d.Keys, rootKey(t.suite, kekHandle, iv, key))
	return d, nil
}

// rootKey is the KEK as the end of a path.
func rootKey(s suite.KEK, handle uint32, iv, key *machine.Secret) isakmp.LKHKey {
	data := append(make([]byte, 0, s.IVLen()+s.KeyLen()), iv.Bytes()...)
	return wire(s, rootID, handle, append(data, key.Bytes()...))
}

func (t *Tree) wire(id uint16, handle uint32, data []byte) isakmp.LKHKey {
	return wire(t.suite, id, handle, data)
}

func wire(s suite.KEK, id uint16, handle uint32, data []byte) isakmp.LKHKey {
	return isakmp.LKHKey{ID: id, KeyType: uint8(s.Algorithm()), Handle: handle, Data: data}
}

// Wipe clears the keys of a download array.
func Wipe(d *isakmp.LKHDownload) {
	if d == nil {
		return
	}
	for _, k := range d.Keys {
		clear(k.Data)
	}
}

// Changed lists the nodes that have changed since it was last called, in order; one that is gone has no key.
func (t *Tree) Changed() []Node {
	out := make([]Node, 0, len(t.dirty))
	for id := range t.dirty {
		if n := t.nodes[id]; n != nil {
			out = append(out, *n)
		} else {
			out = append(out, Node{ID: id})
		}
	}
	clear(t.dirty)
	sortNodes(out)
	return out
}

// TouchAll makes Changed list all nodes.
func (t *Tree) TouchAll() {
	for id := range t.nodes {
		t.dirty[id] = true
	}
}

// Clear takes everything out of the tree; handles go on.
func (t *Tree) Clear() {
	for id := range t.nodes {
		t.drop(id)
	}
	t.next, t.free, t.stale = 0, nil, nil
}

// Retune makes an empty tree one for keys of another suite.
func (t *Tree) Retune(s suite.KEK) {
	if t.Len() == 0 {
		t.suite = s
	}
}

// Forget makes Changed list a node that is not there.
func (t *Tree) Forget(id NodeID) {
	if t.nodes[id] == nil {
		t.dirty[id] = true
	}
}

// Height is the number of keys below the root on the longest path.
func (t *Tree) Height() int {
	if t.next == 0 {
		return 0
	}
	return max(1, bits.Len32(uint32(t.next-1)))
}

// Destroy wipes all keys.
func (t *Tree) Destroy() {
	if t == nil {
		return
	}
	for _, n := range t.nodes {
		n.Key.Destroy()
	}
	clear(t.nodes)
	clear(t.dirty)
	t.next, t.free = 0, nil
}

// slotHeap is a heap with the lowest slot on top.
type slotHeap []Slot

func (h slotHeap) Len() int           { return len(h) }
func (h slotHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h slotHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *slotHeap) Push(x any)        { *h = append(*h, x.(Slot)) }
func (h *slotHeap) Pop() any {
	old := *h
	s := old[len(old)-1]
	*h = old[:len(old)-1]
	return s
}
