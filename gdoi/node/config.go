package node

import (
	"fmt"
	"net/netip"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
)

// KSConfig is a key server.
type KSConfig struct {
	// Local is the socket that everything is sent from; what goes to peers of the other address family leaves from Other, if
	// there is one.
	Local, Other netip.AddrPort
	// Phase1 is shared by all groups. AcceptID should stay nil: groups authorise.
	Phase1 ike1.Config
	Groups []keyserver.Config
	Limits Limits
	// OnRevocation says what becomes of members whose certificate is revoked while they are registered.
	OnRevocation Revocation
	// Coop is how the groups are shared with other key servers; nil: this one is alone.
	Coop *Coop
}

// Revocation is what a revocation list does to members that registered before it came. Their sessions end in any case,
// and they cannot register again.
type Revocation uint8

// Ways.
const (
	RevokeRemove Revocation = iota // exclude them from the group
	RevokeRefuse                   // let them keep the keys they have, and get rekeys, until they have to register again
)

// GMConfig is a group member.
type GMConfig struct {
	Local, Other netip.AddrPort // as of a KSConfig
	Phase1       ike1.Config
	Groups       []member.Config
	Limits       Limits
}

// Limits bound what strangers can make a node keep. Zero values are the defaults; an operator may change them.
type Limits struct {
	HalfOpen          int // negotiations under way, of everybody; DefaultHalfOpen
	HalfOpenPerSource int // of one address, or IPv6 /64; beyond it the oldest unanswered one gives way; DefaultHalfOpenPerSource
	Sessions          int // established phase-1 SAs; DefaultSessions
	SessionsPerPeer   int // of one member; the oldest goes; DefaultSessionsPerPeer
	Exchanges         int // registrations kept per session; DefaultExchanges
	Datagram          int // octets; DefaultDatagram
	Fragments         int // octets of incomplete phase-1 messages, of everybody; DefaultFragments
}

// Defaults of Limits.
const (
	DefaultHalfOpen          = 4096
	DefaultHalfOpenPerSource = 32
	DefaultSessions          = 20000
	DefaultSessionsPerPeer   = 4
	DefaultExchanges         = 4
	DefaultDatagram          = 65535
	DefaultFragments         = 16 << 20
)

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.HalfOpen, DefaultHalfOpen)
	def(&l.HalfOpenPerSource, DefaultHalfOpenPerSource)
	def(&l.Sessions, DefaultSessions)
	def(&l.SessionsPerPeer, DefaultSessionsPerPeer)
	def(&l.Exchanges, DefaultExchanges)
	def(&l.Datagram, DefaultDatagram)
	def(&l.Fragments, DefaultFragments)
	return l
}

func (c *KSConfig) locals() machine.Locals { return machine.Locals{First: c.Local, Other: c.Other} }

func (c *GMConfig) locals() machine.Locals { return machine.Locals{First: c.Local, Other: c.Other} }

// Validate says what is wrong with the configuration.
func (c *KSConfig) Validate() error {
	seen := unique{}
	for _, g := range c.Groups {
		if err := g.Validate(); err != nil {
			return err
		}
		if err := seen.group(g.Name, g.ID); err != nil {
			return err
		}
	}
	if c.Coop != nil {
		return c.Coop.validate(c.Local)
	}
	return nil
}

// Validate says what is wrong with the configuration.
func (c *GMConfig) Validate() error {
	seen := unique{}
	for _, g := range c.Groups {
		if err := g.Validate(); err != nil {
			return err
		}
		if err := seen.group(g.Name, g.ID); err != nil {
			return err
		}
	}
	return nil
}

// unique finds groups that are configured twice.
type unique map[string]bool

func (u unique) group(name string, id gdoi.GroupID) error {
	for _, k := range []string{"name " + name, "id " + id.String()} {
		if u[k] {
			return fmt.Errorf("node: two groups have the %s; each needs its own", k)
		}
		u[k] = true
	}
	return nil
}
