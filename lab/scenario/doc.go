// Package scenario is the model of a lab: its nodes and links, the daemons that run on them, the steps of a scenario and
// the checks that decide whether it passed. It knows no driver: network namespaces, containers and the simulator read the
// same files.
//
// A scenario is one YAML file, decoded strictly; an error names file and line. The sections, in the order in which a
// reader wants them:
//
//	name, title, description
//	vars:      {tek_lifetime: 100s, ...}            defaults; --set NAME=VALUE replaces one
//	profiles:  {quick: {tek_lifetime: 20s}}         named sets of values; --profile NAME
//	alone:     true                                 run --all --jobs N runs nothing beside it
//	ipv6:      2001:db8::/32                        every node has IPv6 addresses and routes beside those of IPv4 (see ipv6.go)
//	protected: [10.1.0.0/16]                        what must never be seen in clear in the core
//	policy:    ["deny tcp any any eq 22", ...]      the group's access list; ${policy} in a program's configuration
//	secrets:   [gm1, gm2]                           fresh random keys of each run, files of mode 0600 under ${secrets}
//	pki:       {authorities: [...], certificates: [...]}   fresh certificates of each run, there too (see pki.go)
//	programs:  {gm: {binary: getvpn-gm, config: "text with ${node}"}}
//	services:  {bird: {binary: bird, package: bird2, args: [-f, -c, "${file}"], config: ...}}   other programs, without a control socket (see service.go)
//	nodes:     [{name: gm1, kind: gm, program: gm, routes: ["default via 172.16.1.2"]}]
//	           hsm: {keys: [gm1]} in a node gives it a SoftHSM token of its own, here with the key of a certificate (see hsm.go)
//	links:     [{ends: [gm1 wan0 172.16.1.1/30, p1 gm1 172.16.1.2/30], mtu: 1500}]
//	steps:     [{check: reach, pairs: all}, {do: kill ks1}, {parallel: [...]}]
//	           needs: network marks what builds on something that only real nodes have: the simulator skips it
//	           name: and text: of a step tell what it is; message: and hint: of a check what it means that it failed, and where to look
//	draw:      {site: 20..99, victim: [{gm: gm1}, {gm: gm2}]}   values that differ from one up to the next (see draw.go)
//	sabotage:  {text: ..., set: {fail: open}, fails: [fail-closed]}   what it teaches, broken on purpose: see sabotage.go
//	story:, faults:, tasks:                         of an exercise: what is told, what is broken, what is to be done (see task.go)
//
// A scenario can build on another one: base: basic takes everything that is not given here from basic (see base.go), and
// without: [x1, hx] leaves nodes out. "operator", "configure" and the other actions are in package check.
//
// schema.json is all of it as a JSON Schema, for editors: "# yaml-language-server: $schema=PATH" as a file's first line.
//
// ${NAME} is replaced by a variable, or what was drawn, everywhere but in vars and profiles. A program's configuration also knows ${node},
// ${dir}, ${socket}, ${state}, ${secrets}, ${policy}, ${addr.IFACE}, ${net.IFACE}, ${addr6.IFACE}, ${net6.IFACE}, of a node with a token
// ${hsm.module}, ${hsm.token}, ${hsm.pin}, and the node's own vars; $${ is a literal ${.
package scenario
