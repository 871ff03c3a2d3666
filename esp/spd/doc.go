// Package spd is the security policy database of RFC 4301 §4.4.1 in the form that GET VPN gives it: per group one ordered
// access list, the same for both directions, compiled for lookups that do not get slower with the number of rules.
//
// Outbound (Table.Lookup) the groups are asked in order; within a group the member's own exceptions come first, then the
// group's rules, first match decides:
//
//	group registered      permit: protect with this group     deny or no match: ask the next group
//	not registered,       permit (last known rules), or destination in Protect: fail closed
//	  fail closed         local deny, rule deny, GDOI or a routing protocol: ask the next group
//	not registered,       ask the next group
//	  fail open
//	no group left: clear
//
// Inbound (Table.Permits) an opened packet must be one that its own group's rules permit in one direction or the other.
// Local exceptions do not count there: another member that lacks the exception is right to protect such traffic.
//
// A packet whose ports cannot be seen (every fragment but the first) matches a permit rule with ports and does not match
// a deny rule with ports. So it may be protected without need, which the receivers undo, but never leaks.
//
// A Table is immutable but for its hit counters, which are atomic; swapping the pointer replaces the policy. A Cache
// belongs to one goroutine. Lookups neither allocate nor lock.
package spd
