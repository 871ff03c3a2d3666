package translate

import (
	"fmt"
	"net/netip"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/gdoi/push"
)

// acks are the words of rekey.acknowledge.
var acks = map[string]push.AckType{"sha256": isakmp.AckKEKSHA256, "sha512": isakmp.AckKEKSHA512, "off": keyserver.AckNever}

// SignatureKey is the key of the custody that signs for a group: after a rotation not the one in the configuration.
type SignatureKey struct {
	Name   string
	Public []byte // DER
}

// KeyServerNode translates a key server's configuration for its machine. signer finds the signature key of a group. KEKs are in the custody where there is a
// transport key, whatever the configuration says: that takes a restart.
func KeyServerNode(c *config.KS, local config.Endpoints, transport []byte, signer func(group string, k config.KEK) (SignatureKey, error)) (node.KSConfig, error) {
	out := node.KSConfig{Phase1: Phase1(&c.Common, PSKs(c.PSKs))}
	out.Local, out.Other = Locals(local)
	if c.Certificates != nil && c.Certificates.RevokeRefuse {
		out.OnRevocation = node.RevokeRefuse
	}
	for i := range c.Groups {
		g := &c.Groups[i]
		sig, err := signer(g.Name, g.KEK)
		if err != nil {
			return out, fmt.Errorf("group %s: signature key %s: %w", g.Name, g.KEK.SignatureKey, err)
		}
		k := keyserver.Config{
			Name: g.Name, ID: gdoi.GroupID(g.ID.Octets), Authorise: g.Authorise, Policy: g.Policy, Mode: g.Mode,
			TEK: g.TEK.Suite, TEKLifetime: g.TEK.Lifetime, KEK: g.KEK.Suite, KEKLifetime: g.KEK.Lifetime,
			SignKey: sig.Name, SignBase: g.KEK.SignatureKey, SignPublic: sig.Public, SignHash: g.KEK.SignatureHash, SignForm: g.KEK.SignatureForm,
			ActivationDelay: g.Rekey.ActivationDelay, Retransmits: g.Rekey.Retransmits,
			SIDBits: g.SenderIDs.Bits, SIDFirst: uint64(g.SenderIDs.First), SIDCount: uint64(g.SenderIDs.Count),
		}
		k.AntiReplay = keyserver.AntiReplay{Window: g.AntiReplay.Time, Demand: g.AntiReplay.Drop}
		for _, s := range g.SAs {
			k.SAs = append(k.SAs, keyserver.SAConfig{Name: s.Name, Policy: s.Match, TEK: s.TEK.Suite, Lifetime: s.TEK.Lifetime, PerSelector: s.PerSelector})
		}
		k.Retransmit, k.Ack = g.Rekey.Retransmit, acks[g.Rekey.Acknowledge]
		if g.Rekey.Transport == "multicast" {
			k.Multicast = g.Rekey.Multicast.Address
		}
		k.Custody, k.Transport = transport != nil, transport
		if k.Retransmits == 0 {
			k.Retransmits = -1 // the machine's way to say never
		}
		out.Groups = append(out.Groups, k)
	}
	out.Coop = Cooperation(c)
	return out, out.Validate()
}

// Cooperation translates with whom the groups are shared; nil: with nobody.
func Cooperation(c *config.KS) *node.Coop {
	if c.Cooperation == nil {
		return nil
	}
	o := &node.Coop{
		ID: c.Cooperation.ID, Split: c.Cooperation.Split, Priority: c.Cooperation.Priority, Timers: c.Cooperation.Timers,
		Priorities: map[string]int{}, Software: control.Version,
	}
	for i := range c.Groups {
		o.Priorities[c.Groups[i].Name] = c.Groups[i].Priority
	}
	for _, p := range c.Cooperation.Peers {
		o.Peers = append(o.Peers, node.CoopPeer{ID: p.ID, Addr: p.Address, Identity: p.Identity})
	}
	return o
}

// PSKs finds the most specific key of a peer.
func PSKs(list []config.PSK) func(netip.Addr) *machine.Secret {
	return func(peer netip.Addr) *machine.Secret {
		if k := config.PSKOf(list, peer); k != nil {
			return k.Secret
		}
		return nil
	}
}
