package lkh

import (
	"slices"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// A copy of a tree at another key server is a set of nodes, which come and go in no order that would make a tree of them in
// between. It becomes one by Restore.

// Usable says whether a node can be one of a tree.
func (n NodeID) Usable() bool { return n.Height <= 24 && n.Pos < MaxSlots>>n.Height }

// Set gives a node of a copy a key, which it takes over; without a key it takes the node away.
func (t *Tree) Set(n Node) {
	if old := t.nodes[n.ID]; old != nil {
		if n.Key != nil && old.Handle == n.Handle && old.Key.Equal(n.Key) {
			n.Key.Destroy()
			return
		}
		old.Key.Destroy()
		delete(t.nodes, n.ID)
	} else if n.Key == nil {
		return
	}
	t.dirty[n.ID] = true
	if n.Key != nil {
		t.nodes[n.ID] = &n
		t.handle = max(t.handle, n.Handle)
	}
}

// Raise notes that handles up to this one were given elsewhere.
func (t *Tree) Raise(handle uint32) { t.handle = max(t.handle, handle) }

// Node is one of the tree, whose key belongs to it; its key is nil if there is none.
func (t *Tree) Node(id NodeID) Node {
	if n := t.nodes[id]; n != nil {
		return *n
	}
	return Node{ID: id}
}

// IDs lists the nodes, in order.
func (t *Tree) IDs() []NodeID {
	out := make([]NodeID, 0, len(t.nodes))
	for id := range t.nodes {
		out = append(out, id)
	}
	slices.SortFunc(out, compareNodes)
	return out
}

// Copies are all nodes with keys of their own, for Restore.
func (t *Tree) Copies() []*Node {
	var out []*Node
	for _, id := range t.IDs() {
		n := t.nodes[id]
		out = append(out, &Node{ID: id, Handle: n.Handle, Key: machine.NewSecret(n.Key.Bytes())})
	}
	return out
}
