// Package gm is the group member's composition root. It wires the machine of gdoi/node to the GDOI socket, and its
// effects to the data path:
//
//	node.GroupMember ──InstallSA, ActivateSA, RetireSA──▶ engine (esp/engine) ◀── pipeline ──▶ TUN, raw sockets
//	        ▲        ──SetPolicy──────────────────────▶ kernel (netcfg: guard, routes), engine, kernel (see applier)
//	        └─────────DataPlaneReport────────────────── probe, once a second: sequence space low, unknown SPIs
//
// Start: the guard first, before anything could leak; then TUN, raw sockets, rules and routes, pipeline, and the
// machine last. An orderly end goes the other way round and takes the guard away last (on-exit: remove). SIGKILL
// leaves the guard in place.
package gm
