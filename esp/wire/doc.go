// Package wire is the WAN side of a member: complete IP packets out, transit ESP in, in batches.
//
//	pipeline ──WriteBatch──▶ ESP for a known neighbour ──▶ AF_XDP or AF_PACKET ──────────────▶ WAN
//	                    └──▶ all else ──▶ raw socket, SO_MARK ──▶ main table ──▶ filter ─────▶ WAN
//	pipeline ◀─ReadBatch──── AF_XDP or AF_PACKET ◀── whole ESP packets ◀─────────────────────┬ WAN
//	                    └─── raw socket ◀── ip rule iif wan ipproto 50 ◀── the kernel: rest ◀┘
//
// Address preservation means that an ESP packet bears the addresses of two hosts: sending needs a socket that takes any
// source address, and receiving needs the rule of daemon/netcfg that delivers transit ESP locally.
//
// # Modes
//
// Open takes the fastest that there is, and says why not a faster one:
//
//   - AF_XDP: memory shared with the kernel, a program on the interface. One socket sends and another receives: a poll of
//     one that does both sends under its lock. What it carries is invisible to tcpdump, nftables and tc on this interface.
//   - AF_PACKET: sendmmsg past the queueing discipline, recvmmsg behind a filter. See shield for what keeps the kernel from
//     handling the same packet again.
//   - raw sockets: the kernel does everything. They are also the slow way of the other two: for what is in clear (it passes the
//     system's filter as before), for neighbours that are not known yet, larger than the MTU (counted TooBig), and for
//     fragments that come in: only whole packets are taken before the kernel, which reassembles the others (RFC 4303
//     §3.4.1) and hands them to the raw socket. It never fragments what a raw socket sends: the engine does, before it seals.
//
// The mark lets netcfg's rules send packets of the raw sockets past the rule that leads the member's own traffic into the
// TUN; without it ESP to a protected destination would loop. Routes are looked up with the same mark.
//
// # Changes of the system
//
// A link that goes down and up, another address, MAC, route or neighbour: followed, by netlink. While the link is down packets are
// counted as Unreachable. The interface is removed, or gets an MTU that the mode cannot have: both directions return an
// error that wraps ErrReopen, and the owner opens anew. Whatever is in the kernel (program, table) goes with the descriptors,
// also when the process is killed.
//
// Concurrency: one goroutine reads, one writes, for each Conn. Close unblocks both.
package wire
