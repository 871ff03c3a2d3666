package check

import (
	"encoding/binary"
	"net/netip"
)

// Numbers of RFC 8200 and RFC 4443, 4861.
const (
	protoICMP6    = 58
	ip6Header     = 40
	extHopByHop   = 0
	extRouting    = 43
	extFragment   = 44
	extDestOpts   = 60
	icmp6Unreach  = 1
	icmp6TooBig   = 2
	icmp6Exceeded = 3
	icmp6Problem  = 4
	ndFirst       = 133 // router solicitation
	ndLast        = 137 // redirect
)

// classify6 parses an IPv6 packet and fills p.
func (r *rules) classify6(b []byte, p *Packet) {
	p.Len = len(b)
	if len(b) < ip6Header || b[0]>>4 != 6 || ip6Header+int(binary.BigEndian.Uint16(b[4:])) > len(b) {
		p.Class = Malformed
		return
	}
	b = b[:ip6Header+int(binary.BigEndian.Uint16(b[4:]))]
	p.Src, p.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	proto, body, first, ok := transport6(b[6], b[ip6Header:])
	p.Proto = proto
	onLink := p.Src.IsLinkLocalUnicast() || p.Dst.IsLinkLocalUnicast() || p.Dst.IsLinkLocalMulticast() || p.Dst.IsInterfaceLocalMulticast()
	switch {
	case !ok:
		p.Class = Malformed
	case onLink, proto == protoICMP6 && b[7] == 255 && len(body) > 0 && body[0] >= ndFirst && body[0] <= ndLast:
		p.Class = Link // a hop limit of 255 says that no router has passed it on, RFC 4861 §7.1
	default:
		r.judge(p, body, first)
	}
}

// transport6 walks over extension headers. first is false for a later fragment.
func transport6(next byte, b []byte) (proto uint8, body []byte, first, ok bool) {
	for {
		n := 8
		switch next {
		case extHopByHop, extRouting, extDestOpts:
			if len(b) >= 2 {
				n = 8 * (int(b[1]) + 1)
			}
		case extFragment:
		default:
			return next, b, true, true
		}
		if len(b) < n {
			return next, nil, true, false
		}
		if next == extFragment && binary.BigEndian.Uint16(b[2:])&^7 != 0 {
			return b[0], b[n:], false, true
		}
		next, b = b[0], b[n:]
	}
}

// inError6 knows those of RFC 4443.
func inError6(body []byte) (about uint8, quoted []byte) {
	if len(body) < 8+ip6Header+4 || body[0] < icmp6Unreach || body[0] > icmp6Problem {
		return 0, nil
	}
	packet := body[8:]
	about, quoted, first, ok := transport6(packet[6], packet[ip6Header:])
	if !ok || !first || len(quoted) < 4 || packet[0]>>4 != 6 {
		return 0, nil
	}
	return about, quoted
}
