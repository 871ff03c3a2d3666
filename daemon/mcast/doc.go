// Package mcast makes a group member a multicast router between its LANs and the TUN, for the multicast groups that a
// policy names as destinations (permit ip 10.0.0.0/8 232.0.0.0/8). The kernel forwards; this package tells it where:
//
//	LAN ── host joins G (IGMP) ──▶ Router ── joins G on the WAN (IGMP): the core sends ESP to G here
//	LAN ── (S, G) ──▶ kernel ── no route yet ──▶ Router: the policy permits S to G ──▶ LAN to TUN: sealed, and sent to G
//	TUN ── (S, G), opened ──▶ kernel ── no route yet ──▶ Router: who has joined G ──▶ TUN to these LANs
//
// The core must route multicast by itself: the outer header of ESP keeps the group as its destination, which is why the
// core can replicate it (RFC 5374). Not here: forwarding between LANs, IGMPv3 source filters (a join is for any source),
// the election of queriers, and multicast that stays in clear on the way between LAN and WAN.
//
// One process at a time can be the multicast router of a system; a gateway that runs another has to leave it to that.
package mcast
