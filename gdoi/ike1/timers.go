package ike1

import "time"

// Timers and limits.
const (
	// DefaultLifetime of an ISAKMP SA, when the configuration says none. Configurable.
	DefaultLifetime = 24 * time.Hour
	// DefaultRetransmitBase is the first wait for an answer; each next one doubles. Configurable, for tests.
	DefaultRetransmitBase = time.Second
	// Transmissions is how often a message is sent before the peer counts as silent: at 0, 1, 3, 7, 15 s, end at 31 s.
	// Not configurable; the same for R-U-THERE.
	Transmissions = 5
	// HalfOpenLife ends a responder's session whose initiator went away: two full retransmission rounds. Not
	// configurable.
	HalfOpenLife = 62 * time.Second
	// AnswerLife is how long an established responder still answers duplicates of message 5: one retransmission
	// round. Not configurable.
	AnswerLife = 32 * time.Second
	// SignPatience is how long the key custody may take over our signature. Not configurable; the daemon's own timeout
	// is shorter.
	SignPatience = 15 * time.Second
	// maxProofs is how often one peer may fail to prove itself with different messages: each may cost us a path of
	// certificates and a signature. Repetitions of the same message cost nothing.
	maxProofs = 3
	// maxCertRequests and maxCerts are how many CERTREQ and CERT payloads we send and look at.
	maxCertRequests = 16
	maxCerts        = 8
	// maxWhole is the longest message that leaves in one piece, and maxPiece the longest piece: with the headers of
	// fragment, ISAKMP, UDP and IPv6 no more than 1280 octets, which every path carries.
	maxWhole = 1280 - 40 - 8
	maxPiece = maxWhole - 28 - 8
	// maxPieces and maxAssembled bound a message that arrives in pieces; assemblyLife is how long its pieces are kept:
	// as long as the longest wait between two transmissions, and a little.
	maxPieces    = 32
	maxAssembled = 32 << 10
	assemblyLife = 20 * time.Second
	// maxAgain bounds the answers to one message that comes again and again: message 2 is longer than message 1, whose
	// source may be a lie. The initiator sends Transmissions times, and the path may double that.
	maxAgain = 2 * Transmissions
	// nonceLen of our nonces; RFC 2409 §5 allows 8 to 256.
	nonceLen    = 32
	minNonceLen = 8
	maxNonceLen = 256
	// maxVendorIDs of a peer are remembered.
	maxVendorIDs = 16
	// maxReceived authenticated notifications wait for the owner.
	maxReceived = 16
	// rememberedIDs is how many message ids of Informational exchanges a replay is recognised by; what is older
	// replays at most a notification, since Delete ends the session and DPD has its own sequence numbers.
	rememberedIDs = 512
)
