// Package policy is a group's traffic policy: an ordered access list that says what the group encrypts, and the
// list of members that a key server authorises.
//
// The text form is the one that operators of existing products know, with prefixes in place of wildcards:
//
//	rule     = action protocol place [ports] place [ports]
//	action   = "permit" (encrypt) | "deny" (send in clear)
//	protocol = "ip" (any) | "tcp" | "udp" | "icmp" | ... | 0..255
//	place    = "any" | "any6" | "host" address | prefix
//	ports    = "eq" port | "range" low high | "lt" port | "gt" port      (tcp, udp, sctp, dccp, udplite)
//
// For example:
//
//	deny   udp any eq 848 any eq 848
//	deny   tcp any any eq bgp
//	permit ip  10.0.0.0/8 10.0.0.0/8
//
// The first rule that matches decides; a packet that no rule matches goes in clear. A list is neutral about
// direction: a member applies it, source to destination, to a packet that it sends and to a packet that it has
// decrypted, which is why permits should come in mirrored pairs (see List.Lint).
//
// A rule speaks of one address family. "any" takes the family of the other place and is IPv4 when both are
// "any"; "any6" is always IPv6.
//
// Values are immutable by convention and safe to share between goroutines.
package policy
