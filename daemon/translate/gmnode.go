package translate

import (
	"net/netip"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/node"
)

// GroupMemberNode translates a member's configuration for its machine.
func GroupMemberNode(c *config.GM, local config.Endpoints) (node.GMConfig, error) {
	secrets := map[netip.Addr]*machine.Secret{}
	var out node.GMConfig
	out.Local, out.Other = Locals(local)
	for i := range c.Groups {
		g := &c.Groups[i]
		m := member.Config{Name: g.Name, ID: gdoi.GroupID(g.ID.Octets), LocalPolicy: g.Clear, DestinationOnly: g.DestinationOnly, Mode: g.Mode, Suites: g.Suites}
		for _, k := range g.KeyServers {
			m.KeyServers = append(m.KeyServers, k.Address)
			if k.Secret != nil {
				secrets[k.Address.Addr()] = k.Secret
			}
		}
		m.KeyServers = member.Order(m.KeyServers, func(i int) bool { return g.KeyServers[i].Preferred }, g.Spread, c.Identity.String())
		out.Groups = append(out.Groups, m)
	}
	out.Phase1 = Phase1(&c.Common, func(peer netip.Addr) *machine.Secret { return secrets[peer.Unmap()] })
	return out, out.Validate()
}
