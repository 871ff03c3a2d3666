package packet

import "encoding/binary"

// ICMPMaxLen is the length of the longest ICMP error made here: of IPv6, RFC 4443 §2.4(c).
const ICMPMaxLen = IPv6MinMTU

const (
	icmpHeaderLen = 8
	icmpQuote     = 8 // octets of the payload that are quoted, RFC 792
	icmpTTL       = 64
	icmpTOS       = 0xc0 // RFC 1812 §4.3.2.5: internetwork control
)

// TooBig writes the ICMP error of the packet's version that says that it is longer than mtu: FragNeeded or PacketTooBig.
func TooBig(b, pkt []byte, h *Header, mtu int, src Addr) int {
	if h.Version == 6 {
		return PacketTooBig(b, pkt, h, mtu, src)
	}
	return FragNeeded(b, pkt, h, mtu, src)
}

// FragNeeded writes the ICMP error "fragmentation needed and DF set" (type 3 code 4, RFC 1191 §4) about the packet pkt with
// header h to b and returns its length, or 0 if there must be none. It comes from src and names mtu, the longest packet
// that passes.
func FragNeeded(b, pkt []byte, h *Header, mtu int, src Addr) int {
	if !mayError(pkt, h) {
		return 0
	}
	quoted := min(h.HeaderLen+icmpQuote, h.TotalLen)
	outer := Header{Version: 4, Src: src, Dst: h.Src, TTL: icmpTTL}
	return putError(b, &outer, icmpUnreachable, icmpFragNeeded, uint32(min(mtu, 65535)), pkt[:quoted])
}

// putError writes an ICMP error between the addresses of outer, of its version, to b and returns its length. word is what
// stands between the checksum and the quote.
func putError(b []byte, outer *Header, typ, code uint8, word uint32, quote []byte) int {
	// DF with identification 0: RFC 6864 §4.1 lets an unfragmentable datagram have any.
	outer.TOS, outer.DF = icmpTOS, true
	proto := uint8(ProtoICMP)
	if outer.Version == 6 {
		proto = ProtoICMPv6
	}
	total := outer.OuterLen() + icmpHeaderLen + len(quote)
	PutOuter(b, outer, proto, total, 0)
	m := b[outer.OuterLen():total]
	m[0], m[1], m[2], m[3] = typ, code, 0, 0
	binary.BigEndian.PutUint32(m[4:], word)
	copy(m[icmpHeaderLen:], quote)
	check := Checksum(m)
	if outer.Version == 6 {
		check = UpperChecksum(outer, proto, m)
	}
	binary.BigEndian.PutUint16(m[2:], check)
	return total
}

// mayError says whether a packet may be answered with an ICMP error at all, RFC 1812 §4.3.2.7.
func mayError(pkt []byte, h *Header) bool {
	src, dst := h.Src.Lo, h.Dst.Lo
	if h.Offset != 0 || dst>>28 >= 0xe || src>>28 >= 0xe || src>>24 == 0 || src>>24 == 127 {
		return false
	}
	if h.Proto != ProtoICMP {
		return true
	}
	if h.TotalLen == h.HeaderLen {
		return false
	}
	switch pkt[h.HeaderLen] {
	case 0, 8, 9, 10, 13, 14, 15, 16, 17, 18, 42, 43: // the query messages; whatever is not one may be an error
		return true
	}
	return false
}
