// Package live is the simulator paced by the wall clock: the nodes of a lab's scenario in one process, with a control socket for each
// and a lab.json, so that the console and getvpn-lab work with them as with daemons. Time can be stopped, stepped, made faster, turned
// back, and forked.
//
//	scenario ─▶ configuration files ─▶ sim.Cast ─▶ Run ◀─ orders (plan.json)
//	                                               │
//	             control sockets, lab.json ◀─ Server ─▶ the wall clock
//
// A Run follows from its Plan: the scenario, a seed, and Orders, which are all that was ever done to it, each with its time and the
// number of events before it. Going back is playing again from the beginning, which is exact; the trace hash is compared on the way.
// Orders of later times stay in the plan and are carried out again when their time comes, until another order is given: then the rest
// is forgotten. A fork is a copy of the plan up to now, in a lab and a process of its own.
//
// A Virtual lab does not go with the wall clock at all: getvpn-lab run goes through the steps and checks of a scenario in it, in no time
// and with the same outcome each time. Packets of hosts are streams of the model there (sim.Stream).
//
// What the simulator leaves out of a scenario: the core's routers (they forward, and a partition of them cuts whom they join), hosts
// and their packets (counters show what the model of the data planes says of a constant stream between all members), and other
// programs of nodes. What is in a token is a model too: KEKs, and the keys of certificates. Stage says so for a scenario that needs them.
package live
