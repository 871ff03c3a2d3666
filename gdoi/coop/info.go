package coop

import (
	"fmt"
	"net/netip"
	"time"
)

// MaxKeyServers of one group; ids are 1 to MaxKeyServers.
const MaxKeyServers = 8

// ID is the number of a key server in its group. It is configured, the same everywhere, and never given to another one
// while keys live, because sender ids, SPIs and sequence numbers are divided by it.
type ID uint8

// Role is what a key server does in a group.
type Role uint8

// Roles. Everybody starts as secondary.
const (
	Secondary Role = iota
	Primary
)

// String is the word of consoles.
func (r Role) String() string {
	if r == Primary {
		return "primary"
	}
	return "secondary"
}

// Split is what key servers do that cannot reach each other.
type Split uint8

// Ways.
const (
	// Fork: each side makes keys of its own when the next are due, so members of different sides lose each other then.
	Fork Split = iota
	// Continue: all key servers derive the next keys from a secret that they share, so both sides make the same.
	Continue
)

// String is the word of configurations and consoles.
func (s Split) String() string {
	if s == Continue {
		return "continue"
	}
	return "fork"
}

// ParseSplit reads it.
func ParseSplit(s string) (Split, error) {
	switch s {
	case "fork":
		return Fork, nil
	case "continue":
		return Continue, nil
	}
	return 0, fmt.Errorf("coop: split %q; use fork or continue", s)
}

// Version says how much of a group's changes somebody has: all up to number N of the primary of a term.
type Version struct{ Term, N uint64 }

// LinkState is what is known of a peer.
type LinkState uint8

// States of a link.
const (
	LinkDown        LinkState = iota // no phase 1
	LinkNegotiating                  // phase 1 under way
	LinkUp                           // heard of within the dead interval
	LinkSilent                       // phase 1, but nothing heard: queried, or given up
)

var linkNames = [...]string{"down", "negotiating", "up", "silent"}

// String is the word of consoles.
func (l LinkState) String() string { return linkNames[l] }

// Info is one group's cooperation for operators; a value.
type Info struct {
	ID       ID
	Addr     netip.Addr
	Priority int
	Protocol uint8 // the version of the messages
	Role     Role
	// Ready says whether members are registered here; Why says why not.
	Ready bool
	Why   string
	Term  uint64
	// Primary is whom this key server follows, itself included; 0: nobody yet.
	Primary      ID
	PrimarySince time.Time
	Split        Split
	// Unreachable are peers out of reach, since SplitSince. Rivals are other primaries that are heard of.
	Unreachable []ID
	Rivals      []ID
	SplitSince  time.Time
	// Merging says that keys of several sides are being brought together; in MergeLeft those of one side have ended.
	Merging   bool
	MergeLeft time.Duration
	Epoch     uint64 // of the newest TEK
	// Profile is "default", "fast" or "custom"; the rest are the timers.
	Profile                                  string
	AnnInterval, DeadInterval, QueryInterval time.Duration
	QueryRetries                             int
	NextAnn, NextCheck                       time.Duration // until the next announcement; until the primary is queried
	Retries                                  int           // queries to the primary without an answer
	Version, Replicated                      Version       // what this key server has; what all live peers have
	Diff                                     []string      // how the policy here differs from the primary's; "- " theirs, "+ " ours
	Peers                                    []PeerInfo    // by id
	History                                  []Election    // oldest first
	// WrongTime counts announcements whose group time was too far from ours.
	WrongTime uint64
}

// PeerInfo is another key server as this one sees it.
type PeerInfo struct {
	ID       ID
	Addr     netip.Addr
	Priority int
	Role     Role
	Link     LinkState
	Heard    time.Duration // since the last announcement; negative: never
	Ready    bool
	Term     uint64
	Primary  ID // whom it follows
	Epoch    uint64
	Members  int // registered with it
	Has      Version
	// SamePolicy says whether its policy is ours.
	SamePolicy bool
	Sees       []ID // whom it hears itself
	// Software is its version string, Protocol the version of the messages.
	Software string
	Protocol uint8
	IKE      string // "established", "negotiating", "none"
	// SendSeq and RecvSeq are the anti-replay sequence numbers of the link.
	SendSeq, RecvSeq uint64
	// Announcements, with and without a request for a reply.
	AnnSent, AnnSentReply, AnnRecv, AnnRecvReply uint64
	Drops, BytesSent, BytesRecv                  uint64
	// Retransmits of reliable messages; Queue is octets that wait for an acknowledgement.
	Retransmits uint64
	Queue       int
	RTT         time.Duration
	ClockOffset time.Duration // its wall clock minus ours
}

// Election is a change of the primary as seen here.
type Election struct {
	At      time.Time
	Term    uint64
	Primary ID
	Reason  string // "elected", "follows", "dead", "handover", "left", "paused", "split", "merge"
	Text    string
}
