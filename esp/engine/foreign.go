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
		return 1<<63 | maphash.Comparable(hashSeed, src)
	}
	return 1<<56 | src.Lo
}

var hashSeed = maphash.MakeSeed()
