// Package engine decides what happens to a packet. It is pure: packets and the time come in, decisions go out, so the
// daemon's pipeline and the simulator run the same code.
//
//	Outbound   LAN ─▶ parse ─▶ policy ─┬─ clear ───────────────────────────────────────▶ Clear
//	                                   ├─ protect ─▶ MSS ─▶ size ─┬─ fits ─▶ seal ─────▶ Send
//	                                   │                          ├─ DF=0 ─▶ cut, seal ▶ Send, Send, .. (see Size)
//	                                   │                          └─ DF=1 ─▶ ICMP ─────▶ Reply
//	                                   └─ not registered, fail closed ─────────────────▶ Drop(fail-closed)
//	Inbound    WAN ─▶ SPI ─▶ own? ─▶ replay? ─▶ open ─▶ time ─▶ replay! ─▶ addresses ─▶ policy ─▶ MSS ─▶ Deliver
//
// IPv4 goes in IPv4 and IPv6 in IPv6, with the same addresses (RFC 5374 §3.1), both under the same SA. No router fragments
// IPv6, so it always counts as DF=1; but what every IPv6 link takes (1280) always passes: if it does not fit, the sealed
// packet is cut (sealInPieces). What belongs to one link (Header.LinkLocal) is dropped either way.
//
// What the engine does not see: packets of the protected range that arrive from the WAN in clear, and packets that the
// kernel forwards without the TUN. Keeping these out is the kernel's job (package daemon/netcfg), and so is keeping an
// opened packet from being routed back to the WAN in clear, which a gateway in the middle of a path would otherwise do.
//
//	Errors     ICMP from the WAN about our ESP ─▶ SPI, sequence number sent? ─▶ path MTU ─▶ in the host's own terms ─▶ Reply
//
// # Size
//
// Config.Fragmentation and Config.DF are for IPv4 packets that do not fit once they are sealed, and for the outer DF:
//
//	               DFCopy                         DFClear                         DFSet
//	outer DF       the inner one                  0                               1
//	before         DF=0 cut, sealed; DF=1 ICMP    DF=0 cut, sealed; DF=1 sealed, cut   as DFCopy
//	after          DF=0 sealed, cut; DF=1 ICMP    sealed, cut                     not possible
//	never          ICMP                           ICMP                            ICMP
//
// What is cut after it is sealed has an outer DF of 0, and is cut to the path MTU. Towards a link narrower than 576 octets the
// outer DF is 0 whatever the policy, since no path MTU below that is believed. With another policy than the first in the
// table or DFSet the TUN has the WAN's MTU, so that the kernel does not cut or answer first; what is longer than that it cuts
// or answers as it would without us.
//
// # Transparency
//
// A host is to see the core as it would without us. DSCP, flow label, DF and TTL go out as they are, so routers queue, spread
// and count as before. On arrival the inner packet keeps its DSCP, whatever the core made of the outer one (pipe model, RFC
// 2983 §3: the mark is the sender's, and authenticated), takes congestion marks over (RFC 6040), and takes over the hops that
// were counted: its TTL becomes the lesser of both. The last gateway's own ICMP errors come from its LAN address.
//
// What routers say about ESP packets is not authenticated (RFC 4301 §6.1.1), and anybody in the core may say it. It is believed
// only about a packet that was sent, is limited in number, can only lower a path MTU, to no less than 576 or 1280 octets, and
// for ten minutes; at most 1024 destinations have one. The host is told type, code, MTU or pointer and who said it, about what
// we remember of its packet (sent.go): nothing else of the message gets in.
//
// Concurrency: control methods may be called from any goroutine. Each data goroutine has its own Worker; its calls take
// no lock but the one of a sender's replay window, which only two workers with packets of the same sender ever contend
// for, and allocate nothing once the buffers for fragments have grown.
package engine
