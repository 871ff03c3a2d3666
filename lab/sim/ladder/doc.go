// Package ladder shows what the nodes of a simulated run say to each other: as a packet ladder with the payloads of every message, for a
// terminal or as a Mermaid diagram, and as a pcapng file for tools that read captures.
//
//	sim.Sim ─▶ Capture ─▶ Message ─▶ Text, Mermaid
//	              └─▶ Datagram ─▶ WritePCAP
//
// Payloads are decoded after decryption: the simulator hands out the keys of its phase-1 SAs as they are derived, and those of PUSH
// messages from its disks and tokens. A message is decoded when it is sent, and what is kept of it is words: no key, no plaintext.
// Key material is shown by its length. Datagrams are seen where they are sent, so that what the network loses is there, too.
package ladder
