// Package node is one process as one machine.Machine: KeyServer or GroupMember. It finds, for every event, the part that
// it is for, keeps what strangers can cause within Limits, counts every datagram that it drops by reason, and folds the
// deadlines of its parts into one.
//
//	datagram ─▶ size, header ─▶ Main Mode, Informational   cookies (first message: initiator cookie and source) ─▶ ike1.Session
//	                         ├▶ GROUPKEY-PULL              cookies, message id ─▶ pull.Responder ─▶ keyserver.Group
//	                         │                                               or pull.Initiator ─▶ member.Group
//	                         ├▶ GROUPKEY-PUSH              cookies = KEK SPI ─▶ member.Group
//	                         └▶ COOP                       cookies, of a peer's session ─▶ coop/link.Link ─▶ coop.Cell
//	Persisted, Signed, commands, reports ─▶ the group that asked, or is named
//
// The first Step starts the node, whatever its event; until then Deadline is immediate.
//
// Before a datagram is authenticated it may cost: a header, a map look-up, and for Main Mode what ike1 says, within
// Limits. Diffie-Hellman is computed for message 3 alone, whose responder cookie shows that somebody at its source has read
// message 2. A key server that is full of negotiations, or has too many of a source, answers first messages without keeping
// anything of them (cookieJar), so that forged ones keep nobody out. Only where that cannot be, or where a message 3 needs
// room, the oldest negotiation gives way that never got beyond its first message: of that source, or of the source that has
// most.
package node
