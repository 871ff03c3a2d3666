package pull

import (
	"fmt"
	"net/netip"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// AsSATs returns the permits of l as SATs can say them: one port or any (RFC 6407 §5.5.1), so a wider range becomes
// any. A key server's lint warns of such rules.
func AsSATs(l policy.List) policy.List {
	permits := l.Permits()
	for i := range permits {
		permits[i].SrcPorts = satPorts(permits[i].SrcPorts)
		permits[i].DstPorts = satPorts(permits[i].DstPorts)
	}
	return permits
}

func satPorts(r policy.PortRange) policy.PortRange {
	if r.Single() && r.Lo != 0 {
		return r
	}
	return policy.AnyPort
}

// trafficID writes one side of a selector as ID_IPVx_ADDR or ID_IPVx_ADDR_SUBNET, RFC 2407 §4.6.2.
func trafficID(p netip.Prefix, ports policy.PortRange) isakmp.TrafficID {
	id := isakmp.TrafficID{Data: p.Addr().AsSlice()}
	if !ports.Any() {
		id.Port = ports.Lo
	}
	switch {
	case p.IsSingleIP() && p.Addr().Is4():
		id.IDType = isakmp.IDIPv4Addr
	case p.IsSingleIP():
		id.IDType = isakmp.IDIPv6Addr
	case p.Addr().Is4():
		id.IDType = isakmp.IDIPv4Subnet
		id.Data = appendMask(id.Data, p)
	default:
		id.IDType = isakmp.IDIPv6Subnet
		id.Data = appendMask(id.Data, p)
	}
	return id
}

func appendMask(b []byte, p netip.Prefix) []byte {
	for i := range p.Addr().BitLen() / 8 {
		n := min(max(p.Bits()-8*i, 0), 8)
		b = append(b, byte(0xff<<(8-n)))
	}
	return b
}

// maxRangePrefixes bounds what one SAT with ranges becomes: access lists have prefixes.
const maxRangePrefixes = 32

// placeOf reads one side of a selector, RFC 2407 §4.6.2: one prefix, or for a range those that make it up. None stands for an
// empty identity: any address of the other side's family (RFC 6407 §5.5.1, a TEK that all senders share).
func placeOf(id isakmp.TrafficID) ([]netip.Prefix, error) {
	if len(id.Data) == 0 {
		return nil, nil
	}
	want := 0
	switch id.IDType {
	case isakmp.IDIPv4Addr:
		want = 4
	case isakmp.IDIPv4Subnet, isakmp.IDIPv4Range:
		want = 8
	case isakmp.IDIPv6Addr:
		want = 16
	case isakmp.IDIPv6Subnet, isakmp.IDIPv6Range:
		want = 32
	default:
		return nil, unsupported("identity type %d in a SAT", id.IDType)
	}
	if len(id.Data) != want {
		return nil, malformed("identity type %d in a SAT has %d octets", id.IDType, len(id.Data))
	}
	first := id.Data
	if want == 8 || want == 32 {
		first = id.Data[:want/2]
	}
	second := id.Data[len(first):]
	a, _ := netip.AddrFromSlice(first)
	bits := a.BitLen()
	switch id.IDType {
	case isakmp.IDIPv4Range, isakmp.IDIPv6Range:
		last, _ := netip.AddrFromSlice(second)
		if a.Is4In6() || last.Is4In6() {
			return nil, unsupported("IPv4-mapped range %v-%v in a SAT", a, last)
		}
		return rangePrefixes(a, last)
	case isakmp.IDIPv4Subnet, isakmp.IDIPv6Subnet:
		var err error
		if bits, err = maskBits(second); err != nil {
			return nil, err
		}
	}
	if a.Is4In6() {
		return nil, unsupported("IPv4-mapped address %v in a SAT", a)
	}
	return []netip.Prefix{netip.PrefixFrom(a, bits).Masked()}, nil
}

// rangePrefixes is the least list of prefixes that holds the addresses from first to last, both included.
func rangePrefixes(first, last netip.Addr) ([]netip.Prefix, error) {
	if last.Less(first) {
		return nil, malformed("range %v-%v in a SAT ends before it starts", first, last)
	}
	var out []netip.Prefix
	for a := first; ; {
		if len(out) == maxRangePrefixes {
			return nil, unsupported("range %v-%v in a SAT, which takes more than %d prefixes", first, last, maxRangePrefixes)
		}
		p := netip.PrefixFrom(a, a.BitLen())
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(a, p.Bits()-1)
			if wider.Masked() != wider || last.Less(lastOf(wider)) {
				break
			}
			p = wider
		}
		out = append(out, p)
		end := lastOf(p)
		if !end.Less(last) {
			return out, nil
		}
		a = end.Next()
	}
}

// lastOf is the highest address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// maskBits returns the length of a contiguous mask.
func maskBits(mask []byte) (int, error) {
	bits, ended := 0, false
	for _, o := range mask {
		for i := 7; i >= 0; i-- {
			one := o>>i&1 == 1
			if one && ended {
				return 0, unsupported("subnet mask %x with holes in a SAT", mask)
			}
			if one {
				bits++
			}
			ended = ended || !one
		}
	}
	return bits, nil
}

// rulesOf reads the selector of a SAT: one rule, or with ranges one for each pair of the prefixes that make them up.
func rulesOf(sat *isakmp.SAT) (policy.List, error) {
	src, err := placeOf(sat.Src)
	if err != nil {
		return nil, err
	}
	dst, err := placeOf(sat.Dst)
	if err != nil {
		return nil, err
	}
	if len(dst) == 0 {
		return nil, unsupported("a SAT without a destination")
	}
	if len(src) == 0 {
		// The length is valid for every address.
		any, _ := dst[0].Addr().Prefix(0)
		src = []netip.Prefix{any}
	}
	if len(src)*len(dst) > maxRangePrefixes {
		return nil, unsupported("ranges in the SAT of SPI %08x, which together take %d rules; at most %d", sat.SPI, len(src)*len(dst), maxRangePrefixes)
	}
	r := policy.Rule{Action: policy.Permit, Proto: sat.IPProtocol, SrcPorts: policy.AnyPort, DstPorts: policy.AnyPort}
	if r.Proto != 0 {
		// Ports of every protocol mean nothing; the reference program of 2011 writes some.
		r.SrcPorts, r.DstPorts = portOf(sat.Src.Port), portOf(sat.Dst.Port)
	}
	var out policy.List
	for _, r.Src = range src {
		for _, r.Dst = range dst {
			out = append(out, r)
		}
	}
	if err := out.Validate(); err != nil {
		return nil, fmt.Errorf("%w: selector of SPI %08x: %w", ErrUnsupported, sat.SPI, err)
	}
	return out, nil
}

func portOf(p uint16) policy.PortRange {
	if p == 0 {
		return policy.AnyPort
	}
	return policy.PortRange{Lo: p, Hi: p}
}
