// Package esp is one group security association of the data path: it seals IP packets into ESP and opens them, in
// place, with one of the suites of suite.go. The packages beside and below it:
//
//	packet   IPv4 and IPv6 headers: parse, preserve addresses, fragment, ICMP, MSS
//	replay   the exact window of one sender
//	sadb     SPI to SA, the SA to send with, keys destroyed once nobody reads them
//	spd      the compiled access list
//	engine   the decision for one packet; pure, so the simulator uses it too
//	tun wire pipeline   the I/O around it
//
// An ESP packet (RFC 4303 §2) as this package makes it, here with the cipher of RFC 4106 and the IV of RFC 6054:
//
//	 SPI 4 | sequence 4 | IV 8 = SID | counter        | inner packet | 1 2 3.. | pad length | next header | ICV 16
//	`---- AAD --------'                              `------------ AES-GCM, nonce = salt 4 | IV ------'
//
// The sequence number and the counter in the IV are the same number, starting at 1 for each sender id (SID), so one
// atomic addition hands out both. A Sender stops with ErrExhausted before either would repeat.
//
// # Who sent a packet
//
// With one key for many senders, each with its own numbers, RFC 4303 §3.4.3 has no anti-replay service and recommends to
// switch it off. Here a receiver has an exact window for each sender under each SA, because every packet says whose it
// is, in a way that other implementations need not know of:
//
//	GCM, GMAC, CTR   the IV is SID | counter, as RFC 6054 and RFC 6407 §3.5 want it
//	CBC, 3DES        an IV must be unpredictable (RFC 3602 §3): SID | counter, encrypted under a key that is derived from
//	                 the integrity key; holders of the group's key decrypt it (putIV)
//	NULL             there is no IV: 8 octets of TFC padding (RFC 4303 §2.7) between the inner packet and the ESP padding
//
// Sender ids come from the key server for every suite, and new ones with every registration, so a sender that was
// restarted starts a new window and is heard at once. The ICV covers all three; that SID and sequence number belong
// together is checked, so a random IV is not taken for one of ours.
//
// A packet of another implementation, in CBC, 3DES or NULL, names no sender: for those the receiver has a window for each
// source address (package engine), the inner one, which is authenticated. What it cannot know is that such a sender was
// restarted: with numbers from 1 it is heard again under the next key. A member whose key server gives it no sender id
// (allowed for these suites: RFC 6407 §3.5 asks for them with counter modes) draws one at random.
//
// # When it was sent
//
// The windows of a receiver that has just started are empty: under a key that it had before, whatever was recorded is new
// to it. So a group may have a time besides (package replay, Time), and packets carry it, as six octets of traffic flow
// confidentiality padding right behind the inner packet, before the tag of NULL: a mark and milliseconds. The ICV covers
// them, other implementations skip them, and the largest inner packet is six octets smaller. A receiver drops what is
// further from its own time than the window, and what was stamped before it had the key. Packets without a stamp are judged
// by their numbers alone, unless the key server says that all holders of the key stamp.
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
	TrailerLen = 2  // pad length and next header
	MaxIVLen   = 16 // of all suites
	ICVLen     = 16 // of AES-GCM and AES-GMAC: the only one that RFC 4106 makes mandatory

	// Headroom is what a buffer must have in front of a packet that is to be sealed: the outer IPv6 header, the ESP
	// header and the IV take at most 64; the other 32 are for the link header of the I/O around.
	Headroom = 96
	// Tailroom is what it must have behind: 6 of stamp, at most 15 of padding, 8 of tag (with no more than 3 of padding),
	// 2 of trailer and 32 of ICV.
	Tailroom = 64
)

// Protocol numbers that appear in the next header field of the trailer.
const (
	NextIPv4  = 4  // tunnel mode, IPv4 inside
	NextIPv6  = 41 // tunnel mode, IPv6 inside
	NextDummy = 59 // RFC 4303 §2.6: a packet to be thrown away
)
