// Package wire is the WAN side of a member: complete IPv4 packets out, transit ESP in, in batches.
//
//	pipeline ──WriteBatch──▶ raw socket IPPROTO_RAW (IP_HDRINCL), sendmmsg, SO_MARK ──▶ main table ──▶ WAN
//	pipeline ◀─ReadBatch──── raw socket protocol 50, recvmmsg ◀── ip rule iif wan ipproto 50 ◀── WAN
//
// Address preservation means that an ESP packet bears the addresses of two hosts: sending needs a socket that takes any
// source address, and receiving needs the rule of daemon/netcfg that delivers transit ESP locally. The kernel
// reassembles fragments before a raw socket sees them. It never fragments a packet with IP_HDRINCL: what is larger than the
// MTU comes back as EMSGSIZE, so the engine fragments before it seals.
//
// The mark lets netcfg's rules send this socket's packets past the rule that leads the member's own traffic into the TUN;
// without it ESP to a protected destination would loop.
//
// Concurrency: one goroutine reads, one writes. Close unblocks both.
package wire
