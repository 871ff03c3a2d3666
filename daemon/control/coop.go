package control

import "time"

// Roles of a key server in a group.
const (
	RolePrimary   = "primary"
	RoleSecondary = "secondary"
)

// States of a link between key servers.
const (
	LinkDown        = "down"        // no phase 1
	LinkNegotiating = "negotiating" // phase 1 under way
	LinkUp          = "up"
	LinkSilent      = "silent" // phase 1, but nothing is heard
)

// Coop is how a key server shares a group with others, as it sees it. Key servers go by their numbers.
type Coop struct {
	ID       int    `json:"id"`
	Address  string `json:"address"`
	Protocol int    `json:"protocol"` // version of the messages
	Priority int    `json:"priority"`
	Role     string `json:"role"`
	// Ready says whether members are registered here; Why says why not.
	Ready        bool      `json:"ready"`
	Why          string    `json:"why,omitempty"`
	Term         uint64    `json:"term"`
	Primary      int       `json:"primary"` // whom it follows, itself included; 0: nobody yet
	PrimarySince time.Time `json:"primary_since,omitzero"`
	Split        string    `json:"split"`                 // what key servers do that cannot reach each other: fork or continue
	Unreachable  []int     `json:"unreachable,omitempty"` // since split_since
	Rivals       []int     `json:"rivals,omitempty"`      // other primaries that are heard of
	SplitSince   time.Time `json:"split_since,omitzero"`
	Merging      bool      `json:"merging"`              // keys of several sides are being brought together
	MergeLeft    float64   `json:"merge_left,omitempty"` // seconds until the keys of one side have ended
	Epoch        uint64    `json:"epoch"`                // of the newest TEK

	Profile      string  `json:"profile"`            // of the timers: default, fast or custom
	AnnInterval  float64 `json:"announce_interval"`  // seconds, as the next two
	DeadInterval float64 `json:"dead_interval"`      //
	Query        float64 `json:"query_interval"`     //
	QueryRetries int     `json:"query_retries"`      // before a silent primary is dead
	NextAnn      float64 `json:"next_announcement"`  // seconds
	NextCheck    float64 `json:"next_primary_check"` // seconds until the primary is asked whether it lives
	Retries      int     `json:"retries"`            // queries to the primary without an answer

	Version    CoopVersion    `json:"version"`        // what this key server has
	Replicated CoopVersion    `json:"replicated"`     // what all live peers have
	Diff       []string       `json:"diff,omitempty"` // how the policy here differs from the primary's: "- " theirs, "+ " ours
	WrongTime  uint64         `json:"wrong_time"`     // announcements whose group time was too far from the one here
	Peers      []CoopPeer     `json:"peers"`          // by id
	History    []CoopElection `json:"history"`        // oldest first
}

// CoopVersion is how much of a group's changes somebody has: all up to number N of the primary of a term.
type CoopVersion struct {
	Term uint64 `json:"term"`
	N    uint64 `json:"n"`
}

// CoopPeer is another key server.
type CoopPeer struct {
	ID       int     `json:"id"`
	Address  string  `json:"address"`
	Priority int     `json:"priority"`
	Role     string  `json:"role"`
	Link     string  `json:"link"`
	Heard    float64 `json:"heard"` // seconds since the last announcement; negative: never
	Ready    bool    `json:"ready"`
	Term     uint64  `json:"term"`
	Primary  int     `json:"primary"` // whom it follows
	Epoch    uint64  `json:"epoch"`
	Members  int     `json:"members"` // registered with it

	Has        CoopVersion `json:"has"`
	SamePolicy bool        `json:"same_policy"`
	Sees       []int       `json:"sees"` // whom it hears itself
	Software   string      `json:"software"`
	Protocol   int         `json:"protocol"` // version of the messages
	IKE        string      `json:"ike"`      // established, negotiating or none

	SendSeq      uint64  `json:"send_seq"` // anti-replay sequence numbers of the link
	RecvSeq      uint64  `json:"recv_seq"`
	AnnSent      uint64  `json:"ann_msgs_sent"`
	AnnSentReply uint64  `json:"ann_msgs_sent_with_reply_request"`
	AnnRecv      uint64  `json:"ann_msgs_recv"`
	AnnRecvReply uint64  `json:"ann_msgs_recv_with_reply_request"`
	Drops        uint64  `json:"packet_recv_drops"`
	BytesSent    uint64  `json:"total_bytes_sent"`
	BytesRecv    uint64  `json:"total_bytes_recv"`
	Retransmits  uint64  `json:"retransmits"`
	Queue        int     `json:"queue"` // octets that wait for an acknowledgement
	RTT          float64 `json:"rtt_ms"`
	ClockOffset  float64 `json:"clock_offset_ms"` // its wall clock minus ours
}

// CoopElection is a change of the primary.
type CoopElection struct {
	At      time.Time `json:"at"`
	Term    uint64    `json:"term"`
	Primary int       `json:"primary"`
	Reason  string    `json:"reason"` // elected, follows, dead, handover, left, paused, split or merge
	Text    string    `json:"text"`
}
