// Package packet reads and writes the IP headers of the data path, IPv4 and IPv6: parse, checksums, the outer header that
// preserves the inner addresses, fragmentation before encryption, the ICMP errors about size, MSS clamping and the flow key
// that the access list looks at. One Header stands for both versions.
//
// Every function works on the caller's buffers, checks bounds, allocates nothing and keeps nothing, so all may be called
// from any goroutine.
package packet

import "errors"

// IP protocol numbers used here.
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoESP    = 50
	ProtoICMPv6 = 58
)

// ErrMalformed is returned, as it is, for anything that is not a sound IP packet.
var ErrMalformed = errors.New("packet: not a sound IP packet")
