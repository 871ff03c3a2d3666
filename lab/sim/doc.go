// Package sim runs a whole group in virtual time: the machines of gdoi/node, a network that loses, delays, doubles and
// reorders, a store and a key custody that answer late, nodes that crash between any two effects. It is one thread and
// one queue of events, ordered by instant and then by the order in which they were put in; all randomness comes from the
// seed. So a run is a function of its configuration, and TraceHash tells two runs apart by every octet sent and every
// effect.
//
//	queue ─▶ event ─▶ Machine.Step ─▶ effects ─▶ network, store, custody, data plane model ─▶ queue
//	                                     └─▶ trace hash, Checker
//
// The Checker watches the invariants of the project after every step:
//
//  1. no pair of key and sender id is given to a data plane twice, restarts included;
//  2. the rekey sequence number under one KEK never goes back;
//  3. nobody sends with a TEK before its activation while it holds an older one, nor with one that is retired, nor keeps
//     one beyond its end;
//  4. a member that says that it is registered has a key to send with, and one that lost its last key says so at once;
//  5. every key that anybody sends with is held by every registered member, so that all can talk (Apart says since when
//     not; only a run that loses the key server may have such times).
//     With Flows that is a matter of packets: what any member sends, under whichever SPI or in clear, every other takes,
//     by its SAs, their selectors, its access lists and its mode (Apart counts that too);
//  6. one SPI names one key, for ever;
//  7. a member that was removed (Sim.Remove) and overhears everything gets no key that was made since.
package sim
