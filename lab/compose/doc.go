// Package compose is the lab driver of containers, and what writes a scenario as a docker-compose.yml that runs by itself.
//
// # Nodes
//
// Every node of the scenario is a container gvl-LAB-NODE, its machine: it holds the node's network namespace, routes, and lives
// as long as the lab. A daemon is a second container, gvl-LAB-NODE-daemon, in the network namespace of the first. So a daemon
// can crash as in life: addresses, routes and the rules that a fail-closed member leaves in the kernel outlive it. It is also
// what lets each have no more than it needs: machines have NET_ADMIN and NET_RAW (and SETGID, for tcpdump), members the first two and /dev/net/tun, key servers
// no capability at all (port 848 is open to everybody in the node's namespace, by a sysctl). Nothing is privileged, root file
// systems are read-only, and nobody gains privileges.
//
// # Links
//
// All containers of a lab are on one docker network, wires, which is internal. Every link of the scenario is a VXLAN of two
// ends on it, that the machines make in their own namespaces, with the names, addresses and widths of the scenario. Links as
// docker networks of their own do not work: docker gives the first address of every subnet to the host, so that a /30 has no
// room for its two ends; subnets of two labs may not overlap; and where bridged packets go through the host's iptables
// (net.bridge.bridge-nf-call-iptables), an internal network drops all packets whose addresses are not of its subnet, which are
// all packets of a group that keeps its addresses. Interfaces cannot be named either. What a VXLAN carries is hidden from all that,
// multicast and IPv6 too.
//
// The interface to wires is named wires in every node, and no check looks at it.
//
// # Files
//
// The run directory is that of package driver, on the host. The service prepare fills it, once, and ends; machines and daemons
// wait for it. A container has what is of its node, at the same path, and nothing of another node or of the whole lab: a shell in
// a member reads no secret of a key server, and no trainee a solution. What there is besides:
//
//	machines/NODE/network.json  links, routes and services (other programs) of the node, which is all that its machine knows of the scenario
//	sockets/NODE/               what the node's daemon has as sockets; sockets/NODE.sock is a link into it, for consoles of the host
//	services/NODE/NAME.log      what a service writes, which is there and not in logs/. The node may write there, so the host follows no link in it
//	docker-compose.yml, given.json  what the driver has brought the lab up with
//
// The image has getvpn-lab, and so all scenarios; but for that, what a trainee may not read is not in a container.
//
// # The driver
//
// The driver writes the same docker-compose.yml into the run directory, creates its containers with docker-compose, and starts
// them itself. Daemons are processes of the host, so kill, pause and reload are signals as everywhere, and faults of the
// network are nftables rules in the machines' namespaces. Down finds containers and networks by their label and needs no file;
// another label says in which directory the lab is kept, and down leaves those of a lab that another directory has.
package compose
