package gdoi

// DropReason is the stable code under which a dropped datagram is counted. Packages ike1, pull and push have further
// codes of their own in their errors; node counts them under the same map.
type DropReason = string

// Reasons that node itself gives.
const (
	DropTooShort       DropReason = "too-short"        // smaller than an ISAKMP header
	DropTooLong        DropReason = "too-long"         // larger than what we accept
	DropMalformed      DropReason = "malformed"        // the header does not parse, or lies about the length
	DropUnknownCookies DropReason = "unknown-cookies"  // no session has these cookies
	DropUnknownKEK     DropReason = "unknown-kek"      // a GROUPKEY-PUSH under a KEK that we do not hold
	DropUnknownExch    DropReason = "unknown-exchange" // an exchange type that we do not speak
	DropUnknownMessage DropReason = "unknown-message"  // a message id of no exchange, or one that has ended
	DropNotEstablished DropReason = "not-established"  // phase 2 before phase 1 is done
	DropHalfOpenLimit  DropReason = "half-open-limit"  // too many negotiations under way
	DropSourceLimit    DropReason = "source-limit"     // too many negotiations from this source
	DropSessionLimit   DropReason = "session-limit"    // too many established sessions
	DropTooOften       DropReason = "too-often"        // a registration from an address that has made too many
	DropFragmentMemory DropReason = "fragment-memory"  // too much of incomplete messages is kept already
	DropExchangeLimit  DropReason = "exchange-limit"   // too many exchanges in one session
	DropWrongAddress   DropReason = "wrong-address"    // from another address than the session's
	DropStandby        DropReason = "standby"          // a registration before there is a primary key server; the member asks again
	DropCustody        DropReason = "custody"          // a registration while the key custody does not tell the KEK; the member asks again
	DropUnknownGroup   DropReason = "unknown-group"    // another key server speaks of a group that is not here
	DropUnknownPeer    DropReason = "unknown-peer"     // not one of our key servers
	DropNotForUs       DropReason = "not-for-us"       // an exchange that only the other role answers
	DropAckUnasked     DropReason = "ack-unasked"      // an acknowledgement that nobody asked for, or of what was never sent
	DropAckDuplicate   DropReason = "ack-duplicate"    // an acknowledgement that has come before
	DropAckForged      DropReason = "ack-forged"       // an acknowledgement that does not verify
	DropAckOld         DropReason = "ack-old"          // an acknowledgement of a rekey that another one has overtaken
)
