package lkh

// Agrees says whether the keys of a slot's path are those of other nodes: whoever holds them there can open what is
// encrypted for it here.
func (t *Tree) Agrees(s Slot, nodes map[NodeID]*Node) bool {
	if !t.Has(s) {
		return false
	}
	for id, ok := leaf(s), true; ok; id, ok = id.parent() {
		a, b := t.nodes[id], nodes[id]
		if a == nil || b == nil || a.Handle != b.Handle || !a.Key.Equal(b.Key) {
			return false
		}
	}
	return true
}
