package policy

import (
	"net/netip"
	"strings"
)

// Action is what happens to a packet that a rule matches.
type Action uint8

// Actions. Deny is the zero value: what nothing matches goes in clear.
const (
	Deny   Action = iota // send in clear
	Permit               // encrypt
)

// String returns the keyword of the text form.
func (a Action) String() string {
	if a == Permit {
		return "permit"
	}
	return "deny"
}

// PortRange is an inclusive range of ports.
type PortRange struct{ Lo, Hi uint16 }

// AnyPort is the range that every port is in.
var AnyPort = PortRange{0, 65535}

// Contains says whether p is in the range.
func (r PortRange) Contains(p uint16) bool { return r.Lo <= p && p <= r.Hi }

// Any says whether every port is in the range.
func (r PortRange) Any() bool { return r == AnyPort }

// Single says whether the range holds exactly one port.
func (r PortRange) Single() bool { return r.Lo == r.Hi }

func (r PortRange) covers(o PortRange) bool { return r.Lo <= o.Lo && o.Hi <= r.Hi }

// Rule is one line of an access list.
type Rule struct {
	Action             Action
	Proto              uint8 // IP protocol, 0 for any
	Src, Dst           netip.Prefix
	SrcPorts, DstPorts PortRange
}

// Packet is what a rule looks at. Ports are zero where the protocol has none or they are not known (a later
// fragment); such a packet matches only rules for any port, or for port 0.
type Packet struct {
	Src, Dst         netip.Addr
	Proto            uint8
	SrcPort, DstPort uint16
}

// Match says whether the rule applies to the packet.
func (r Rule) Match(p Packet) bool {
	return (r.Proto == 0 || r.Proto == p.Proto) &&
		r.Src.Contains(p.Src.Unmap()) && r.Dst.Contains(p.Dst.Unmap()) &&
		r.SrcPorts.Contains(p.SrcPort) && r.DstPorts.Contains(p.DstPort)
}

// Mirror returns the rule for the traffic in the other direction.
func (r Rule) Mirror() Rule {
	r.Src, r.Dst = r.Dst, r.Src
	r.SrcPorts, r.DstPorts = r.DstPorts, r.SrcPorts
	return r
}

// Covers says whether every packet that o matches is matched by r too; actions do not count.
func (r Rule) Covers(o Rule) bool {
	return (r.Proto == 0 || r.Proto == o.Proto) &&
		covers(r.Src, o.Src) && covers(r.Dst, o.Dst) &&
		r.SrcPorts.covers(o.SrcPorts) && r.DstPorts.covers(o.DstPorts)
}

func covers(p, o netip.Prefix) bool { return p.Bits() <= o.Bits() && p.Contains(o.Addr()) }

// String returns the canonical text; ParseRule of it gives the same rule.
func (r Rule) String() string {
	var b strings.Builder
	b.WriteString(r.Action.String())
	b.WriteByte(' ')
	b.WriteString(protocolName(r.Proto))
	if r.Proto == protoICMP6 && r.Src == any4 && r.Dst == any4 {
		return b.String() + " any4 any4" // "any" would be IPv6's
	}
	writePlace(&b, r.Src)
	writePorts(&b, r.SrcPorts)
	writePlace(&b, r.Dst)
	writePorts(&b, r.DstPorts)
	return b.String()
}

func writePlace(b *strings.Builder, p netip.Prefix) {
	switch {
	case p == any4:
		b.WriteString(" any")
	case p == any6:
		b.WriteString(" any6")
	case p.IsSingleIP():
		b.WriteString(" host ")
		b.WriteString(p.Addr().String())
	default:
		b.WriteByte(' ')
		b.WriteString(p.String())
	}
}

var (
	any4 = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	any6 = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
)
