package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParsePacket reads a packet as operators write it:
//
//	packet   = protocol end ">" end
//	protocol = "tcp" | "udp" | "icmp" | ... | 1..255
//	end      = address | address ":" port | "[" IPv6-address "]:" port
//
// Both ends of tcp, udp, sctp, dccp and udplite have a port; those of others have none. The error says what to write.
func ParsePacket(s string) (Packet, error) {
	bad := func(format string, args ...any) (Packet, error) {
		return Packet{}, fmt.Errorf("policy: packet %q: %s; write it as \"tcp 10.1.1.10:40000 > 10.1.3.10:22\", \"udp [2001:db8:1::1]:53 > [2001:db8:3::1]:53\" or \"icmp 10.1.1.1 > 10.1.2.2\"", s, fmt.Sprintf(format, args...))
	}
	w := strings.Fields(strings.ReplaceAll(s, ">", " > "))
	if len(w) != 4 || w[2] != ">" {
		return bad("expected protocol, source, \">\" and destination")
	}
	proto, ok := lookup(protocols, strings.ToLower(w[0]))
	if !ok && !strings.EqualFold(w[0], wordIPv6) {
		n, err := strconv.ParseUint(w[0], 10, 8)
		if err != nil {
			return bad("unknown protocol %q; known are %s, or a number from 1 to 255", w[0], nameList(protocols[1:]))
		}
		proto = uint16(n)
	}
	if proto == 0 {
		return bad("a packet has one protocol, and %q means any", w[0])
	}
	p := Packet{Proto: uint8(proto)}
	for _, e := range []struct {
		text string
		addr *netip.Addr
		port *uint16
	}{{w[1], &p.Src, &p.SrcPort}, {w[3], &p.Dst, &p.DstPort}} {
		if !hasPorts(p.Proto) {
			a, err := netip.ParseAddr(e.text)
			switch {
			case err != nil && strings.Contains(e.text, "]:") || err != nil && strings.Count(e.text, ":") == 1:
				return bad("%s has no ports, so %q has one too many", protocolName(p.Proto), e.text)
			case err != nil:
				return bad("%q is not an address", e.text)
			}
			*e.addr = a.Unmap()
			continue
		}
		ap, err := netip.ParseAddrPort(e.text)
		if err != nil {
			if _, aerr := netip.ParseAddr(e.text); aerr == nil {
				return bad("%q has no port; a %s packet has one at each end", e.text, protocolName(p.Proto))
			}
			return bad("%q is not address:port", e.text)
		}
		*e.addr, *e.port = ap.Addr().Unmap(), ap.Port()
	}
	if p.Src.Zone() != "" || p.Dst.Zone() != "" {
		return bad("an address has a zone; link-local traffic is not routed")
	}
	if p.Src.Is4() != p.Dst.Is4() {
		return bad("source and destination are of different address families")
	}
	return p, nil
}

// String is the form that ParsePacket reads.
func (p Packet) String() string {
	if !hasPorts(p.Proto) {
		return fmt.Sprintf("%s %s > %s", protocolName(p.Proto), p.Src, p.Dst)
	}
	return fmt.Sprintf("%s %s > %s", protocolName(p.Proto), netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort))
}

// Matches is the indices of all rules that match the packet. The first one decides; the others would without it.
func (l List) Matches(p Packet) []int {
	var out []int
	for i, r := range l {
		if r.Match(p) {
			out = append(out, i)
		}
	}
	return out
}
