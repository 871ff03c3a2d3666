// Package member is a group's life on a member: which key server it registers with and when, which keys it holds, and
// which of them it sends with.
//
//	Start ─▶ attempt ─▶ phase 1 (Sessions) ─▶ PULL ─▶ keys: InstallSA, ActivateSA, SetPolicy
//	            ▲            │ failure          │            │
//	            └─ backoff ◀─┴──────────────────┘            ├─ PUSH: InstallSA now, ActivateSA after ATD, RetireSA at its end
//	            └─ no PUSH when one was due ◀────────────────┤
//	            └─ registration grows old ◀──────────────────┘
//
// The member knows A, the activation delay of package keyserver, as a quarter of DEACTIVATION_TIME_DELAY. A key that ends
// at E is replaced by E-4A; one that is not by E-3A makes the member register again, within A/2, which is in time
// for the moment when the others begin to send with the new key (E-2A). Independently of rekeys it registers again
// within a KEK lifetime, which keeps it on the key server's list.
//
// Of the keys that it holds it sends with the newest whose activation has come; before that with the oldest, which all
// others have. Loss of the key server changes nothing until the last TEK ends; then the keys are retired and SetPolicy
// says that the member is not registered, and it goes on trying.
//
// Traffic is divided into classes: the sets of permits that the TEKs protect. A rule of the access list belongs to the class
// of the TEK that is sent with among those that have it as a selector; each class has its own TEK to send with, and one that
// has lost its last TEK is dropped, while the others go on. A new access list, or mode, comes into force with the activation
// of the TEKs that came with it; until nobody can be late any more, what the other list lets pass in clear is accepted
// (policy.go).
//
// Key servers are an order of preference (Order may make it a member's own). Each registration begins with the first that
// is not known to be unreachable, and goes on to the next within seconds (servers.go), so that a member returns to the one
// that it prefers, and a dead one costs time only once in a while.
//
// A rekey that was carried out is acknowledged if the SAK of its KEK asks for that (ack.go), after a jitter; a repeated one
// again, within limits and only to where the first came from. Where a SAK names a multicast group the member joins it.
//
// A group may have several key servers. Rekeys come from the primary of them, which need not be the one that this member
// registered with, and are signed with one of the keys that registrations and rekeys named (trusted.go), whichever the
// address. A key server that is not ready, since there is no primary yet, says when to ask again; the others are asked before
// that. Where the sides of a partition become one, rekeys bring the keys of both: those of the side that gives way first, so
// that they are sent with until everybody has the others, and then end.
//
// Sender ids are new at every registration, and InstallSA tells them to the data plane for every key, known or new; a
// PUSH brings new keys for the same sender ids. So no pair of key and sender id is ever used with two counters.
//
// If the group has a time (package keyserver), the member keeps it by its own monotonic clock: a registration sets it, rekeys
// correct it as far as they can be trusted, and what remains from one to the next is taken for drift (clock.go). A time
// that jumps, as with another key server, is followed and counted. When everything that arrives is out of time the clock
// must be wrong, and a registration asks for the time; heeded like other alarms, since anybody can repeat old packets.
//
// A Group is not a machine.Machine but a part of one: node.GroupMember calls it. It belongs to one goroutine.
package member
