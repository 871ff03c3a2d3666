package coop

import (
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Config of a Cell.
type Config struct {
	// Name is the group's name here, for the journal and the records; Group its id, for messages.
	Name, Group string
	ID          ID
	Addr        netip.AddrPort
	Priority    int
	Timers      Timers
	Split       Split
	Peers       []Peer
	Software    string
	// Key is the public key (DER) that this key server signs PUSH messages with. Transport is the transport key of its key
	// custody, opaque; empty: KEKs are not in a custody.
	Key, Transport []byte
}

// Peer is another key server of the group, and the way to it.
type Peer struct {
	ID   ID
	Addr netip.AddrPort
	Link Link
}

// Link carries messages to one peer: *link.Link. It serves all groups.
type Link interface {
	Send(now machine.Now, msg []byte, out machine.Effects) (machine.Effects, error)
	Announce(now machine.Now, msg []byte, wantReply bool, out machine.Effects) (machine.Effects, error)
	Ahead(now machine.Now) (time.Duration, bool)
	Flight(now machine.Now) (flight, doubt time.Duration, ok bool)
}

// Group is what a Cell directs: *keyserver.Group, which says more about it.
type Group interface {
	SetReady(ready bool, why string)
	SetInStep(now machine.Now, peers int)
	TakeOver(now machine.Now, term uint64, out machine.Effects) machine.Effects
	StandDown(now machine.Now, out machine.Effects) machine.Effects
	Head() uint64
	Since(now machine.Now, n uint64) []machine.Record
	Reaches(n uint64) bool
	Replicated(now machine.Now, n uint64, out machine.Effects) machine.Effects
	Apply(now machine.Now, ahead time.Duration, records []machine.Record, full bool, out machine.Effects) (machine.Effects, machine.PersistID, error)
	Reports(now machine.Now) (records []machine.Record, n uint64)
	Reported(n uint64)
	Adopt(now machine.Now, ahead time.Duration, from ID, records []machine.Record, out machine.Effects) (machine.Effects, error)
	Merge(now machine.Now, ahead time.Duration, from ID, records []machine.Record, out machine.Effects) (bool, machine.Effects, error)
	Trust(now machine.Now, id ID, der []byte, out machine.Effects) machine.Effects
	// TrustTransport notes the transport key of another key server's custody; Unusable says why keys that are here cannot be used
	// yet, or any more, Unrenewable why no new ones could be made here.
	TrustTransport(now machine.Now, id ID, key []byte, out machine.Effects) machine.Effects
	Unusable() string
	Unrenewable() string
	Digest() [32]byte
	PolicyText() []string
	// Pseudotime is the group's time, 0 if it has none, and its window.
	Pseudotime(now machine.Now) (is, window time.Duration)
	// Epoch is that of the newest TEK, MemberCount how many members there are.
	Epoch() uint64
	MemberCount() int
}
