// Package control is what a daemon tells its operators and what they may ask of it: HTTP with JSON over a unix
// socket, so that curl --unix-socket works.
//
// All that can be asked for is in one table, Routes. The server, openapi.json (which GET /v1/openapi.json answers with) and
// whoami are made from it, and from the types here: after a change of either, `go generate ./daemon/control`.
//
// A failure is {"error": "what, where, what to do"} with a 4xx or 5xx status. The role comes from the peer's
// credentials: root and the daemon's own user are operators, everybody else who can open the socket is a viewer and may
// only GET; whoami says which. A change with ?dry_run=true is refused or foreseen, and not done. With the header
// Idempotency-Key it is done once, however often it is asked for. Nothing here ever holds key material.
package control

//go:generate go test -run TestDocument -update .

import "time"

// Role of a daemon.
const (
	RoleKeyServer   = "ks"
	RoleGroupMember = "gm"
)

// Snapshot is the state of one daemon at one moment. Exactly one of KS and GM is set.
type Snapshot struct {
	Name    string `json:"name"`
	Role    string `json:"role"` // "ks" or "gm"
	Version string `json:"version"`
	// GDOIVersion is that of the protocol with our extensions, "major.minor.mini": all daemons of one major version work together.
	GDOIVersion string       `json:"gdoi_version"`
	PID         int          `json:"pid"`
	Started     time.Time    `json:"started"`
	Time        time.Time    `json:"time"` // when this snapshot was taken
	Local       string       `json:"local"`
	KS          *KeyServer   `json:"ks,omitempty"`
	GM          *GroupMember `json:"gm,omitempty"`
	Custody     *Custody     `json:"custody,omitempty"` // none: the daemon keeps no keys beyond its configuration
	Drops       []Counter    `json:"drops"`             // control-plane datagrams dropped, by reason, sorted by reason
	LastSeq     uint64       `json:"last_seq"`          // number of the newest journal event
	Warn        []string     `json:"warnings,omitempty"`
	Process     Process      `json:"process"`
}

// Process is what the daemon needs of its machine; not worth a line of a watch by itself.
type Process struct {
	HeapLive   uint64 `json:"heap_live"` // octets that the last garbage collection found in use
	Goroutines int    `json:"goroutines"`
}

// Counter is a named count.
type Counter struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

// KeyServer is a key server's part of a Snapshot.
type KeyServer struct {
	Groups    []KSGroup `json:"groups"`
	Sessions  int       `json:"sessions"`  // established phase-1 SAs
	HalfOpen  int       `json:"half_open"` // phase-1 negotiations under way
	StateFile string    `json:"state_file"`
}

// KSGroup is one group as its key server sees it.
type KSGroup struct {
	Name         string     `json:"name"`
	ID           string     `json:"id"`     // printable group identity
	Role         string     `json:"role"`   // "primary" (which one is that is alone, too) or "secondary"
	Health       string     `json:"health"` // OK, DEGRADED, EXPIRING
	HealthReason string     `json:"health_reason,omitempty"`
	Mode         string     `json:"mode"` // full, passive or receive-only
	Policy       []Rule     `json:"policy"`
	PolicyDigest string     `json:"policy_digest"` // of the access list; members with the same list show the same
	KEK          *KEK       `json:"kek,omitempty"`
	TEKs         []TEK      `json:"teks"` // oldest first
	Members      []KSMember `json:"members"`
	Removed      []Removed  `json:"removed,omitempty"` // who was removed and is refused
	KeyTree      int        `json:"key_tree"`          // members with a place in the key tree
	NextRekey    time.Time  `json:"next_rekey"`        // the next scheduled TEK rekey
	LastRekey    time.Time  `json:"last_rekey"`        // zero: none yet
	RekeysSent   uint64     `json:"rekeys_sent"`       // distinct PUSH messages since start
	RekeyKind    string     `json:"rekey_kind"`        // "unicast" or "multicast"
	Multicast    string     `json:"multicast"`         // the group's address and port
	Acknowledge  string     `json:"acknowledge"`       // kek-sha256, or none
	Ejected      uint64     `json:"ejected"`           // members that left the list since start because they were silent
	SIDBits      int        `json:"sid_bits"`          //
	SIDsUsed     uint64     `json:"sids_used"`         //
	SIDsTotal    uint64     `json:"sids_total"`        //
	SIDFirst     uint64     `json:"sid_first"`         // of the sids_total sender ids that this key server gives out
	Transmitting int        `json:"transmitting"`      // datagrams of the current rekey that are still to be sent, repeats included

	// LastRekeyRepeats and LastRekeyTook are of the last PUSH: datagrams that were sent again, and milliseconds from the first
	// datagram to the last one, or to the last member's acknowledgement if that came later.
	LastRekeyRepeats uint64  `json:"last_rekey_retransmits"`
	LastRekeyTook    float64 `json:"last_rekey_duration_ms"`
	// Retransmits is how often a PUSH is repeated to who does not acknowledge it, RetransmitPeriod seconds apart or less.
	Retransmits      int     `json:"retransmits"`
	RetransmitPeriod float64 `json:"retransmit_period"`

	ReplayValue float64 `json:"replay_value"` // the time window of anti-replay in seconds; 0: there is none
	Unstamped   string  `json:"unstamped"`    // what becomes of packets without a time stamp: accept or drop
	Pseudotime  float64 `json:"pseudotime"`   // seconds; 0: the group has no time

	Coop *Coop `json:"coop,omitempty"` // none: this key server is alone
}

// Present counts the members that have not left.
func (g *KSGroup) Present() (n int) {
	for i := range g.Members {
		if g.Members[i].State != StateLeft {
			n++
		}
	}
	return n
}

// Rule is one line of the effective access list.
type Rule struct {
	Text  string `json:"text"`
	Owner string `json:"owner"` // "group" or "local"
	Hits  uint64 `json:"hits"`  // packets that it decided (members only)

	Findings []RuleFinding `json:"findings,omitempty"` // what is perhaps not meant so (key servers only)
}

// FindingUnreachable is the code of a rule that earlier ones hide.
const FindingUnreachable = "unreachable"

// RuleFinding says that a rule is valid but perhaps not what the operator wants.
type RuleFinding struct {
	Level string `json:"level"`        // warning, or hint: right in some networks
	Code  string `json:"code"`         // unreachable, overlap, asymmetric, ports, lock-out, family
	Text  string `json:"text"`         // what, why, what to do
	By    []int  `json:"by,omitempty"` // numbers in this list, from 1, of the rules that hide it
}

// KEK is a key-encryption key, without the key.
type KEK struct {
	SPI          string    `json:"spi"` // 32 hex digits
	Suite        string    `json:"suite"`
	Seq          uint32    `json:"seq"` // last used (KS) or last accepted (GM) rekey sequence number
	Created      time.Time `json:"created"`
	Expires      time.Time `json:"expires"`
	Lifetime     int       `json:"lifetime"`       // seconds, original
	Remaining    int       `json:"remaining"`      // seconds
	NextRekey    time.Time `json:"next_rekey"`     // KS only
	SignatureKey string    `json:"signature_key"`  // name (KS) or algorithm (GM)
	SignatureAlg string    `json:"signature_alg"`  // "rsa-2048 sha256"
	PreviousSPI  string    `json:"prev,omitempty"` // KEK that is still accepted beside this one
	// SignatureLen and SignatureKeyLen are octets: of a signature, and of the public key as a SubjectPublicKeyInfo.
	SignatureLen    int  `json:"signature_octets"`
	SignatureKeyLen int  `json:"signature_key_octets"`
	Used            bool `json:"used"` // a rekey came under it (members only)
}

// TEK phases, in the order of a key's life.
const (
	PhaseWaiting  = "waiting"  // receive only, not yet sending
	PhaseSending  = "sending"  // the key that is sent with
	PhaseDraining = "draining" // still received, no longer sent with
	PhaseExpired  = "expired"
)

// TEK is a traffic-encryption key, without the key.
type TEK struct {
	SPI        string    `json:"spi"`                 // 8 hex digits
	SA         string    `json:"sa,omitempty"`        // name of the SA, on a key server whose group has several
	Selectors  []string  `json:"selectors,omitempty"` // the permits that it protects
	Suite      string    `json:"suite"`
	Epoch      uint64    `json:"epoch"`
	Phase      string    `json:"phase"`
	Created    time.Time `json:"created"`
	SendAfter  time.Time `json:"send_after"`
	Expires    time.Time `json:"expires"`
	Lifetime   int       `json:"lifetime"`  // seconds, original
	Remaining  int       `json:"remaining"` // seconds
	InPackets  uint64    `json:"in_packets"`
	InBytes    uint64    `json:"in_bytes"`
	OutPackets uint64    `json:"out_packets"`
	OutBytes   uint64    `json:"out_bytes"`

	// Of a member: packets that can still be sent with its sender ids, how many senders have a replay window, and those of
	// them that were heard last, the latest first and at most MostSenders.
	PacketsLeft uint64   `json:"packets_left,omitempty"`
	SenderCount int      `json:"sender_count,omitempty"`
	Senders     []Sender `json:"senders,omitempty"`
}

// MostSenders is how many senders under one TEK a snapshot shows at most.
const MostSenders = 64

// Sender is the replay window that a member keeps of one sender under one TEK.
type Sender struct {
	SID     uint32    `json:"sid,omitempty"`    // its sender id
	Source  string    `json:"source,omitempty"` // its address, if it has no sender id: another make
	Top     uint64    `json:"top"`              // its highest sequence number
	Heard   time.Time `json:"heard"`            // when a snapshot first found that number: as fine as snapshots are frequent
	Window  int       `json:"window"`           // sequence numbers that are told apart: Top and those below it
	Missing int       `json:"missing"`          // of these not seen: sent to other members, lost, or still under way
	// Picture is the window in parts of the same size, oldest first, a character for each: the share of its numbers that were
	// seen in eighths, rounded down, from 0 to 8; "-" is below the first number.
	Picture string `json:"picture"`
}

// Removed is somebody who was removed from a group.
type Removed struct {
	Address  string    `json:"address"`
	Identity string    `json:"identity"`
	At       time.Time `json:"at"`
}

// KSMember is a registered member as the key server sees it.
type KSMember struct {
	Address       string    `json:"address"`
	Certificate   string    `json:"certificate,omitempty"` // its subject; empty for a pre-shared key
	Identity      string    `json:"identity"`
	State         string    `json:"state"` // "registered" or "left"
	RegisteredAt  time.Time `json:"registered_at"`
	Registrations uint64    `json:"registrations"`
	RekeysSent    uint64    `json:"rekeys_sent"` // datagrams, repeats included
	LastSeq       uint32    `json:"last_seq"`    // last rekey sequence number sent to it
	Rekeys        uint64    `json:"rekeys"`      // sent to it, repeats not counted
	SentSeqs      []uint32  `json:"sent_seqs"`   // the last four sequence numbers sent to it, newest first; 0: none
	AckedSeqs     []uint32  `json:"acked_seqs"`  // the last four that it acknowledged
	// Version is that of the protocol which it speaks, as gdoi_version; empty: it does not say.
	Version   string     `json:"gdoi_version,omitempty"`
	Rekey     RekeyState `json:"rekey"`
	SIDs      []uint32   `json:"sids"`
	KeyTree   bool       `json:"key_tree"`             // it need not register again when others are removed
	KeyServer int        `json:"key_server,omitempty"` // the number of that where it registered; 0: this one is alone
}

// RekeyState is what a key server knows about the rekeys of a member, since its start.
type RekeyState struct {
	Acks        bool    `json:"acks"`         // it is asked to acknowledge
	Acked       uint32  `json:"acked"`        // last sequence number that it acknowledged
	AckCount    uint64  `json:"ack_count"`    // rekeys that it acknowledged
	Missed      int     `json:"missed"`       // rekeys in a row that it did not acknowledge
	MissedTotal uint64  `json:"missed_total"` // all of those
	RTT         float64 `json:"rtt_ms"`       // milliseconds, of the last acknowledgement, its jitter included
}

// Registration states of a member.
const (
	StateUnregistered  = "unregistered"
	StateRegistering   = "registering"
	StateRegistered    = "registered"
	StateReregistering = "re-registering"
	StateExpired       = "expired" // keys ended, failing closed (or open)
	StateRemoved       = "removed" // key server only: it was removed from the group, and is refused
	StateLeft          = "left"    // key server only: it stopped in order, and gets no rekeys until it registers again
)

// GroupMember is a group member's part of a Snapshot.
type GroupMember struct {
	Groups   []GMGroup `json:"groups"`
	DataPath DataPath  `json:"data_path"`
}

// GMGroup is one group as a member sees it.
type GMGroup struct {
	Name            string    `json:"name"`
	ID              string    `json:"id"`
	State           string    `json:"state"`
	StateReason     string    `json:"state_reason,omitempty"`
	FailMode        string    `json:"fail_mode"` // "closed" or "open"
	KeyServers      []string  `json:"key_servers"`
	RegisteredWith  string    `json:"registered_with"`
	RegisteredAt    time.Time `json:"registered_at"`
	ReregisterAt    time.Time `json:"reregister_at"`
	Registrations   uint64    `json:"registrations"` // succeeded
	Attempts        uint64    `json:"attempts"`
	RekeysReceived  uint64    `json:"rekeys_received"`
	RekeysSince     uint64    `json:"rekeys_since_registration"`
	LastRekey       time.Time `json:"last_rekey"`
	RekeyedBy       string    `json:"rekeyed_by"`    // where the last rekey came from: the primary key server; empty: none has come
	RekeySigners    int       `json:"rekey_signers"` // keys that rekeys may be signed with: of all key servers of the group
	Mode            string    `json:"mode"`          // in force here: full, passive or receive-only
	Policy          []Rule    `json:"policy"`
	PolicyDigest    string    `json:"policy_digest"` // of the group's access list, without local rules; empty: there is none
	KEK             *KEK      `json:"kek,omitempty"`
	TEKs            []TEK     `json:"teks"`
	SIDBits         int       `json:"sid_bits"`
	SIDs            []uint32  `json:"sids"`
	SIDsAsked       int       `json:"sids_asked"` // by each registration
	ReplayWindow    int       `json:"replay_window"`
	AuthFailureText string    `json:"auth_failure,omitempty"`
	Multicast       []string  `json:"multicast"`   // groups that rekeys are expected from; none: unicast
	Acknowledge     string    `json:"acknowledge"` // kek-sha256, or none
	AcksSent        uint64    `json:"acks_sent"`

	// Traffic under the keys of this group since the start, those that have ended included.
	InPackets  uint64 `json:"in_packets"`
	InBytes    uint64 `json:"in_bytes"`
	OutPackets uint64 `json:"out_packets"`
	OutBytes   uint64 `json:"out_bytes"`

	// SigningKeys are the public keys that rekeys may be signed with, the latest last.
	SigningKeys []SigningKey `json:"signing_keys"`

	AntiReplay AntiReplay `json:"anti_replay"`

	// KeyServers is the order in which this member tries them; these of them did not answer lately, and are tried last.
	KeyServersUnreachable []string `json:"key_servers_unreachable,omitempty"`
}

// SigningKey is a public key that a member trusts for rekeys.
type SigningKey struct {
	Algorithm string `json:"algorithm"` // rsa-2048, ecdsa-256
	DER       []byte `json:"der"`       // its SubjectPublicKeyInfo (RFC 5280), base64
	// KeyServer is where the last rekey that is signed with it came from; empty: none has come.
	KeyServer string `json:"key_server,omitempty"`
}

// AntiReplay is what keeps repeated packets out: a window of sequence numbers for each sender, and the group's time, if it
// has one. Times are seconds.
type AntiReplay struct {
	ReplayWindow   int          `json:"replay_window"`        // sequence numbers
	On             bool         `json:"time_based"`           // packets are stamped
	Value          float64      `json:"replay_value"`         // the time window; 0: stamps are not judged
	Pseudotime     float64      `json:"pseudotime"`           // here, now
	Offset         float64      `json:"offset"`               // pseudotime less the member's monotonic clock
	Drift          float64      `json:"drift_ppm"`            // by how much it runs faster than that clock
	InPackets      uint64       `json:"input_packets"`        // with a stamp that was accepted
	OutPackets     uint64       `json:"output_packets"`       // stamped
	InErrors       uint64       `json:"input_error_packets"`  // dropped for their stamps (time-replay)
	Unstamped      uint64       `json:"input_unstamped"`      // dropped because they had none
	SyncErrors     uint64       `json:"time_sync_errors"`     // the group's time had jumped
	Syncs          uint64       `json:"time_syncs"`           // by registrations and rekeys
	LateSyncs      uint64       `json:"time_syncs_late"`      // rekeys that had been under way too long
	SyncedAt       time.Time    `json:"time_synced_at"`       // the last
	LastCorrection float64      `json:"time_last_correction"` //
	MaxCorrection  float64      `json:"time_max_correction"`  //
	MaxDelta       float64      `json:"max_time_delta"`       // of an accepted stamp from the time here
	Demand         []string     `json:"demand"`               // SPIs under which every packet must be stamped
	History        []LatePacket `json:"replay_error_history"` // the last ten, of at most ten a minute
}

// LatePacket is a packet that was dropped for its time stamp.
type LatePacket struct {
	Source string  `json:"source"`
	SPI    string  `json:"spi"`
	Mine   float64 `json:"my_pseudotime"`
	Peer   float64 `json:"peer_pseudotime"`
	Window float64 `json:"window"`
}

// DataPath is the traffic of a member.
type DataPath struct {
	TUN        string    `json:"tun"`
	MTU        int       `json:"mtu"`
	LAN        []string  `json:"lan"`
	WAN        string    `json:"wan"`
	Backend    string    `json:"backend"`
	Slower     []string  `json:"slower,omitempty"` // why the backend is not the fastest there is
	InPackets  uint64    `json:"in_packets"`       // ESP opened and delivered
	InBytes    uint64    `json:"in_bytes"`         //
	OutPackets uint64    `json:"out_packets"`      // sealed and sent
	OutBytes   uint64    `json:"out_bytes"`        //
	Clear      uint64    `json:"clear"`            // sent in clear because the policy says so
	Drops      []Counter `json:"drops"`            // by reason, sorted by reason
	Senders    int       `json:"senders"`          // senders with replay state
	Down       string    `json:"down,omitempty"`   // why it does not run; it is opened again until it does
	Restarts   uint64    `json:"restarts"`         // how often that was done

	Routers Routers `json:"routers"`
}

// Routers is what routers of the core said about ESP packets of this member; what it did not believe is among the drops,
// as icmp-*.
type Routers struct {
	Translated uint64 `json:"icmp_translated"` // errors passed on to hosts, in terms of their own packets
	Lowered    uint64 `json:"path_mtu_lowered"`
	Paths      int    `json:"path_mtu_destinations"` // with a path MTU of their own now
	Narrowest  int    `json:"path_mtu_least"`        // of these, of ESP packets; 0: none
}

// Event is one entry of the journal.
type Event struct {
	Seq      uint64            `json:"seq"`
	Time     time.Time         `json:"time"`
	Node     string            `json:"node"`
	Name     string            `json:"event"`
	Severity string            `json:"severity"` // debug, info, warning, error
	Group    string            `json:"group,omitempty"`
	Peer     string            `json:"peer,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	Text     string            `json:"text"`
	Fields   map[string]string `json:"fields,omitempty"`
}

// Watch is one line of the watch stream: one of the two is set.
type Watch struct {
	Snapshot *Snapshot `json:"snapshot,omitempty"`
	Event    *Event    `json:"event,omitempty"`
}

// RekeyRequest asks a key server for new keys now. Old keys stay valid through the ordinary rollover.
type RekeyRequest struct {
	Group string `json:"group"`
	KEK   bool   `json:"kek"` // replace the KEK as well as the TEK
}

// ClearMemberRequest removes a member from the list; it must register again.
type ClearMemberRequest struct {
	Group  string `json:"group"`
	Member string `json:"member"` // address or identity
}

// ClearMembersRequest makes all members of a group register again. They keep their keys meanwhile, or, with Now, lose them
// at once.
type ClearMembersRequest struct {
	Group string `json:"group"`
	Now   bool   `json:"now"`
}

// RemoveMemberRequest excludes members from a group: they are refused from now on, and all others get keys that the removed
// cannot have. Now ends the old keys at once, which loses packets.
type RemoveMemberRequest struct {
	Group   string   `json:"group"`
	Members []string `json:"members"` // addresses or identities
	Now     bool     `json:"now"`
}

// ReadmitRequest lets a removed member register again.
type ReadmitRequest struct {
	Group  string `json:"group"`
	Member string `json:"member"` // address or identity
}

// HandoverRequest lets another key server be primary of a group; only the primary takes it.
type HandoverRequest struct {
	Group string `json:"group"`
	To    string `json:"to,omitempty"` // its number or address; empty: whom an election would choose
}

// ReregisterRequest makes a member register again.
type ReregisterRequest struct {
	Group string `json:"group"`
}

// StopRequest asks a daemon to end in order.
type StopRequest struct{}

// Reply answers a POST: Text says what was done, or would be, and Error what went wrong.
type Reply struct {
	Text       string `json:"text,omitempty"`
	Error      string `json:"error,omitempty"`
	Plan       *Plan  `json:"plan,omitempty"`       // of plan and apply
	DryRun     bool   `json:"dry_run,omitempty"`    // nothing was done
	Unforeseen string `json:"unforeseen,omitempty"` // of a dry run: why the change itself may be refused all the same
}

// Versions of a daemon.
type Versions struct {
	API     string `json:"api"`     // of this interface; what is added raises the number after the dot, what breaks clients the one before it, which is in the paths
	Program string `json:"program"` // of the daemon
}

// Who may do what.
const (
	CallerOperator = "operator"
	CallerViewer   = "viewer"
)

// Whoami is the caller as the daemon sees it.
type Whoami struct {
	Name    string   `json:"name"` // of the daemon
	Role    string   `json:"role"` // of the daemon: "ks" or "gm"
	Version Versions `json:"version"`
	Caller  string   `json:"caller"` // "operator" may look on and change, "viewer" look on
	UID     int      `json:"uid"`    // of the calling process; -1: not known
	May     []string `json:"may"`    // what the caller may POST to this daemon: rekey is /v1/rekey
}
