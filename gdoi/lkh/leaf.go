package lkh

import "github.com/getvpn/getvpn/gdoi/machine"

// Leaf is a copy of the key at a slot, without its IV: a secret of that member and the key server. Nil for a slot that is
// not in use.
func (t *Tree) Leaf(s Slot) *machine.Secret {
	n := t.nodes[leaf(s)]
	if n == nil {
		return nil
	}
	return machine.NewSecret(n.Key.Bytes()[t.suite.IVLen():])
}

// Leaf is a copy of the member's own key, without its IV; nil without a path.
func (p *Path) Leaf() *machine.Secret {
	if p == nil || len(p.nodes) == 0 {
		return nil
	}
	return machine.NewSecret(p.nodes[0].key.Bytes()[p.suite.IVLen():])
}
