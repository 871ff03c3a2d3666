package packet

import "encoding/binary"

// LowerTTL brings the hops that the outer header counted into the inner header b: the TTL or hop limit becomes the lesser
// of the two, so that a host counts the routers of the core as it does without a tunnel.
//
// Deviation: RFC 4301 §5.1.2 leaves the inner one alone. The outer one is not authenticated, but may only lower the inner
// one: whoever can write to it on the way can drop the packet as well, and so can each router on a path without us.
func LowerTTL(outer uint8, b []byte) {
	if b[0]>>4 == 6 {
		b[7] = min(b[7], outer)
		return
	}
	if b[8] <= outer {
		return
	}
	was := binary.BigEndian.Uint16(b[8:])
	b[8] = outer
	check := binary.BigEndian.Uint16(b[10:])
	binary.BigEndian.PutUint16(b[10:], UpdateChecksum(check, was, binary.BigEndian.Uint16(b[8:])))
}
