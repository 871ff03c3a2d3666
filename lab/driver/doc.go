// Package driver is what a lab is to those who work with it, whatever its nodes are made of: Lab is one that is up, Driver
// brings one up and takes it down, Set finds the driver of a lab by its name. Common holds what is alike: the run directory,
// configuration files and secrets as rendered from the scenario, daemons as processes of this machine, faults of the network
// as nftables rules in the nodes' namespaces, tokens. A driver adds its Machines: how a node and its daemon come into being.
//
// A Virtual lab has time of its own, and a model instead of a network.
//
// # The run directory
//
// Everything about a lab is below /run/getvpn-lab/LAB; for another user than root below $XDG_RUNTIME_DIR/getvpn-lab/LAB or, without
// that, /tmp/getvpn-lab-UID/LAB; with GETVPN_LAB_DIR below that:
//
//	lab.json             what there is; see State. Consoles read it.
//	sockets/NODE.sock    control sockets of the daemons
//	config/NODE/         what is of this node alone, which no machine but its own may see:
//	    NODE.yaml        the configuration file of its daemon, as rendered
//	    secrets/NAME     those of the lab's secrets that this file names, and has named: pre-shared keys, mode 0600; certificates,
//	                     their keys and revocation lists. Start and reload give it what a change by hand names
//	secrets/NAME         all secrets of this run, as they were handed out, and the keys of authorities
//	state/NODE/          state directories of the daemons
//	hsm/NODE/            SoftHSM tokens: softhsm2.conf, which is the SOFTHSM2_CONF of the node's daemon; tokens (tokens.away while
//	                     the token is lost); pin and so-pin, mode 0600
//	services/NODE/       files and sockets of a node's services (other programs, as a routing daemon); $LAB_SERVICES inside the node
//	logs/NODE.log        standard output and error of the daemons; of services logs/NODE-SERVICE.log, or what lab.json says
//	scenario.yaml        the scenario file, as it was read
//	lock                 held while lab.json or a process changes
//
// # lab.json
//
//	{
//	  "name": "basic", "scenario": "basic", "driver": "netns", "dir": "/run/getvpn-lab/basic",
//	  "created": "2026-01-02T15:04:05Z", "vars": {"tek_lifetime": "100s"},
//	  "protected": ["10.1.0.0/16"],
//	  "nodes": [{
//	    "name": "gm1", "kind": "gm", "namespace": "gvl-basic-gm1", "addresses": ["172.16.1.1/30", "10.1.1.1/24"],
//	    "outsider": false,
//	    "program": "/usr/bin/getvpn-gm", "pid": 4711, "pid_start": 123456, "wanted": "running",
//	    "socket": "...", "config": "...", "log": "..."
//	  }],
//	  "links": [{"a": "gm1", "a_interface": "wan0", "b": "p1", "b_interface": "gm1"}],
//	  "faults": [{"kind": "partition", "spec": "gm1/gm3", "since": "...", "until": "..."}]
//	}
//
// sabotaged, where it is true, says that the lab was brought up broken on purpose, as its scenario says; reset breaks it again.
// turned, in a simulated lab, counts how often its time was turned back: what its daemons said before is of a future that is not.
// driver says what the nodes are made of, and so who can take the lab down. namespace (netns) or container (compose) is the
// node's. program, pid, socket, config and log are there only on nodes with a daemon. wanted is what the last command asked for:
// "running", "stopped", "killed", "paused"; whether the process lives is a question of pid together with pid_start (field 22 of
// /proc/PID/stat, so that a recycled pid is never taken for the daemon). since is when it was asked not to run, by the calendar of the
// lab; it is not there while it runs. The file is replaced atomically.
package driver
