package engine

import (
	"hash/maphash"

	"github.com/getvpn/getvpn/esp/packet"
)

// foreigner is what stands for the sender id of a packet that has none: its source. Sender ids have at most 56 bits; above
// them an IPv4 source stands for itself, and one of IPv6 for a hash, in which two of a million senders meet with a chance
// of 1 in 10 million.
func foreigner(src packet.Addr, version uint8) uint64 {
	if version == 6 {
		return foreignIPv6 | maphash.Comparable(hashSeed, src)
	}
	return foreignIPv4 | src.Lo
}

// Above all sender ids.
const (
	foreignIPv4 = 1 << 56
	foreignIPv6 = 1 << 63
)

var hashSeed = maphash.MakeSeed()
