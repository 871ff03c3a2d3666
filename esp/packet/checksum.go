package packet

import "encoding/binary"

// Checksum returns the Internet checksum of b (RFC 1071), to be stored big-endian.
func Checksum(b []byte) uint16 { return ^fold(sum(0, b)) }

func sum(s uint64, b []byte) uint64 {
	for len(b) >= 4 {
		s += uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// UpdateChecksum returns the checksum after one 16-bit word that it covers changed from was to is, RFC 1624 §3 eqn. 3.
func UpdateChecksum(check, was, is uint16) uint16 {
	return ^fold(uint64(^check) + uint64(^was) + uint64(is))
}

// UpperChecksum returns the checksum of an upper layer with a pseudo-header (TCP and UDP: RFC 9293 §3.1; IPv6: RFC 8200
// §8.1), to be stored big-endian; a UDP checksum of 0 is to be stored as 0xffff. In data the checksum must be 0.
func UpperChecksum(h *Header, proto uint8, data []byte) uint16 {
	s := uint64(proto) + uint64(len(data))
	for _, a := range [...]uint64{h.Src.Hi, h.Src.Lo, h.Dst.Hi, h.Dst.Lo} {
		s += a>>32 + a&0xffffffff
	}
	return ^fold(sum(s, data))
}
