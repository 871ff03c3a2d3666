// Package gdoi holds the domain types of the Group Domain of Interpretation (RFC 6407): keys and their names, what a
// member tells its data plane, operators' commands, names of journal events and drops. This comment is the tour of the
// whole protocol house below it.
//
// # Who calls whom
//
// Everything here is machine.Machine or part of one: no sockets, clocks, goroutines or logs. A shell (daemon, lab/sim, a
// test) brings events and carries out effects.
//
//	shell ──event──▶ node.KeyServer ──▶ keyserver.Group  one group: members, keys, rollover, sender ids
//	      ◀─effects─        │    ╲          │      ╲
//	                        │     ╲         │       push.Build, push.Transmission   rekey messages
//	                        ▼      ▼        ▼
//	                  ike1.Session  pull.Responder ──▶ pull.Offer                   what is granted
//	                        ┊               ┊
//	                    phase 1        registration                                 the network
//	                        ┊               ┊
//	                  ike1.Session  pull.Initiator ──▶ pull.Offer
//	                        ▲      ▲        ▲
//	                        │     ╱         │       push.Receiver                   rekey messages
//	                        │    ╱          │      ╱
//	shell ──event──▶ node.GroupMember ─▶ member.Group    one group: key servers, registration, keys in use
//	      ◀─effects─
//
//	machine    the contract between all this and the world; Secret, Deadlines
//	isakmp     octets: headers, payloads, attributes
//	suite      algorithms: hashes, Diffie-Hellman, ciphers, signature forms
//	pki        certificates of peers: paths, revocation lists, identities
//	policy     access lists, and who may join
//	lkh        the key tree with which members are excluded
//
// # A group's day
//
// A member starts. node.GroupMember opens an ike1.Session to the key server and, when that is established,
// member.Group runs a pull.Initiator over it. At the other end node.KeyServer finds the session by its cookies and the
// pull.Responder by its message id. The Responder asks twice: WantPolicy, answered by keyserver.Group.Policy, which changes
// nothing; and, when the member has proved to be alive, WantKeys, answered by Register, which takes sender ids, notes the
// member and writes both down (machine.Persist) before the answer may leave (Send.After). The member turns the pull.Offer
// into InstallSA, ActivateSA and SetPolicy.
//
// Before the TEK ends, keyserver.Group makes the next one, writes it down, has a push.Message signed (machine.Sign) and a
// push.Transmission repeat it to everybody. Members find the push.Receiver by the SPI in the cookies, InstallSA at once,
// ActivateSA when everybody has it, RetireSA the old one at its end. The timing is in package keyserver, what a member does
// when no message comes in package member.
//
// # Where to look
//
//	a field on the wire         isakmp, one payload a file       a timer or limit     keyserver/config.go, member/config.go,
//	a hash, key or IV           ike1, pull, push                                      node/config.go, ike1/timers.go
//	why a datagram was dropped  reasons.go, node/drops.go        what is written      keyserver/records.go
//	whether it all holds        lab/sim: the same machines, a thousand members, virtual time, faults
package gdoi
