package netcfg

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/esp/tun"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// Defaults of Config. Two members on one system need different values for all but Protocol.
const (
	DefaultMark       = 0x848
	DefaultPreference = 8480 // up to DefaultPreference+5
	DefaultTableOut   = 848
	DefaultTableIn    = 849
	DefaultProtocol   = 248 // who made a rule or route (rtproto); free in iproute2's list
)

// Config says what to set up. Zero values mean the defaults.
type Config struct {
	Name string   // of the member; names the guard's table
	LAN  []string // interfaces with protected hosts; may be empty for a member that protects only itself
	WAN  string
	TUN  string

	// InnerMTU is told the WAN's MTU, at Up and whenever it changes, and returns the TUN's: engine.SetMTU and
	// engine.TUNMTU in one.
	InnerMTU func(wan int) int
	// InnerMTU6 is asked next, for the MTU of IPv6 on the TUN: engine.InnerMTU6. Nil: what the longer outer header leaves.
	InnerMTU6 func() int
	// Source is the preferred source of the member's own traffic into the group, of its version; zero: chosen, see the
	// package comment.
	Source netip.Addr
	// Own is told that source, of each version that has one, whenever routes are brought in line; may be nil. ICMP errors
	// of the data path come from there: engine.SetGateway.
	Own func(netip.Addr)
	// NoOwnTraffic leaves the member's own packets alone.
	NoOwnTraffic bool
	// Saved is the file that keeps what the sysctls were, for the successor of a daemon that was killed; none: they stay.
	Saved string
	// KeepGuard leaves the guard in place at Down (`on-exit: keep`).
	KeepGuard bool
	// Exempt is never protected, nor guarded, when the member itself sends or receives it; nil: DefaultExempt.
	Exempt []Flow

	Mark              uint32
	Preference        int
	TableOut, TableIn int
	Protocol          uint8
}

// Flow is a kind of traffic: an IP protocol and, unless 0, a port at either end.
type Flow struct {
	Proto uint8
	Port  uint16
}

// GDOI is the key exchange itself (RFC 6407 §7.2: UDP port 848).
var GDOI = Flow{protoUDP, 848}

// DefaultExempt is GDOI and the routing protocols: without them there is no way to a key server.
func DefaultExempt() []Flow {
	return []Flow{GDOI, {Proto: protoIGMP}, {Proto: 88} /* EIGRP */, {Proto: 89} /* OSPF */, {Proto: 103} /* PIM */, {protoTCP, 179} /* BGP */}
}

const (
	protoICMP   = 1
	protoIGMP   = 2
	protoTCP    = 6
	protoUDP    = 17
	protoESP    = 50
	protoICMPv6 = 58
)

// Group is one group's policy, as far as the kernel must know it.
type Group struct {
	Name     string
	FailOpen bool
	// Registered says that Rules are in force. While it is false Protect is guarded too.
	Registered bool
	// Protect holds the destinations to guard while not registered. With no Protect and no Rules a fail-closed group
	// guards everything, since nobody knows what is not protected; the engine does the same.
	Protect []netip.Prefix
	// Local holds the member's own exceptions, deny rules that come first.
	Local policy.List
	// Rules is the group's access list: the one in force, or while not registered the last one known (or none).
	Rules policy.List
	// Also holds other lists that are in force at other members while the policy changes: what one of them lets pass in
	// clear is accepted in clear.
	Also []policy.List
	// AcceptClear takes in clear what Rules would have encrypted, SendClear lets it leave so: a group that migrates.
	AcceptClear, SendClear bool

	before *Group // the policy that this one takes over from, while it does
}

// samePolicy says whether the policies of two groups let the same pass.
func (g Group) samePolicy(o Group) bool {
	return slices.Equal(g.Rules, o.Rules) && slices.EqualFunc(g.Also, o.Also, func(a, b policy.List) bool { return slices.Equal(a, b) }) &&
		g.AcceptClear == o.AcceptClear && g.SendClear == o.SendClear
}

// guarded lists the destinations that are guarded besides what Rules permit.
func (g Group) guarded() []netip.Prefix {
	switch {
	case g.Registered || g.FailOpen:
		return nil
	case len(g.Protect) == 0 && len(g.Rules) == 0:
		return []netip.Prefix{any4, any6}
	}
	return g.Protect
}

var (
	any4 = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	any6 = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
)

// ErrConfig is wrapped by errors about Config.
var ErrConfig = errors.New("netcfg: bad configuration")

func (c Config) withDefaults() (Config, error) {
	if c.Mark == 0 {
		c.Mark = DefaultMark
	}
	if c.Preference == 0 {
		c.Preference = DefaultPreference
	}
	if c.TableOut == 0 {
		c.TableOut = DefaultTableOut
	}
	if c.TableIn == 0 {
		c.TableIn = DefaultTableIn
	}
	if c.Protocol == 0 {
		c.Protocol = DefaultProtocol
	}
	if c.Exempt == nil {
		c.Exempt = DefaultExempt()
	}
	return c, c.check()
}

func (c Config) check() error {
	seen := map[string]bool{}
	for _, name := range append([]string{c.WAN, c.TUN}, c.LAN...) {
		if err := tun.CheckName(name); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
		if seen[name] {
			return fmt.Errorf("%w: interface %s has two roles; LAN, WAN and TUN must differ", ErrConfig, name)
		}
		seen[name] = true
	}
	switch {
	case c.Name == "":
		return fmt.Errorf("%w: the member has no name", ErrConfig)
	case c.InnerMTU == nil:
		return fmt.Errorf("%w: InnerMTU is not set", ErrConfig)
	case c.TableIn == c.TableOut:
		return fmt.Errorf("%w: tables in and out are both %d", ErrConfig, c.TableIn)
	case c.Preference < 1 || c.Preference > 32760:
		return fmt.Errorf("%w: preference %d is not between the tables local (0) and main (32766)", ErrConfig, c.Preference)
	}
	return nil
}

// guardName is the nftables table of a member: letters, digits and '_' only, as nft's grammar wants.
func guardName(member string) string {
	return "getvpn_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, member)
}
