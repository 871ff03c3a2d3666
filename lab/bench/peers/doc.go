// Package peers measures data paths side by side: plain forwarding, this project's members, and what else carries packets
// in user space, each between the same two hosts.
//
//	ha --lan-- ga ----wan---- gb --lan-- hb      four network namespaces, one machine, one after the other
//
// The WAN is a wire: no frame on it is longer than the MTU, so that nobody's outer packets pass as super-packets (which
// only tunnels in TCP or UDP could have). Receivers may coalesce (GRO), as network cards let them.
//
// A machine that others share drifts by up to a factor of two within minutes. So the rounds are interleaved: each round
// visits every peer once, with a fresh topology, and what counts is the ratio of medians of one run, with its spread. Both
// gateways, both hosts and the load share the processors, so the processor time of a gigabyte says as much as the rate.
//
// A peer that cannot be installed or does not start is named with its reason and left out.
package peers
