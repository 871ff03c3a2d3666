// Package packet reads and writes the IP headers of the data path: parse, checksums, the outer header that preserves the
// inner addresses, fragmentation before encryption, ICMP "fragmentation needed", MSS clamping and the flow key that the
// access list looks at.
//
// Every function works on the caller's buffers, checks bounds, allocates nothing and keeps nothing, so all may be called
// from any goroutine. IPv4 is complete; of IPv6 only the flow key is read, so that policy can be applied to it.
package packet

import "errors"

// IP protocol numbers used here.
const (
	ProtoICMP = 1
	ProtoTCP  = 6
	ProtoUDP  = 17
	ProtoESP  = 50
)

// ErrMalformed is returned, as it is, for anything that is not a sound IP packet.
var ErrMalformed = errors.New("packet: not a sound IP packet")
