package lkh

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Change is what a removal did. Nothing in it is secret.
type Change struct {
	// Replaced is the number of keys that are new, that of the root included; Encryptions how often one was encrypted.
	Replaced, Encryptions int

	links []link // from the leaves upwards
	above map[NodeID]int
}

// link is a new key encrypted under the key of one child.
type link struct {
	child       NodeID
	handle      uint32 // of the child's key
	childIsNew  bool
	parent      NodeID
	parentIsTop bool // the root
	key         isakmp.LKHKey
}

// maxStale stale nodes are replaced with one removal, the oldest first.
const maxStale = 16

// Remove takes the slots out of the tree, gives new keys to everything above them, and encrypts those and the new KEK
// for everybody who stays. A slot that is not in use is an error, and then nothing has changed. On the way it replaces
// some keys of those who left before.
func (t *Tree) Remove(slots []Slot, kekHandle uint32, iv, key *machine.Secret) (*Change, error) {
	slots = slices.Compact(slices.Sorted(slices.Values(slots)))
	for _, s := range slots {
		if !t.Has(s) {
			return nil, fmt.Errorf("%w: %d", ErrSlot, s)
		}
	}
	changed := map[NodeID]bool{}
	climb := func(id NodeID, ok bool) {
		for ; ok && !changed[id]; id, ok = id.parent() {
			changed[id] = true
		}
	}
	for _, s := range slots {
		t.release(s)
		climb(leaf(s).parent())
	}
	for _, id := range t.stale[:min(maxStale, len(t.stale))] {
		climb(id, true)
	}
	order := make([]NodeID, 0, len(changed))
	for id := range changed {
		order = append(order, id)
	}
	slices.SortFunc(order, compareNodes)
	c := &Change{Replaced: 1, above: map[NodeID]int{}}
	fresh := map[NodeID]bool{}
	for _, id := range order {
		l, r := id.children()
		if t.nodes[l] == nil && t.nodes[r] == nil {
			t.drop(id)
			continue
		}
		n := t.renew(id)
		fresh[id] = true
		c.Replaced++
		for _, child := range []NodeID{l, r} {
			if k := t.nodes[child]; k != nil {
				w := t.wire(id.lkhID(), n.Handle, nil)
				if err := c.encrypt(k, fresh[child], link{parent: id, key: w}, n.Key.Bytes()); err != nil {
					return nil, err
				}
			}
		}
	}
	root := append(append(make([]byte, 0, t.keyLen()), iv.Bytes()...), key.Bytes()...)
	defer clear(root)
	for _, top := range t.tops() {
		w := t.wire(rootID, kekHandle, nil)
		if err := c.encrypt(t.nodes[top], fresh[top], link{parentIsTop: true, key: w}, root); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// tops are the children of the root, in order.
func (t *Tree) tops() (out []NodeID) {
	if t.Has(0) {
		out = append(out, leaf(0))
	}
	for h := range uint8(25) {
		if id := (NodeID{h, 1}); t.nodes[id] != nil {
			out = append(out, id)
		}
	}
	return out
}

func (c *Change) encrypt(under *Node, fresh bool, l link, plain []byte) error {
	iv, key := under.Key.Bytes()[:suite.BlockLen], under.Key.Bytes()[suite.BlockLen:]
	data, err := suite.EncryptCBC(key, iv, plain)
	if err != nil {
		return fmt.Errorf("lkh: %w", err)
	}
	l.child, l.handle, l.childIsNew, l.key.Data = under.ID, under.Handle, fresh, data
	if fresh {
		c.above[under.ID] = len(c.links)
	}
	c.links = append(c.links, l)
	c.Encryptions++
	return nil
}

// Arrays are the update arrays. Together they take at most limit octets in the form of the RFC, each going on to the
// KEK, or are written in the short form, in which each key comes once.
func (c *Change) Arrays(limit int) []isakmp.LKHUpdate {
	full, size := c.arrays(false)
	if size <= limit {
		return full
	}
	short, _ := c.arrays(true)
	return short
}

func (c *Change) arrays(short bool) (out []isakmp.LKHUpdate, size int) {
	written := make([]bool, len(c.links))
	for i, l := range c.links {
		if l.childIsNew {
			continue // inside the arrays that begin below it
		}
		u := isakmp.LKHUpdate{ID: l.child.lkhID(), Handle: l.handle}
		for at, ok := i, true; ok && !(short && written[at]); {
			written[at] = true
			u.Keys = append(u.Keys, c.links[at].key)
			if c.links[at].parentIsTop {
				break
			}
			at, ok = c.above[c.links[at].parent], true
		}
		out = append(out, u)
		size += u.Len()
	}
	return out, size
}

func compareNodes(a, b NodeID) int {
	return cmp.Or(cmp.Compare(a.Height, b.Height), cmp.Compare(a.Pos, b.Pos))
}

func sortNodes(ns []Node) {
	slices.SortFunc(ns, func(a, b Node) int { return compareNodes(a.ID, b.ID) })
}
