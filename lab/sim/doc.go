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
//  7. a member that was removed (Sim.Remove) and overhears everything gets no key that was made since;
//  8. key servers forget keys that have ended, on their disks too, and no journal has a key.
//
// # Cooperating key servers
//
// With Config.Coop several key servers run the group. Then it matters who hears whom (cut.go), and the Checker adds:
//
//   - a rekey number under a KEK is used once, by whomever, and those of one key server go up;
//   - key servers that hear each other, and nobody else, have one primary, when nothing has changed for the settling time;
//   - no two members are ever apart if the group is to continue in a split; if it forks, members of different sides may be, from the
//     first new key until a little after the sides have found each other (pairs.go);
//   - in the end there is one primary, all key servers serve, have the same keys and know all members, and all members send
//     with the same key (play.go);
//   - who was removed gets no key made by a key server that knew of it.
//
// # Key custodies
//
// With Config.Custody key servers have tokens (token.go), which outlive them and their disks: calls take their time, are done in any
// order, and a crash finds them done or not. Tokens are lost, slow, full, or replaced by empty ones. The Checker adds (custody.go):
//
//   - no record has the value of a KEK that is in a token, in whatever form, and no key server's memory does between two steps,
//     what it has for other key servers included;
//   - no KEK is taken into use twice, and none is lost unless a token was replaced;
//   - nobody is primary without a token for long, while somebody else has one;
//   - in a strict run tokens may be lost, and no member loses traffic.
//
// # Casts
//
// With Config.Cast the nodes are those of a lab's scenario: names, addresses, and the configuration files of its daemons, translated
// as the daemons do it (cast.go). What a console sees of a node is made by the daemons' own functions, too (console.go).
//
// # Plans
//
// A Plan is a configuration and a list of Faults: values. Draw makes one from a seed, Play plays it, Hunt plays many, and Shrink makes
// the list of a plan that breaks something as short as it can be. What is left is saved as a list that can be played again,
// a trace and a sequence diagram. mutants_test.go breaks the code on purpose and sees to it that this is found.
package sim
