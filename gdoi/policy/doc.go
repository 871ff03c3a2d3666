// Package policy is a group's traffic policy: an ordered access list that says what the group encrypts, and the
// list of members that a key server authorises.
//
// The text form is the one that operators of existing products know, with prefixes in place of wildcards:
//
//	rule     = action protocol place [ports] place [ports]
//	action   = "permit" (encrypt) | "deny" (send in clear)
//	protocol = "ip" | "ipv6" (any) | "tcp" | "udp" | "icmp" | "icmp6" | ... | 0..255
//	place    = "any" | "any4" | "any6" | "host" address | prefix
//	ports    = "eq" port | "range" low high | "lt" port | "gt" port      (tcp, udp, sctp, dccp, udplite)
//
// For example:
//
//	deny   udp any eq 848 any eq 848
//	deny   tcp any any eq bgp
//	permit ip  10.0.0.0/8 10.0.0.0/8
//	deny   udp any6 eq 848 any6 eq 848
//	permit ipv6 2001:db8::/32 2001:db8::/32
//
// The first rule that matches decides; a packet that no rule matches goes in clear. A list is neutral about
// direction: a member applies it, source to destination, to a packet that it sends and to a packet that it has
// decrypted, which is why permits should come in mirrored pairs (see List.Lint).
//
// A rule speaks of one address family, as on existing products, whose lists for IPv4 and for IPv6 are two; here they may be
// one. "any" takes the family of the other place. When both are "any", the rule is IPv6's if the protocol is ipv6 or icmp6,
// and otherwise IPv4's; "any4" and "any6" say it outright. "permit ipv6 P P" is "permit ip P P" with IPv6 prefixes, and refuses
// IPv4 ones. Canonical text, which travels between key servers and members and which digests are made of, has "ip" and "any6":
// members of builds that cannot seal IPv6 yet read it too. They hold the protected IPv6 traffic back and encrypt IPv4.
//
// What IPv6 needs on a link (neighbour discovery and everything else from or to link-local addresses) is never routed, so that
// no rule is needed for it, and none has an effect on it.
//
// Values are immutable by convention and safe to share between goroutines.
package policy
