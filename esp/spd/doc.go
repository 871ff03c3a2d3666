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
//	receive only          ask the next group
//	no group left: clear
//
// A verdict to protect names the class of the rule: the SAs of a group share its access list, and each sends for the
// classes that it was activated for.
//
// Inbound an opened packet must match the selectors of its own SA (Selectors.Match), or if the SA has none, the rules of
// its group (Table.Permits), in one direction or the other.
// Local exceptions do not count there: another member that lacks the exception is right to protect such traffic.
//
// A packet whose ports cannot be seen (every fragment but the first) matches a permit rule with ports and does not match
// a deny rule with ports. So it may be protected without need, which the receivers undo, but never leaks. The same holds
// for rules with a protocol when extension headers behind an IPv6 fragment header hide it.
//
// A Table is immutable but for its hit counters, which are atomic; swapping the pointer replaces the policy. A Cache
// belongs to one goroutine. Lookups neither allocate nor lock.
package spd
