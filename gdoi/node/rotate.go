package node

import (
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// rotate carries out the command, and tells the other key servers whom to trust.
func (n *KeyServer) rotate(now machine.Now, c gdoi.CmdRotate, out machine.Effects) machine.Effects {
	g := n.group(c.Group)
	if g == nil {
		return append(out, noGroup(c.ID, c.Group))
	}
	text, out, err := g.Rotate(now, c.Key, c.Public, out)
	if err != nil {
		return append(out, gdoi.CommandResult{ID: c.ID, Err: err.Error()})
	}
	if k := n.cell(g); k != nil {
		out = k.Announce(now, g.AnnouncedKey(), out)
	}
	return append(out, gdoi.CommandResult{ID: c.ID, Text: text})
}

// Rotatable says why CmdRotate would be refused now; nil: it would not, or there is no such group.
func (n *KeyServer) Rotatable(group string) error {
	if g := n.group(group); g != nil {
		return g.Rotatable()
	}
	return nil
}

// SigningKey is the name of the key that signs for a group, where base is the one in its configuration.
func (n *KeyServer) SigningKey(group, base string) string {
	if g := n.group(group); g != nil {
		return g.SigningKey(base)
	}
	return base
}

// SignsWith says whether another group than this one needs a key of the custody for signatures.
func (n *KeyServer) SignsWith(group, key string) bool {
	for _, g := range n.living() {
		if g.Name() != group && g.SignsWith(key) {
			return true
		}
	}
	return false
}
