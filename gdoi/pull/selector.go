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

// prefixOf reads one side of a selector. The zero prefix stands for an empty identity: any address of the other
// side's family (RFC 6407 §5.5.1, a TEK that all senders share).
func prefixOf(id isakmp.TrafficID) (netip.Prefix, error) {
	if len(id.Data) == 0 {
		return netip.Prefix{}, nil
	}
	want := 0
	switch id.IDType {
	case isakmp.IDIPv4Addr:
		want = 4
	case isakmp.IDIPv4Subnet:
		want = 8
	case isakmp.IDIPv6Addr:
		want = 16
	case isakmp.IDIPv6Subnet:
		want = 32
	default:
		return netip.Prefix{}, unsupported("identity type %d in a SAT", id.IDType)
	}
	if len(id.Data) != want {
		return netip.Prefix{}, malformed("identity type %d in a SAT has %d octets", id.IDType, len(id.Data))
	}
	if want == 4 || want == 16 {
		a, _ := netip.AddrFromSlice(id.Data)
		return checkPrefix(a, a.BitLen())
	}
	a, _ := netip.AddrFromSlice(id.Data[:want/2])
	bits, err := maskBits(id.Data[want/2:])
	if err != nil {
		return netip.Prefix{}, err
	}
	return checkPrefix(a, bits)
}

func checkPrefix(a netip.Addr, bits int) (netip.Prefix, error) {
	if a.Is4In6() {
		return netip.Prefix{}, unsupported("IPv4-mapped address %v in a SAT", a)
	}
	return netip.PrefixFrom(a, bits).Masked(), nil
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

// ruleOf reads the selector of a SAT.
func ruleOf(sat *isakmp.SAT) (policy.Rule, error) {
	r := policy.Rule{Action: policy.Permit, Proto: sat.IPProtocol}
	var err error
	if r.Src, err = prefixOf(sat.Src); err != nil {
		return r, err
	}
	if r.Dst, err = prefixOf(sat.Dst); err != nil {
		return r, err
	}
	if !r.Dst.IsValid() {
		return r, unsupported("a SAT without a destination")
	}
	if !r.Src.IsValid() {
		// The length is valid for every address.
		r.Src, _ = r.Dst.Addr().Prefix(0)
	}
	r.SrcPorts, r.DstPorts = policy.AnyPort, policy.AnyPort
	if r.Proto != 0 {
		// Ports of every protocol mean nothing; the reference program of 2011 writes some.
		r.SrcPorts, r.DstPorts = portOf(sat.Src.Port), portOf(sat.Dst.Port)
	}
	if err := (policy.List{r}).Validate(); err != nil {
		return r, fmt.Errorf("%w: selector of SPI %08x: %w", ErrUnsupported, sat.SPI, err)
	}
	return r, nil
}

func portOf(p uint16) policy.PortRange {
	if p == 0 {
		return policy.AnyPort
	}
	return policy.PortRange{Lo: p, Hi: p}
}
