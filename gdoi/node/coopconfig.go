package node

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
)

// Coop is the part of a key server among several that run the same groups.
type Coop struct {
	ID coop.ID
	// Split is what happens when they cannot reach each other; the same everywhere.
	Split coop.Split
	// Priority is that of groups which Priorities, by group name, does not have. The highest one is elected.
	Priority   int
	Priorities map[string]int
	// Timers are coop.DefaultTimers where zero.
	Timers coop.Timers
	// Software is this release, as others are told.
	Software string
	// Peers are the other key servers.
	Peers []CoopPeer
}

// CoopPeer is another key server.
type CoopPeer struct {
	ID   coop.ID
	Addr netip.AddrPort
	// Identity is what its phase 1 must prove, as consoles print it; empty: its address, or with pre-shared keys anything
	// that the key of this address proves.
	Identity string
}

// Priorities of key servers.
const (
	DefaultPriority = 1
	MaxPriority     = 65535
)

// priority is that of a group.
func (c *Coop) priority(group string) int {
	if p, ok := c.Priorities[group]; ok {
		return p
	}
	return cmp.Or(c.Priority, DefaultPriority)
}

// cooperation is what a group is told.
func (c *Coop) cooperation() *keyserver.Cooperation {
	ids := []coop.ID{c.ID}
	for _, p := range c.Peers {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return &keyserver.Cooperation{ID: c.ID, IDs: ids, Split: c.Split}
}

// validate says what is wrong with the configuration.
func (c *Coop) validate(local netip.AddrPort) error {
	if err := c.Timers.WithDefaults().Validate(); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	if c.ID < 1 || c.ID > coop.MaxKeyServers {
		return fmt.Errorf("node: key server id %d; use 1 to %d", c.ID, coop.MaxKeyServers)
	}
	if !local.Addr().IsValid() || local.Addr().IsUnspecified() {
		return fmt.Errorf("node: a cooperating key server has to listen on the address that its peers know, not on %v", local)
	}
	ids, addrs := map[coop.ID]bool{c.ID: true}, map[netip.AddrPort]bool{local: true}
	for _, p := range c.Peers {
		switch {
		case p.ID < 1 || p.ID > coop.MaxKeyServers:
			return fmt.Errorf("node: id %d of the key server at %v; use 1 to %d", p.ID, p.Addr, coop.MaxKeyServers)
		case ids[p.ID]:
			return fmt.Errorf("node: two key servers have the id %d; each needs its own", p.ID)
		case !p.Addr.IsValid() || p.Addr.Addr().IsUnspecified() || p.Addr.Port() == 0:
			return fmt.Errorf("node: key server %d has no usable address: %v", p.ID, p.Addr)
		case addrs[p.Addr]:
			return fmt.Errorf("node: two key servers have the address %v", p.Addr)
		}
		ids[p.ID], addrs[p.Addr] = true, true
	}
	check := func(p int) error {
		if p < 0 || p > MaxPriority {
			return fmt.Errorf("node: priority %d; use 1 to %d", p, MaxPriority)
		}
		return nil
	}
	if err := check(c.Priority); err != nil {
		return err
	}
	for _, p := range c.Priorities {
		if err := check(p); err != nil {
			return err
		}
	}
	return nil
}

// cooperates refuses what a running key server cannot change about its cooperation; nil changes nothing.
func (n *KeyServer) cooperates(c *Coop) error {
	was := n.cfg.Coop
	switch {
	case c == nil:
		return nil
	case was == nil:
		return errors.New("node: cooperation with other key servers begins with a restart")
	case c.ID != was.ID || c.Split != was.Split || c.Timers.WithDefaults() != was.Timers.WithDefaults() || !slices.Equal(c.Peers, was.Peers):
		return errors.New("node: the cooperation with other key servers changes in more than priorities; restart the key server")
	}
	return c.validate(n.cfg.Local)
}

// prioritise takes up other priorities, for the next election.
func (n *KeyServer) prioritise(c *Coop) {
	if c == nil {
		return
	}
	next := *n.cfg.Coop
	next.Priority, next.Priorities = c.Priority, maps.Clone(c.Priorities)
	n.cfg.Coop = &next
}
