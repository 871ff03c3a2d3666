package engine

// Stats is a snapshot of the counters, an immutable value.
type Stats struct {
	InPackets, InBytes   uint64 // opened and delivered
	OutPackets, OutBytes uint64 // sealed and sent; octets of the inner packets
	Clear                uint64 // sent in clear because the policy says so
	Replies              uint64 // ICMP errors
	Drops                []Counter
	SAs                  []SAStats   // sorted by SPI
	Rules                []RuleStats // groups in order, local rules first
}

// Counter is a named count.
type Counter struct {
	Name  string
	Count uint64
}

// SAStats is one SA's part of a snapshot.
type SAStats struct {
	Group                string
	SPI                  uint32
	Sending              bool
	SIDs                 []uint32
	Senders              int // that there is a replay window for
	InPackets, InBytes   uint64
	OutPackets, OutBytes uint64
	Remaining            uint64 // packets that can still be sealed with our sender ids
}

// RuleStats is the hit count of one rule.
type RuleStats struct {
	Group string
	Local bool
	Index int // within the local rules or within the group's list
	Hits  uint64
}
