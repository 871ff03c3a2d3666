package scenario

import (
	"encoding/binary"
	"net/netip"
)

// A scenario with "ipv6: 2001:db8::/32" is dual stack, and says no more about it than that: every IPv4 address and every route
// has one of IPv6 beside it. The network of the IPv4 address is in the 32 bits behind the prefix and its host in the last 32:
//
//	10.1.1.10/24               2001:db8:a01:100::a/64
//	172.16.1.1/30              2001:db8:ac10:100::1/64
//	10.1.3.0/24 via 172.16.0.2 2001:db8:a01:300::/56 via 2001:db8:ac10::2
//	10.1.0.0/16                2001:db8:a01::/48          (as a scenario's policy has it)
const ipv6Bits = 32

// dualStack gives every address and every route its counterpart.
func (s *Scenario) dualStack(bad func(Pos, string, ...any)) {
	if !s.IPv6.IsValid() {
		return
	}
	if p := s.IPv6; !p.Addr().Is6() || p.Addr().Is4In6() || p.Bits() != ipv6Bits || p != p.Masked() {
		bad(s.Place("ipv6"), "ipv6: %s is no /32 of IPv6, as 2001:db8::/32", p)
		return
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		for k := range n.Addresses {
			a := &n.Addresses[k]
			a.Prefix6 = s.beside(a.Prefix)
		}
		for _, r := range n.Routes {
			if !r.To.Addr().Is4() {
				continue
			}
			for _, a := range n.Addresses {
				if a.Prefix.Masked().Contains(r.Via) {
					to := netip.PrefixFrom(s.place(r.To.Addr(), 0), ipv6Bits+r.To.Bits())
					if r.To.Bits() == 0 {
						to = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
					}
					n.Routes = append(n.Routes, Route{To: to, Via: s.beside(netip.PrefixFrom(r.Via, a.Prefix.Bits())).Addr(), At: r.At})
				}
			}
		}
	}
}

// beside is the IPv6 address of an interface that has an IPv4 one.
func (s *Scenario) beside(p netip.Prefix) netip.Prefix {
	if !p.Addr().Is4() {
		return netip.Prefix{}
	}
	net, all := p.Masked().Addr().As4(), p.Addr().As4()
	return netip.PrefixFrom(s.place(p.Masked().Addr(), binary.BigEndian.Uint32(all[:])-binary.BigEndian.Uint32(net[:])), 64)
}

func (s *Scenario) place(network netip.Addr, host uint32) netip.Addr {
	b, n := s.IPv6.Addr().As16(), network.As4()
	copy(b[ipv6Bits/8:], n[:])
	binary.BigEndian.PutUint32(b[12:], host)
	return netip.AddrFrom16(b)
}

// Prefixes are the addresses of the interface, IPv4's first.
func (a Address) Prefixes() []netip.Prefix {
	if a.Prefix6.IsValid() {
		return []netip.Prefix{a.Prefix, a.Prefix6}
	}
	return []netip.Prefix{a.Prefix}
}

// On is the addresses of one end of a link.
func (s *Scenario) On(e Endpoint) []netip.Prefix {
	for _, a := range s.Node(e.Node).Addresses {
		if a.Interface == e.Interface {
			return a.Prefixes()
		}
	}
	return nil
}
