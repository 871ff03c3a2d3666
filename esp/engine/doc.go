// Package engine decides what happens to a packet. It is pure: packets and the time come in, decisions go out, so the
// daemon's pipeline and the simulator run the same code.
//
//	Outbound   LAN ─▶ parse ─▶ policy ─┬─ clear ───────────────────────────────────────▶ Clear
//	                                   ├─ protect ─▶ MSS ─▶ size ─┬─ fits ─▶ seal ─────▶ Send
//	                                   │                          ├─ DF=0 ─▶ cut, seal ▶ Send, Send, ..
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
// Concurrency: control methods may be called from any goroutine. Each data goroutine has its own Worker; its calls take
// no lock but the one of a sender's replay window, which only two workers with packets of the same sender ever contend
// for, and allocate nothing once the buffers for fragments have grown.
package engine
