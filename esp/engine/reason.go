package engine

// Reason says why a packet was dropped. The names are stable: they appear in metrics, journal and console.
type Reason uint8

// Reasons.
const (
	None            Reason = iota
	Malformed              // not a sound IP or ESP packet
	NoSA                   // policy says protect, but no SA sends for the class
	SeqExhausted           // no sequence number or IV left under the SA to send with
	FailClosed             // not registered, and the packet is in the guarded range
	TooBig                 // larger than the MTU and must not be fragmented
	Fragmented             // a fragment of an ESP packet; the kernel must reassemble it first
	BadECN                 // marked as congested though its sender does not know ECN, RFC 6040 §4.2
	LinkLocal              // IPv6 that no router forwards: link-local addresses, neighbour discovery
	UnknownSPI             // no SA with this SPI
	Expired                // the SA's hard end has come
	Replay                 // seen before, or too old to tell
	OwnSender              // one of our own packets came back
	AuthFailed             // the integrity check failed
	BadPadding             // an authentic packet with wrong padding
	BadNextHeader          // an authentic packet that is not tunnel mode
	Dummy                  // RFC 4303 §2.6: a dummy packet
	SenderLimit            // no memory for one more sender
	OwnAddress             // the inner source is this member's own address
	AddressMismatch        // the outer header does not repeat the inner addresses
	PolicyMismatch         // the inner packet is not one that the SA's selectors, or the group's policy, permit
	TimeReplay             // its time stamp is outside the window, or from before we had the key
	Unstamped              // without a time stamp, under an SA all of whose senders stamp
	ICMPForeign            // an ICMP error about an ESP packet that we did not send, or long ago
	ICMPForgotten          // ... whose beginning is no longer remembered: path MTU learned, but nobody told
	ICMPImplausible        // ... with an MTU that the packet fits into, or that is none
	ICMPNoAnswer           // ... about a packet that must not be answered, as an ICMP error
	ICMPLimited            // ... too many of them
	NoRoom                 // the buffer lacks head- or tailroom (a fault of the caller)
	numReasons
)

var reasonNames = [numReasons]string{
	None: "none", Malformed: "malformed", NoSA: "no-sa", SeqExhausted: "seq-exhausted", FailClosed: "fail-closed",
	TooBig: "too-big", Fragmented: "fragmented", BadECN: "bad-ecn", LinkLocal: "link-local", UnknownSPI: "unknown-spi", Expired: "sa-expired", Replay: "replay",
	OwnSender: "own-sender", AuthFailed: "auth-failed", BadPadding: "bad-padding", BadNextHeader: "bad-next-header",
	Dummy: "dummy", SenderLimit: "sender-limit", OwnAddress: "own-address", AddressMismatch: "address-mismatch", PolicyMismatch: "policy-mismatch",
	ICMPForeign: "icmp-foreign", ICMPForgotten: "icmp-forgotten", ICMPImplausible: "icmp-implausible",
	ICMPNoAnswer: "icmp-no-answer", ICMPLimited: "icmp-limited",
	TimeReplay: "time-replay", Unstamped: "unstamped", NoRoom: "no-room",
}

// String returns the stable name.
func (r Reason) String() string {
	if r < numReasons {
		return reasonNames[r]
	}
	return "unknown"
}
