// Package netcfg is what a group member needs from the Linux kernel, beside sockets: the TUN interface, policy routing,
// and the packet filter that keeps clear traffic in when the daemon is dead. Everything goes through netlink.
//
// # Routing
//
// Six preferences from Config.Preference on (B, default 8480), all rules tagged with Config.Protocol:
//
//	B    fwmark MARK                     lookup main     our own raw socket (sealed and clear packets): past the TUN
//	B+1  fwmark MARK                     unreachable     ... and never into it when main has no route
//	B+2  iif WAN ipproto 50              lookup IN       transit ESP is delivered locally, addresses intact
//	B+3  iif lo  GDOI, routing protocols lookup main     Config.Exempt: what must work before there are keys
//	B+4  iif LAN                         lookup OUT      hosts behind the member, one rule for each LAN interface
//	B+5  iif lo                          lookup OUT      the member's own traffic
//
// Table IN (849) has `local default dev lo`. Table OUT (848) follows the policy and the main table:
//
//	P          dev TUN   each prefix that the policy protects as a destination (before the first registration: Protect)
//	R inside P throw     each route of main that does not leave through the WAN: LAN to LAN and management stay clear
//	W inside R dev TUN   each route of main through the WAN inside such an R
//
// What the access list denies inside P enters the TUN too; the engine gives it back as Clear and it leaves unchanged
// through the raw socket. Routes into the TUN carry a preferred source, so that the member's own connections start
// from an address that the policy covers: a LAN address if one is covered, else the WAN's.
//
// # IPv6
//
// Rules and tables are the same for IPv6 from the first policy (or Protect) that names an IPv6 prefix until Down; before that
// nothing of IPv6 is touched. What stays on its link is left alone: fe80::/10 is thrown out of a protected ::/0, and the guard lets
// neighbours find and talk to each other (ofTheLink). Forwarding is switched on; interfaces that listened to router
// advertisements go on to (accept_ra 2), which a router would not. The TUN has no IPv6 address and its own IPv6 MTU (smaller by
// the longer outer header), so that the kernel answers larger packets itself.
//
// # Multicast
//
// When a group permits multicast destinations (prefixes inside 224/4), package mcast makes the member the multicast router
// between its LANs and the TUN, and joins on the WAN what hosts have joined on the LANs. ESP to a group comes in by table
// IN like all other.
//
// # Reverse path filter
//
// The route back to a protected prefix is the TUN, so a strict filter (1) would drop what legitimately comes from the WAN:
// denied (clear) traffic, and ESP on its way to local delivery. Up makes a strict filter on WAN and TUN loose (2);
// 0 and 2 are left alone. ip_forward is switched on when it is off. Down puts both back; after SIGKILL the next daemon's Down
// does, which finds in Config.Saved what they were.
//
// # Repairs
//
// Watch is told by the kernel when somebody changes rules, routes, links, nftables, forwarding or the reverse path filters,
// and puts back at once what the member depends on; it reports that as *Repaired. While the guard is gone routes and rules
// still lead into the TUN, and while these are gone the guard drops, so nothing leaves in clear unless both go at once.
//
// # MTU
//
// What routers say about ESP packets (ICMP errors that quote protocol 50) is not forwarded to the hosts that it is addressed to:
// the data path hears it by a packet socket and translates it.
//
// The TUN gets what Config.InnerMTU says for the WAN's MTU, and follows it; with IPv6 not less than 1280, which it must have.
// A larger packet with DF then draws the ICMP error from the kernel, one without is fragmented before it reaches the engine. Where the engine is to do otherwise
// (engine.TUNMTU) it is the WAN's own MTU, and the kernel does so only to what the WAN would not take in clear either.
//
// # Guard
//
// The nftables table `inet getvpn_NAME` repeats the policy in the kernel, first match wins: deny accepts, permit of a
// fail-closed group drops (see guard.go for the chains). It is put in place before anything else, replaced in one
// transaction when the policy changes, survives SIGKILL (the TUN does not, so traffic falls back to the main table and
// meets the guard), and goes only by an orderly Down, unless Config.KeepGuard. A fail-open group contributes nothing: its
// traffic goes in clear by design while there are no keys. While it has keys, what arrives in clear is checked in a second
// table that ends with the process (see live.go). One thing is dropped whatever the mode: a decrypted packet that the main
// table would send out through the WAN again.
//
// A group that migrates (AcceptClear, SendClear) and one whose policy changes (Also) let more pass; Prepare and SetGroups
// change over without a gap. What was dropped is counted by reason, and the counts outlive policies and daemons.
//
// Concurrency: methods may be called from any goroutine; they exclude each other.
package netcfg
