// Package space gives the labs of an ordinary user what root has: a user namespace in which that user is root, with a network and a
// mount namespace of its own (user_namespaces(7)). All labs of one run directory (driver.Base) live in one such space.
//
// # How it is kept, and found
//
// A namespace lives as long as a process is in it, so there is an anchor: "getvpn-lab anchor", which does nothing. Every process of the
// space has GETVPN_LAB_SPACE=DIRECTORY in its environment. So the space is found also when the anchor was killed: any daemon of a lab is
// a way in, and whoever enters starts another anchor.
//
// # How a command gets in
//
// Entering a user namespace takes a process with one thread, which no Go program is. So a command replaces itself by nsenter(1), which
// replaces itself by the same command again, inside. That one is root there; packages netns and driver see no difference, but for the
// directory where namespaces have their names: /run/netns is not the user's, so a tmpfs on .netns in the run directory takes its place,
// which only the space sees.
//
// # What one user alone cannot do
//
// One user is mapped, and no groups: no program in the space can become another user. Those that want to, as tcpdump and routing
// daemons do, are told that they have (seccomp(2)). The kernel lets nobody but root of the machine load XDP programs, or have receive
// buffers above net.core.rmem_max.
//
// # How it ends
//
// Who works inside holds a shared lock; who finds no lab left, and the lock free, ends the anchor and what else is there.
package space
