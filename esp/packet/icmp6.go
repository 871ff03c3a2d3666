package packet

const (
	icmp6Redirect = 137
	icmp6Error    = 128 // types below it are errors, RFC 4443 §2.1
)

// PacketTooBig writes the ICMPv6 error "packet too big" (RFC 4443 §3.2) about the packet pkt with header h to b and returns
// its length, at most ICMPMaxLen, or 0 if there must be none. It comes from src and names mtu, the longest packet that passes.
func PacketTooBig(b, pkt []byte, h *Header, mtu int, src Addr) int {
	if !mayError6(pkt, h) {
		return 0
	}
	quoted := min(h.TotalLen, ICMPMaxLen-IPv6HeaderLen-icmpHeaderLen)
	outer := Header{Version: 6, Src: src, Dst: h.Src, TTL: icmpTTL}
	return putError(b, &outer, icmp6PacketTooBig, 0, uint32(mtu), pkt[:quoted])
}

// mayError6 says whether a packet may be answered with this ICMPv6 error, RFC 4443 §2.4(e): other than the rest, also when
// it is for a multicast group.
func mayError6(pkt []byte, h *Header) bool {
	if multicast6(h.Src) || h.Src.Hi == 0 && h.Src.Lo <= 1 || h.Opaque {
		return false // no unicast source: multicast, the unspecified address, the loopback address
	}
	if h.Proto != ProtoICMPv6 {
		return true
	}
	if h.Offset != 0 || h.TotalLen == h.HeaderLen {
		return false
	}
	typ := pkt[h.HeaderLen]
	return typ >= icmp6Error && typ != icmp6Redirect
}

func multicast6(a Addr) bool { return a.Hi>>56 == 0xff }

// LinkLocal says whether an IPv6 packet must stay on its link, so that no router forwards it and nothing protects it: link
// or interface scope of an address (RFC 4291 §2.5.6, §2.7), no source yet, or neighbour discovery (RFC 4861 §3).
func (h *Header) LinkLocal(b []byte) bool {
	if h.Version != 6 {
		return false
	}
	const linkLocal = 0xfe80 >> 6
	if h.Src.Hi>>54 == linkLocal || h.Dst.Hi>>54 == linkLocal || h.Src == (Addr{}) || multicast6(h.Dst) && h.Dst.Hi>>48&15 <= 2 {
		return true
	}
	if h.Proto != ProtoICMPv6 || h.Offset != 0 || h.TotalLen == h.HeaderLen {
		return false
	}
	typ := b[h.HeaderLen]
	return typ >= 133 && typ <= icmp6Redirect
}
