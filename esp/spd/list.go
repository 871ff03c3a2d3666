package spd

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/getvpn/getvpn/esp/packet"
)

// ErrRule is wrapped by every complaint about a rule.
var ErrRule = errors.New("spd: invalid rule")

// list is one compiled access list with its hit counters.
type list struct {
	source []Rule
	rules  []compiled
	hits   []atomic.Uint64
	v4, v6 *index // nil for short lists, which are scanned; v6 also without a rule for IPv6
	has6   bool
}

// compiled is a rule in the form that the packet's flow has.
type compiled struct {
	src, srcMask, dst, dstMask packet.Addr
	srcPorts, dstPorts         Ports
	proto                      uint8
	v6, anyPorts, permit       bool
}

// indexFrom is the number of rules from which the index beats a scan.
const indexFrom = 8

func newList(source []Rule) (*list, error) {
	l := &list{source: slices.Clone(source), hits: make([]atomic.Uint64, len(source))}
	for i, r := range source {
		c, err := compile(r)
		if err != nil {
			return nil, fmt.Errorf("%w %d: %w", ErrRule, i+1, err)
		}
		l.rules = append(l.rules, c)
		l.has6 = l.has6 || c.v6
	}
	if len(source) >= indexFrom {
		l.v4 = newIndex(l.rules, false)
		if l.has6 {
			l.v6 = newIndex(l.rules, true)
		}
	}
	return l, nil
}

func compile(r Rule) (compiled, error) {
	switch {
	case r.Action > Permit:
		return compiled{}, fmt.Errorf("unknown action %d", r.Action)
	case !r.Src.IsValid() || !r.Dst.IsValid():
		return compiled{}, errors.New("source or destination is not set")
	case r.Src.Addr().Is4In6() || r.Dst.Addr().Is4In6():
		return compiled{}, errors.New("IPv4 mapped into IPv6")
	case r.Src.Addr().Is4() != r.Dst.Addr().Is4():
		return compiled{}, errors.New("source and destination are of different address families")
	case r.SrcPorts.Lo > r.SrcPorts.Hi || r.DstPorts.Lo > r.DstPorts.Hi:
		return compiled{}, errors.New("a port range ends before it starts")
	}
	c := compiled{
		srcPorts: r.SrcPorts, dstPorts: r.DstPorts, proto: r.Proto, v6: r.Src.Addr().Is6(),
		anyPorts: r.SrcPorts == AnyPort && r.DstPorts == AnyPort, permit: r.Action == Permit,
	}
	if !c.anyPorts && !packet.HasPorts(r.Proto) {
		return compiled{}, fmt.Errorf("protocol %d has no ports", r.Proto)
	}
	c.src, c.srcMask = masked(r.Src)
	c.dst, c.dstMask = masked(r.Dst)
	return c, nil
}

func masked(p netip.Prefix) (net, mask packet.Addr) {
	bits := p.Bits()
	switch {
	case p.Addr().Is4():
		mask.Lo = uint64(^uint32(0)) << (32 - bits) & 0xffffffff
	case bits <= 64:
		mask.Hi = ^uint64(0) << (64 - bits)
	default:
		mask.Hi, mask.Lo = ^uint64(0), ^uint64(0)<<(128-bits)
	}
	net = packet.FromNetip(p.Addr())
	return packet.Addr{Hi: net.Hi & mask.Hi, Lo: net.Lo & mask.Lo}, mask
}

func within(a, net, mask packet.Addr) bool {
	return (a.Hi^net.Hi)&mask.Hi == 0 && (a.Lo^net.Lo)&mask.Lo == 0
}

func (c *compiled) match(f *packet.Flow) bool {
	if c.v6 != f.V6 || c.proto != 0 && c.proto != f.Proto && f.Ports != packet.ProtoUnknown ||
		!within(f.Src, c.src, c.srcMask) || !within(f.Dst, c.dst, c.dstMask) {
		return false
	}
	switch {
	case f.Ports == packet.ProtoUnknown:
		return c.proto == 0 || c.permit
	case c.anyPorts:
		return true
	case f.Ports == packet.PortsKnown:
		return c.srcPorts.Lo <= f.SrcPort && f.SrcPort <= c.srcPorts.Hi &&
			c.dstPorts.Lo <= f.DstPort && f.DstPort <= c.dstPorts.Hi
	}
	return f.Ports == packet.PortsUnknown && c.permit
}

// match returns the first rule that matches, or -1.
func (l *list) match(f *packet.Flow) int {
	switch {
	case f.V6 && !l.has6:
		return -1
	case f.V6 && l.v6 != nil:
		return l.v6.match(f)
	case !f.V6 && l.v4 != nil:
		return l.v4.match(f)
	}
	for i := range l.rules {
		if l.rules[i].match(f) {
			return i
		}
	}
	return -1
}

// eitherWay says whether the packet is permitted in one direction or the other.
func (l *list) eitherWay(f *packet.Flow) bool {
	if l.permits(f) {
		return true
	}
	r := f.Reverse()
	return l.permits(&r)
}

// permits says whether the first match is a permit.
func (l *list) permits(f *packet.Flow) bool {
	i := l.match(f)
	return i >= 0 && l.rules[i].permit
}
