// Package check holds the checks that scenarios are made of, each a Go type that a step names and whose fields are the
// step's parameters:
//
//	{check: reach, pairs: all, within: 30s}            every host reaches every other
//	{check: own-traffic, member: gm1, to: h3}          a member's own traffic is protected
//	{check: denied-clear, pair: h1-h3, port: 22}       what the policy denies works, in clear; ipv6: true, here and in
//	                                                   own-traffic and bulk. Other checks use both families where there are two
//	{check: stranger-refused, stranger: x1, ...}       a wrong key gets an event and nothing else
//	{check: rollover-lossless, tek: 6, kek: 1, ...}    keys roll and no packet is lost
//	{check: bad-input, from: p2, targets: [ks1], ...}  garbage and replays at port 848 do no harm
//	{check: fail-closed, member: gm1, ...}             a killed member leaks nothing
//	{check: key-server-loss, node: ks1, ...}           traffic outlives the key server, then fails closed, then recovers
//	{check: multicast-copies, do: [...], ...}          rekeys by multicast: one copy a link, all acknowledge, no repeats
//	{check: core-only-esp}                             what the core saw during the whole run
//	{check: lossless, do: [rekey...], after: 5s}       traffic runs while something is changed, and nothing is lost
//	{check: lossless, multicast: 232.1.1.1, beside: all, ...} the same with multicast, to a group that the others joined, and unicast beside
//	{check: throughout, pairs: neighbours, steps: [...]}   steps with traffic from the first to the last, and nothing is lost;
//	    apart: {sides: [[h1, h2]], from: STEP, until: STEP}   but what sides may lose of each other, and when
//	{check: recovers, pairs: [h1-h3], do: [...], within: 5s}  something is broken under traffic, and passes again in time
//	{check: bulk, pair: h1-h3, megabytes: 4}           datagrams of all sizes and a TCP transfer arrive as they were sent
//	{check: path, pair: h1-h3, hops: [gm1, p1, gm3], ...}   traceroute shows these; narrow: p1, mtu: 1346: and the way's width
//	{check: replayed, from: p1, do: [...], reasons: [replay]}   recorded ESP is repeated: all of it is dropped and counted
//	{check: blocked, pairs: [h1-h3], for: 3s}          nothing passes, and nothing of it is clear
//	{check: soak, pair: ha-hb, for: 30m, rekeys: 80}   full rate while keys roll: nothing lost for want of a key, no growth
//	{check: primary, group: blue, is: ks2, at: [ks2, ks3], within: 2s}   key servers agree on who is primary: how soon
//	{check: keys, group: blue, are: one-epoch, within: 30s}   or rolled, readable, apart: what keys members and key servers have
//	{check: kek, group: blue, do: [stop ks1, start ks1], rekey: ks1, is: kept}   members accept a rekey under
//	                                                   the KEK that they had, with a higher number, or under a new one; none registers
//	{check: remains, nodes: [ks1], known: peers}       nothing secret of the token is in the daemon's memory or files; known is there
//	{check: command, do: [...], equals: "3"}           actions succeed, and the last of them says so; or, with fails: true, it is
//	                                                   refused, and says why: contains: "no member"
//	{check: state, node: gm1, path: gm.groups[0].state, equals: registered, within: 5s}   any value of a snapshot
//	{check: event, node: ks1, event: gm-removed, do: [...]}                               a journal gets an event
//
// Actions are the steps "do: ..." and what some checks do:
//
//	kill, stop, start, reload NODE                     reload is SIGHUP
//	pause, resume NODE                                 SIGSTOP and SIGCONT
//	wipe NODE [FILE]...                                the state of a daemon that does not run, or files of it
//	token lose, return NODE                            the token of its HSM is pulled out, or put back
//	revoke CERTIFICATE                                 onto its authority's revocation list, to be read at a reload
//	configure NODE [program=NAME] [VAR=VALUE]...       the daemon's file is written anew, to be read at a start or reload
//	operator NODE VERB [ARGUMENT]...                   getvpn-tui at that daemon: operator ks1 rekey blue --kek
//	exec NODE COMMAND [ARGUMENT]...                    any program inside a node; exec h1 sh -c "..."
//	partition A,B/C [only control] [for 30s], heal, wait 5s
//
// Time is the lab's (Env.now, Env.sleep): in the simulator it stands still while a check works, and goes on when it sleeps. What needs
// a real network is skipped there, and says so: a check that was skipped has neither passed nor failed.
//
// They measure with their own tools, so that nothing need be installed: Capture listens with packet sockets in all core
// routers during the whole run and classifies every packet; Traffic sends numbered datagrams between hosts and counts
// exactly which were lost, and when.
package check
