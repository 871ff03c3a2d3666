package metrics

import (
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// family is one metric with its labels.
type family struct {
	name, help string
	view       string // of the console, which shows the same
	kind       prometheus.ValueType
	labels     []string
	histogram  bool
	desc       *prometheus.Desc
}

// families is all of them, in the order of this file.
var families []*family

func add(view string, kind prometheus.ValueType, name, help string, labels []string) *family {
	f := &family{name: name, help: help, view: view, kind: kind, labels: labels, desc: prometheus.NewDesc(name, help, labels, nil)}
	if slices.ContainsFunc(families, func(o *family) bool { return o.name == name }) {
		panic("metrics: two families have the name " + name)
	}
	families = append(families, f)
	return f
}

// gauge goes up and down; counter begins at zero when the daemon, or what it counts, begins.
func gauge(view, name, help string, labels ...string) *family {
	return add(view, prometheus.GaugeValue, name, help, labels)
}

func counter(view, name, help string, labels ...string) *family {
	return add(view, prometheus.CounterValue, name, help, labels)
}

func histogram(view, name, help string, labels ...string) *family {
	f := add(view, prometheus.UntypedValue, name, help, labels)
	f.histogram = true
	return f
}

// Names of families by what is behind the view of the console. A label that all have in common is the group.
var (
	up       = gauge("pulse", "getvpn_up", "1 when the daemon gave a snapshot to this scrape, 0 when it did not answer in time.")
	info     = gauge("pulse", "getvpn_build_info", "Always 1; the labels say what runs here: role is ks or gm.", "node", "role", "version")
	warnings = gauge("pulse", "getvpn_warnings", "Warnings of the daemon about its configuration and its surroundings.")
	health   = gauge("pulse", "getvpn_group_health", "Key server: 1 at the word that describes the group now, OK, DEGRADED or EXPIRING.", "group", "health")
	state    = gauge("pulse", "getvpn_member_state", "Group member: 1 at the state of its registration now.", "group", "state")
	drops    = counter("pulse", "getvpn_control_drops_total", "Datagrams of the control plane that were dropped, by reason.", "reason")

	members       = gauge("members", "getvpn_members", "Key server: members on the list by state; removed ones are refused.", "group", "state")
	unacked       = gauge("members", "getvpn_members_missing_acks", "Key server: members that did not acknowledge the last rekey.", "group")
	inKeyTree     = gauge("members", "getvpn_members_in_key_tree", "Key server: members that need not register again when others are removed.", "group")
	ejected       = counter("members", "getvpn_members_ejected_total", "Key server: members that left the list because they were silent.", "group")
	ackRTT        = gauge("members", "getvpn_members_ack_rtt_seconds", "Key server: time from a rekey to its acknowledgement, the median and the maximum of the last ones of all members.", "group", "of")
	sids          = gauge("members", "getvpn_sender_ids", "Key server: sender ids that are given out under the keys in force.", "group")
	sidsLimit     = gauge("members", "getvpn_sender_ids_limit", "Key server: sender ids that there are.", "group")
	sessions      = gauge("members", "getvpn_sessions", "Key server: phase-1 SAs that are established, and negotiations under way.", "state")
	registrations = counter("members", "getvpn_registrations_total", "Group member: registrations that succeeded.", "group")
	attempts      = counter("members", "getvpn_registration_attempts_total", "Group member: registrations that were tried.", "group")

	rekeysSent     = counter("rekey", "getvpn_rekeys_sent_total", "Key server: distinct rekey messages.", "group")
	rekeysReceived = counter("rekey", "getvpn_rekeys_received_total", "Group member: rekeys that were accepted.", "group")
	acksSent       = counter("rekey", "getvpn_rekey_acks_sent_total", "Group member: acknowledgements of rekeys.", "group")
	transmitting   = gauge("rekey", "getvpn_rekey_pending_datagrams", "Key server: datagrams of the current rekey that are still to be sent, repeats included.", "group")
	nextRekey      = gauge("rekey", "getvpn_rekey_next_timestamp_seconds", "Key server: when the next scheduled rekey is; Unix time.", "group")
	lastRekey      = gauge("rekey", "getvpn_rekey_last_timestamp_seconds", "When the last rekey was; Unix time. Absent before the first.", "group")
	kekSeq         = gauge("rekey", "getvpn_kek_sequence", "The last rekey sequence number under the newest KEK.", "group")
	kekLeft        = gauge("rekey", "getvpn_kek_remaining_seconds", "How long the newest KEK still lives.", "group")
	tekLeft        = gauge("rekey", "getvpn_tek_remaining_seconds", "How long the newest TEK of a phase still lives.", "group", "phase")
	teks           = gauge("rekey", "getvpn_teks", "TEKs by phase.", "group", "phase")
	epoch          = gauge("rekey", "getvpn_tek_epoch", "The newest TEK's number; all key servers and members should have the same.", "group")

	primary     = gauge("coop", "getvpn_coop_primary", "Key server: 1 when it is primary of the group, as one that is alone always is.", "group")
	ready       = gauge("coop", "getvpn_coop_ready", "Key server: 1 when members are registered here.", "group")
	term        = gauge("coop", "getvpn_coop_term", "Key server: the number of the primary's term; it grows with each election.", "group")
	coopPeers   = gauge("coop", "getvpn_coop_peers", "Key server: other key servers of the group by the state of the link.", "group", "link")
	unreachable = gauge("coop", "getvpn_coop_unreachable_peers", "Key server: other key servers that are out of reach.", "group")
	rivals      = gauge("coop", "getvpn_coop_rival_primaries", "Key server: other primaries that are heard of: a split.", "group")
	differs     = gauge("coop", "getvpn_coop_policy_differs", "Key server: 1 when its policy is not the primary's.", "group")
	behind      = gauge("coop", "getvpn_coop_unreplicated_changes", "Key server: changes of the group that not all live key servers have yet.", "group")

	packets     = counter("sas", "getvpn_traffic_packets_total", "Group member: packets; in and out are encrypted, clear is sent in clear because the policy says so.", "direction")
	octets      = counter("sas", "getvpn_traffic_bytes_total", "Group member: octets of those packets, without ESP.", "direction")
	pathDrops   = counter("sas", "getvpn_traffic_drops_total", "Group member: packets that were dropped, by reason.", "reason")
	tekPackets  = gauge("sas", "getvpn_tek_packets", "Group member: packets under the TEKs of a phase so far. It falls when a TEK leaves the phase.", "group", "phase", "direction")
	senders     = gauge("sas", "getvpn_replay_senders", "Group member: senders with an anti-replay window.")
	replayDrops = counter("sas", "getvpn_replay_time_errors_total", "Group member: packets that were dropped for their time stamps.", "group")
	pathUp      = gauge("sas", "getvpn_data_path_up", "Group member: 1 while traffic can pass.")
	restarts    = counter("sas", "getvpn_data_path_restarts_total", "Group member: how often the data path was opened again.")
	backend     = gauge("sas", "getvpn_data_path_info", "Group member: always 1; the labels say what moves packets.", "backend", "wan", "tun")

	rules  = gauge("policy", "getvpn_policy_rules", "Rules of the access list in force.", "group", "owner")
	hits   = counter("policy", "getvpn_policy_hits_total", "Group member: packets that a rule decided. Rules after the first hundred are summed, with the rule other.", "group", "owner", "line", "rule")
	digest = gauge("policy", "getvpn_policy_info", "Always 1; daemons with the same access list of the group have the same digest.", "group", "digest", "mode")

	custodyReady    = gauge("custody", "getvpn_custody_ready", "1 while the keeper of the keys answers.", "backend")
	custodyDegraded = gauge("custody", "getvpn_custody_degraded", "What the daemon cannot do because of its custody: how many things.")
	custodyKeys     = gauge("custody", "getvpn_custody_keys", "Keys in the custody by their use; unusable ones have the use problem.", "use")
	custodyCalls    = histogram("custody", "getvpn_custody_call_seconds", "Calls that succeeded, waiting for a session included.", "operation")
	custodyFailed   = counter("custody", "getvpn_custody_failures_total", "Calls that failed.", "operation")
	custodyQueue    = gauge("custody", "getvpn_custody_queue", "Calls that are carried out (busy) and that wait.", "state")
	custodyLimit    = gauge("custody", "getvpn_custody_queue_limit", "Calls that may wait.")
	custodyLost     = counter("custody", "getvpn_custody_rejections_total", "Calls that were not carried out: refused for a full queue, or abandoned by a caller whose time was up.", "why")
	custodyLogins   = counter("custody", "getvpn_custody_logins_total", "Logins after the first.")

	events = counter("events", "getvpn_events_total", "Entries of the journal.", "event", "severity")

	peerUp      = gauge("topology", "getvpn_coop_peer_up", "Key server: 1 while another key server of the group is heard.", "group", "peer")
	peerHeard   = gauge("topology", "getvpn_coop_peer_heard_seconds", "Key server: time since another key server was heard. Absent: never.", "group", "peer")
	peerRTT     = gauge("topology", "getvpn_coop_peer_rtt_seconds", "Key server: round-trip time to another key server.", "group", "peer")
	peerClock   = gauge("topology", "getvpn_coop_peer_clock_offset_seconds", "Key server: another one's wall clock less ours.", "group", "peer")
	peerRepeats = counter("topology", "getvpn_coop_peer_retransmits_total", "Key server: messages to another one that were repeated.", "group", "peer")
	keyServers  = gauge("topology", "getvpn_key_servers", "Group member: key servers that it knows, and those of them that did not answer lately.", "group", "state")
	registered  = gauge("topology", "getvpn_registered_with", "Group member: 1 at the key server that it registered with last.", "group", "key_server")

	heapLive   = gauge("process", "getvpn_heap_live_bytes", "Memory that the last garbage collection found in use.")
	goroutines = gauge("process", "getvpn_goroutines", "Goroutines.")
	started    = gauge("process", "getvpn_start_time_seconds", "When the daemon began, by its own clock; Unix time.")
)

// metric makes one value. The number of labels is the family's, or it is a mistake here.
func (f *family) metric(v float64, labels ...string) prometheus.Metric {
	m, err := prometheus.NewConstMetric(f.desc, f.kind, v, labels...)
	if err != nil {
		panic(fmt.Sprintf("metrics: %s: %v", f.name, err))
	}
	return m
}
