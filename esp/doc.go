// Package esp is one group security association of the data path: it seals IP packets into ESP and opens them, in
// place, with AES-GCM. The packages beside and below it:
//
//	packet   IPv4 and IPv6 headers: parse, preserve addresses, fragment, ICMP, MSS
//	replay   the exact window of one sender
//	sadb     SPI to SA, the SA to send with, keys destroyed once nobody reads them
//	spd      the compiled access list
//	engine   the decision for one packet; pure, so the simulator uses it too
//	tun wire pipeline   the I/O around it
//
// An ESP packet (RFC 4303 §2) as this package makes it, with the cipher of RFC 4106 and the IV of RFC 6054:
//
//	 SPI 4 | sequence 4 | IV 8 = SID | counter        | inner packet | 1 2 3.. | pad length | next header | ICV 16
//	`---- AAD --------'                              `------------ AES-GCM, nonce = salt 4 | IV ------'
//
// The sequence number and the counter in the IV are the same number, starting at 1 for each sender id (SID), so one
// atomic addition hands out both. A Sender stops with ErrExhausted before either would repeat.
//
// The extended sequence number is not used: a member that joins late could not know its high half, and RFC 9838
// forbids it for multicast SAs.
//
// Concurrency: an SA is immutable until Destroy; any number of goroutines may Seal, Open and reserve numbers at the same
// time, each with its own Context. Destroy may only be called when no other call is under way; package sadb sees to it.
// Nothing here allocates per packet.
package esp

// Sizes of the parts of an ESP packet in octets, RFC 4303 §2 and RFC 4106 §3.
const (
	HeaderLen  = 8  // SPI and sequence number
	IVLen      = 8  // explicit IV
	TrailerLen = 2  // pad length and next header
	ICVLen     = 16 // the only ICV length that RFC 4106 makes mandatory
	MinLen     = HeaderLen + IVLen + TrailerLen + 2 + ICVLen

	// Headroom is what a buffer must have in front of a packet that is to be sealed: the outer IPv4 header, the ESP
	// header and the IV take 36; the rest is for the link header and the virtio header of the I/O around.
	Headroom = 64
	// Tailroom is what it must have behind: at most 3 of padding, 2 of trailer and 16 of ICV.
	Tailroom = 32
)

// Protocol numbers that appear in the next header field of the trailer.
const (
	NextIPv4  = 4  // tunnel mode, IPv4 inside
	NextIPv6  = 41 // tunnel mode, IPv6 inside
	NextDummy = 59 // RFC 4303 §2.6: a packet to be thrown away
)

// SealedLen returns the length of the ESP packet (from the SPI to the ICV) that carries n octets.
func SealedLen(n int) int {
	return HeaderLen + IVLen + (n+TrailerLen+3)&^3 + ICVLen
}

// InnerMax returns the longest packet whose ESP packet, with an outer header of outer octets, fits into mtu.
func InnerMax(mtu, outer int) int {
	return max(0, (mtu-outer-HeaderLen-IVLen-ICVLen)&^3-TrailerLen)
}
