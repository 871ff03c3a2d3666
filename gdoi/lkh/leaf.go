package lkh

import (
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// looseID is the LKH ID of a leaf outside the tree, whose nodes have heights up to 24.
const looseID = 25 << idBits

// Loose is the download array of a member without a place in the tree, for which another key server stands in: a leaf of its own right
// under the KEK. It is a secret of the member and the key servers like any leaf, but no update array begins with it, so its owner
// registers again when somebody is excluded. leaf is as Tree.Leaf gives it.
func Loose(env *machine.Env, s suite.KEK, kekHandle uint32, iv, key *machine.Secret) (d *isakmp.LKHDownload, leaf *machine.Secret) {
	own := env.Bytes(s.IVLen() + s.KeyLen())
	d = &isakmp.LKHDownload{Keys: []isakmp.LKHKey{wire(s, looseID, kekHandle, own), rootKey(s, kekHandle, iv, key)}}
	return d, machine.NewSecret(own[s.IVLen():])
}

// InTree says whether update arrays may be for this path: it is of the tree, and not loose.
func (p *Path) InTree() bool { return p != nil && len(p.nodes) > 0 && p.nodes[0].id != looseID }

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
