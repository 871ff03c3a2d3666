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
//
// The data path outlives its interfaces: when one is deleted, made again, or fails, traffic closes both ends and opens them
// again, until that works; the daemon stays, and so do its keys and its registration. netcfg.Watch repairs what others change
// in the kernel. Both are in the journal (data-path-down, data-path-up, kernel-repaired) and in the snapshot.
package gm
