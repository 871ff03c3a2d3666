package sim

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Cast is who takes part in a run that is made of configuration files.
type Cast struct {
	KeyServers, Members []Part
}

// Part is one of them. One of KS and GM is set.
type Part struct {
	Name   string
	KS     *config.KS
	GM     *config.GM
	Manual bool // it does not start by itself

	ks node.KSConfig
	gm node.GMConfig
}

// Errors of Enlist.
var (
	ErrNobody = errors.New("sim: a run needs a key server")
	ErrModel  = errors.New("the simulator does not carry this")
)

// Enlist makes the configuration of a run from those of daemons: seed, network, epoch and flows are the caller's, everything else
// follows from the files. It refuses what the simulator has no model of.
func (c *Config) Enlist(cast *Cast) error {
	if len(cast.KeyServers) == 0 {
		return ErrNobody
	}
	for i := range cast.KeyServers {
		p := &cast.KeyServers[i]
		if err := p.refuse(); err != nil {
			return err
		}
		if err := p.translate(i); err != nil {
			return err
		}
	}
	for i := range cast.Members {
		p := &cast.Members[i]
		if err := p.refuse(); err != nil {
			return err
		}
		if err := p.translate(i); err != nil {
			return err
		}
	}
	c.Custody = cast.KeyServers[0].tokens()
	for i := range cast.KeyServers {
		if p := &cast.KeyServers[i]; p.tokens() != c.Custody || p.KS.Custody != nil && !p.KS.Custody.KEKInToken {
			return fmt.Errorf("%w: simulated key servers have their KEKs in tokens, or none of them has, and %s differs", ErrModel, p.Name)
		}
	}
	first := &cast.KeyServers[0].ks
	c.Cast, c.Members, c.Spares, c.Group = cast, len(cast.Members), len(cast.KeyServers)-1, first.Groups[0]
	c.Coop, c.DPD = nil, first.Phase1.DPDInterval
	if o := first.Coop; o != nil {
		c.Coop = &Coop{KeyServers: len(cast.KeyServers), Split: o.Split, Timers: o.Timers, OwnKeys: true}
	}
	return nil
}

// tokens says whether a key server keeps its KEKs in one.
func (p *Part) tokens() bool { return p.KS.Custody != nil && !p.KS.Custody.Files }

// translate makes of the file what the machine wants; i counts key servers, from 0.
func (p *Part) translate(i int) (err error) {
	if p.GM != nil {
		p.gm, err = translate.GroupMemberNode(p.GM, p.GM.Local)
	} else {
		p.ks, err = translate.KeyServerNode(p.KS, p.KS.Listen, nil, func(_ string, k config.KEK) (translate.SignatureKey, error) {
			if k.Signature != suite.SignatureRSA {
				return translate.SignatureKey{}, fmt.Errorf("%w: %s signs with %v, and simulated key servers have RSA keys of 2048 bits", ErrModel, p.Name, k.Signature)
			}
			return translate.SignatureKey{Name: k.SignatureKey, Public: publicDER(i)}, nil
		})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	return nil
}

// refuse says what of a configuration has no model here.
func (p *Part) refuse() error {
	c := p.Certificates()
	switch {
	case p.KS != nil && len(p.KS.Groups) == 0, p.GM != nil && len(p.GM.Groups) == 0:
		return fmt.Errorf("%w: %s has no group", ErrModel, p.Name)
	case c != nil && slices.ContainsFunc(c.Own, func(o config.Certificate) bool { return o.Key == nil }):
		return fmt.Errorf("%w: the key of the certificate of %s is nowhere", ErrModel, p.Name)
	}
	return nil
}

// keyServer is the configuration of key server i, from 0.
func (a *Cast) keyServer(i int) node.KSConfig { return a.KeyServers[i].ks }

// member is the configuration of member i, from 1.
func (a *Cast) member(i int) node.GMConfig { return a.Members[i-1].gm }

// part is who has an index: 0 and down are key servers, from 1 on members.
func (a *Cast) part(index int) *Part {
	if index > 0 {
		return &a.Members[index-1]
	}
	return &a.KeyServers[-index]
}

// place is the name of a node, and its addresses.
func (c *Config) place(index int) (name string, addr, other netip.AddrPort) {
	switch {
	case c.Cast != nil && index > 0:
		p := c.Cast.part(index)
		return p.Name, p.gm.Local, p.gm.Other
	case c.Cast != nil:
		p := c.Cast.part(index)
		return p.Name, p.ks.Local, p.ks.Other
	case index > 0:
		return fmt.Sprintf("gm%d", index), c.member(index), other
	}
	name, addr = fmt.Sprintf("ks%d", 1-index), keyServerAddress(-index)
	if c.IPv6 {
		other = beside(addr)
	}
	return name, addr, other
}

// manual says whether a node waits to be started.
func (c *Config) manual(index int) bool { return c.Cast != nil && c.Cast.part(index).Manual }

// group is the name of the group.
func (c *Config) group() string {
	if c.Cast != nil {
		return cmp.Or(c.Group.Name, GroupName)
	}
	return GroupName
}

// signs says whether key server i, from 0, has a signature key of this name.
func (c *Config) signs(i int, name string) bool {
	if c.Cast == nil {
		return name == signKey
	}
	return slices.ContainsFunc(c.Cast.KeyServers[i].ks.Groups, func(g keyserver.Config) bool { return g.SignKey == name })
}
