package packet

import "encoding/binary"

// Sizes of IPv6, RFC 8200 §3 and §5.
const (
	IPv6HeaderLen = 40
	IPv6MinMTU    = 1280
)

// Extension headers, RFC 8200 §4. AH is none: RFC 4301 §4.4.1.1 has AH and ESP as upper layers.
const (
	extHopByHop     = 0
	extRouting      = 43
	extFragment     = 44
	extDestinations = 60
	maxExtensions   = 8
)

func extension(proto uint8) bool {
	switch proto {
	case extHopByHop, extRouting, extFragment, extDestinations:
		return true
	}
	return false
}

// parseIPv6 reads the header of b, whose first octet says IPv6, and its extension headers. A chain that does not end in
// the packet is malformed (RFC 7112 §5 lets a gateway drop such first fragments), and so is one of more than eight. What
// has a hop-by-hop header elsewhere than in front, its receiver must refuse (RFC 8200 §4). Jumbograms have no length.
func (h *Header) parseIPv6(b []byte) error {
	if len(b) < IPv6HeaderLen {
		return ErrMalformed
	}
	h.HeaderLen = IPv6HeaderLen
	h.TotalLen = IPv6HeaderLen + int(binary.BigEndian.Uint16(b[4:]))
	if h.TotalLen > len(b) {
		return ErrMalformed
	}
	first := binary.BigEndian.Uint32(b)
	h.Version, h.DF = 6, true
	h.TOS, h.Label = uint8(first>>20), first&0xfffff
	h.Proto, h.TTL = b[6], b[7]
	h.Src = Addr{binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}
	h.Dst = Addr{binary.BigEndian.Uint64(b[24:]), binary.BigEndian.Uint64(b[32:])}
	if !extension(h.Proto) {
		return nil
	}
	return h.extensions(b[:h.TotalLen])
}

func (h *Header) extensions(b []byte) error {
	for n := 0; extension(h.Proto); n++ {
		rest := b[h.HeaderLen:]
		if n == maxExtensions || len(rest) < 8 || h.Proto == extHopByHop && n > 0 {
			return ErrMalformed
		}
		length := (int(rest[1]) + 1) * 8
		if h.Proto == extFragment {
			length = 8
			frag := binary.BigEndian.Uint16(rest[2:])
			h.Offset, h.MF = int(frag&^7), frag&1 != 0
		}
		if length > len(rest) {
			return ErrMalformed
		}
		fragmented := h.Proto == extFragment
		h.Proto = rest[0]
		h.HeaderLen += length
		if fragmented && h.Offset+h.TotalLen-h.HeaderLen > 65535 {
			return ErrMalformed // would reassemble beyond the largest datagram
		}
		if h.Offset != 0 {
			h.Opaque = extension(h.Proto)
			return nil
		}
	}
	return nil
}

func putOuter6(b []byte, inner *Header, proto uint8, total int) {
	_ = b[IPv6HeaderLen-1]
	binary.BigEndian.PutUint32(b, 6<<28|uint32(inner.TOS)<<20|inner.Label)
	binary.BigEndian.PutUint16(b[4:], uint16(total-IPv6HeaderLen))
	b[6], b[7] = proto, inner.TTL
	binary.BigEndian.PutUint64(b[8:], inner.Src.Hi)
	binary.BigEndian.PutUint64(b[16:], inner.Src.Lo)
	binary.BigEndian.PutUint64(b[24:], inner.Dst.Hi)
	binary.BigEndian.PutUint64(b[32:], inner.Dst.Lo)
}
