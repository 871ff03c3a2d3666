package sim

import (
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Config describes a run: one key server, one group, some members. Zero values are the defaults of the daemons where
// there are such.
type Config struct {
	Seed    uint64
	Members int
	// Group may set lifetimes, delays, sender ids; identity, policy and keys are filled in.
	Group keyserver.Config
	// DPD is the silence after which phase-1 peers ask; zero never asks.
	DPD time.Duration
	// Custody puts KEKs into key custodies: each key server has a token, which outlives it.
	Custody bool
	// Spares are further key servers, with the same configuration and keys of their own; members try them in order after
	// the first, or begin with any of them when Spread is set.
	Spares int
	Spread bool
	// Coop makes them one, of several key servers that know each other; Spares does not count then.
	Coop *Coop
	// Strict means that the faults of the run are none that may keep members apart from each other, except those of different
	// sides of a split that forks.
	Strict bool
	// StartSpread is the time within which the members start, and StartAfter when that begins: a lab starts its key servers first.
	StartSpread, StartAfter time.Duration
	Network                 Network
	// IPv6 makes every second member speak to the key servers over IPv6, and the key servers listen on both families.
	IPv6 bool
	// Flows are packets that every member sends to every other, as far as the Checker goes: none may be lost. They take time,
	// so they are for few members.
	Flows []policy.Packet
	// Cast, if set, says who takes part, instead of the numbers above; Enlist sets it, and what follows from it.
	Cast *Cast
	// Epoch is the wall time at which the run begins; zero is a fixed one.
	Epoch time.Time
}

// Network is how datagrams fare.
type Network struct {
	// Loss and Duplicate are probabilities.
	Loss, Duplicate float64
	// Latency is the least delay, Jitter what is added at most; more jitter than the gap between datagrams reorders them.
	Latency, Jitter time.Duration
}

// GroupName is the name of the group.
const GroupName = "blue"

const signKey = "rekey-blue"

// epoch is the wall time at which the run begins.
func (c *Config) epoch() time.Time {
	if !c.Epoch.IsZero() {
		return c.Epoch
	}
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
}

var psk = machine.NewSecret([]byte("the simulator's pre-shared key"))

// address of node i: the key server is 0.
func address(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(1 + i>>16), byte(i >> 8), byte(i)}), 848)
}

// beside is the IPv6 address of the node that has an IPv4 one: in a /64 of its own, as a site has.
func beside(a netip.AddrPort) netip.AddrPort {
	b, v4 := netip.MustParseAddr("2001:db8::1").As16(), a.Addr().As4()
	copy(b[4:8], v4[:])
	return netip.AddrPortFrom(netip.AddrFrom16(b), a.Port())
}

// member is the address of member i, from 1.
func (c *Config) member(i int) netip.AddrPort {
	if c.IPv6 && i%2 == 0 {
		return beside(address(i))
	}
	return address(i)
}

// phase1 uses the cheapest suite: a run of a thousand members negotiates a thousand times.
func (c *Config) phase1() ike1.Config {
	return ike1.Config{
		Suites:      []suite.Phase1{{Cipher: suite.AES128CBC, Hash: machine.SHA256, Group: suite.ECP256, Auth: 1}},
		PSK:         func(netip.Addr) *machine.Secret { return psk },
		DPDInterval: c.DPD,
	}
}

// spareAddress of spare key server i, from 1.
func spareAddress(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), 848)
}

// keyServer is the configuration of key server i, from 0.
func (c *Config) keyServer(i int) node.KSConfig {
	if c.Cast != nil {
		return c.Cast.keyServer(i)
	}
	at, g := keyServerAddress(i), c.Group
	g.Name, g.ID = GroupName, gdoi.GroupIDFromUint32(1234)
	g.SignKey, g.SignPublic = signKey, publicDER(c.signer(i))
	if g.Authorise == nil {
		g.Authorise = policy.Authorisation{{Prefix: netip.MustParsePrefix("10.0.0.0/8")}, {Prefix: netip.MustParsePrefix("2001:db8:a00::/40")}}
	}
	if g.Policy == nil && g.SAs == nil {
		l, err := policy.ParseList("deny udp any eq 848 any eq 848\npermit ip 10.0.0.0/8 10.0.0.0/8")
		if err != nil {
			panic("sim: " + err.Error())
		}
		g.Policy = l
	}
	out := node.KSConfig{Local: at, Phase1: c.phase1(), Groups: []keyserver.Config{g}, Coop: c.coop(i)}
	if c.IPv6 {
		out.Other = beside(at)
	}
	return out
}

func (c *Config) groupMember(i int) node.GMConfig {
	if c.Cast != nil {
		return c.Cast.member(i)
	}
	servers := []netip.AddrPort{address(0)}
	for j := range c.spares() {
		servers = append(servers, spareAddress(j+1))
	}
	own := c.member(i)
	if own.Addr().Is6() {
		for j := range servers {
			servers[j] = beside(servers[j])
		}
	}
	servers = member.Order(servers, nil, c.Spread, own.Addr().String())
	return node.GMConfig{Local: own, Phase1: c.phase1(), Groups: []member.Config{{
		Name: GroupName, ID: gdoi.GroupIDFromUint32(1234), KeyServers: servers,
	}}}
}
