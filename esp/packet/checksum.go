package packet

import (
	"encoding/binary"
	"math/bits"
)

// Checksum returns the Internet checksum of b (RFC 1071), to be stored big-endian.
func Checksum(b []byte) uint16 { return ^Fold(Sum(0, b)) }

// Sum adds the 16-bit words of b, which are big-endian and of which the last may be half, to the ones' complement sum s.
// The complement of Fold of it is a checksum. It takes long strings eight octets at a time, in the machine's order and with
// the carry going round: the sum does not care (RFC 1071 §2 (A) and (B)), only its octets must be swapped in the end.
func Sum(s uint64, b []byte) uint64 {
	if len(b) >= 32 {
		var long, c uint64
		for len(b) >= 64 { // the carry is worth a register only within a turn
			long, c = bits.Add64(long, binary.LittleEndian.Uint64(b), 0)
			long, c = bits.Add64(long, binary.LittleEndian.Uint64(b[8:]), c)
			long, c = bits.Add64(long, binary.LittleEndian.Uint64(b[16:]), c)
			long, c = bits.Add64(long, binary.LittleEndian.Uint64(b[24:]), c)
			long, c = bits.Add64(long, binary.LittleEndian.Uint64(b[32:]), c)
			long, c = bits.Add64(long, binary.LittleEndian.Uint64(b[40:]), c)
			long, c = bits.Add64(long, binary.LittleEndian.Uint64(b[48:]), c)
			long, c = bits.Add64(long, binary.LittleEndian.Uint64(b[56:]), c)
			long, c = bits.Add64(long, 0, c)
			long += c
			b = b[64:]
		}
		for len(b) >= 32 {
			long, c = bits.Add64(long, binary.LittleEndian.Uint64(b), 0)
			long, c = bits.Add64(long, binary.LittleEndian.Uint64(b[8:]), c)
			long, c = bits.Add64(long, binary.LittleEndian.Uint64(b[16:]), c)
			long, c = bits.Add64(long, binary.LittleEndian.Uint64(b[24:]), c)
			long, c = bits.Add64(long, 0, c)
			long += c
			b = b[32:]
		}
		s += uint64(bits.ReverseBytes16(Fold(long&0xffffffff + long>>32)))
	}
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

// Fold makes a ones' complement sum 16 bits wide.
func Fold(s uint64) uint16 {
	for s > 0xffff {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// UpdateChecksum returns the checksum after one 16-bit word that it covers changed from was to is, RFC 1624 §3 eqn. 3.
func UpdateChecksum(check, was, is uint16) uint16 {
	return ^Fold(uint64(^check) + uint64(^was) + uint64(is))
}

// UpperChecksum returns the checksum of an upper layer with a pseudo-header (TCP and UDP: RFC 9293 §3.1; IPv6: RFC 8200
// §8.1), to be stored big-endian; a UDP checksum of 0 is to be stored as 0xffff. In data the checksum must be 0.
func UpperChecksum(h *Header, proto uint8, data []byte) uint16 {
	s := uint64(proto) + uint64(len(data))
	for _, a := range [...]uint64{h.Src.Hi, h.Src.Lo, h.Dst.Hi, h.Dst.Lo} {
		s += a>>32 + a&0xffffffff
	}
	return ^Fold(Sum(s, data))
}
