// Package mroute is a small IPv4 multicast router for the core of a lab: it forwards with the kernel's multicast routing
// (MRT_INIT, one forwarding entry for each pair of source and group) and learns from IGMP what is wanted where.
//
//	IGMP report on an interface  ──▶ members of a group there (table) ──▶ outgoing interfaces of its entries
//	kernel: packet without entry ──▶ RPF: the route to the source gives the incoming interface; the entry is made
//	query from another router    ──▶ groups wanted elsewhere are joined there, so that its kernel reports them
//
// The last line is what a multicast routing protocol would do. Membership spreads from router to router by real IGMP and
// never back to where it came from, which takes a core without loops. Nothing goes where nobody asked for it.
//
// Not for anything but labs: no querier election (RFC 3376 §6.6.2), no source filters, one host a link.
package mroute
