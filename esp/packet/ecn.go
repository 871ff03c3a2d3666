package packet

import "encoding/binary"

// ECN code points, RFC 3168 §5.
const (
	ecnMask = 3
	notECT  = 0
	ect1    = 1
	ect0    = 2
	ce      = 3
)

// Decapsulate brings the congestion marks that the outer header collected on its way into the inner header b, RFC 6040
// §4.2 (the same for IPv6). It says false if the packet must be dropped: marked as congested though its sender does not know ECN.
func Decapsulate(outerTOS uint8, b []byte) bool {
	shift := 0
	if b[0]>>4 == 6 {
		shift = 4 // the traffic class lies across the first two octets
	}
	inner := b[1] >> shift & ecnMask
	var ecn uint8
	switch outer := outerTOS & ecnMask; {
	case outer == ce && inner == notECT:
		return false
	case outer == ce:
		ecn = ce
	case outer == ect1 && inner == ect0:
		ecn = ect1
	default:
		return true
	}
	was := binary.BigEndian.Uint16(b)
	b[1] = b[1]&^(ecnMask<<shift) | ecn<<shift
	if shift != 0 {
		return true // no header checksum
	}
	check := binary.BigEndian.Uint16(b[10:])
	binary.BigEndian.PutUint16(b[10:], UpdateChecksum(check, was, binary.BigEndian.Uint16(b)))
	return true
}
