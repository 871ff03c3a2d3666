// Package tun is the LAN side of a member: IP packets that the kernel routes into the group, and decrypted packets back
// to the kernel, in batches.
//
//	host ──▶ kernel ──ip rule iif lan──▶ TUN ──Read──▶ pipeline ──▶ engine (seal)
//	host ◀── kernel ◀───────main──────── TUN ◀─Write── pipeline ◀── engine (open)
//
// A Device reads and writes several packets a call, each at an offset into its buffer, so that ESP can put its headers
// in front without a copy. Vnet has a kernel side of super-packets (virtio headers): Read cuts them, Write merges what
// cutting would give back octet for octet, and both sides of the interface see the packets of a wire. Water is the portable
// backend, one packet a system call.
//
// Concurrency: one goroutine reads; Write may be called by several. Close unblocks Read.
package tun
