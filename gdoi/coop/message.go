package coop

import (
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// ProtocolVersion is the version of the messages; a key server understands only its own.
const ProtocolVersion = 1

// Message is what key servers say to each other about one group: *Status as an announcement, the others reliably and in
// order.
type Message interface {
	kind() kind
	encode(b []byte) []byte
	decode(r *reader)
}

type kind uint8

const (
	kindStatus kind = iota + 1
	kindKey
	kindPolicy
	kindJoin
	kindState
	kindHave
	kindReport
	kindReported
	kindRejoin
	kindBroken
	kindHandover
	kindTransport
)

// Status is a key server's announcement. All of it is its own view.
type Status struct {
	From     ID
	Priority uint16
	Role     Role
	// Ready says that it registers members, Eligible that it may be elected.
	Ready, Eligible bool
	// Primary is whom it follows, itself included, in which term.
	Primary ID
	Term    uint64
	// Has is what it has of the group's state.
	Has     Version
	Sees    peerSet
	Epoch   uint64
	Members uint32
	Digest  [32]byte
	// Ask names the time since when the sender runs without a break; Answer is the receiver's, as the sender knows it. Who gets
	// his own back is in contact now, and does not read old announcements.
	Ask, Answer uint32
	// Time is the group's pseudotime when this was sent; 0: the group has none, or the sender does not have it from the primary yet.
	Time     time.Duration
	Software string
}

// Key is the public key (DER SubjectPublicKeyInfo) that the sender signs PUSH messages with.
type Key struct{ DER []byte }

// Transport is the transport key of the sender's key custody, under which KEKs for it are wrapped; opaque.
type Transport struct{ Key []byte }

// Policy is the sender's policy in lines; told to those whose digest is another.
type Policy struct {
	Digest [32]byte
	Lines  []string
}

// Join is a secondary's first word to the primary of a term: all that it has, unless it is known to have nothing that the
// primary does not have.
type Join struct {
	Term    uint64
	Have    Version
	Records []machine.Record
}

// State is what the primary sends: everything, or the changes after number From.
type State struct {
	Term     uint64
	From, To uint64
	Full     bool
	Records  []machine.Record
}

// Have says that the sender has the state up to there on its disk.
type Have struct{ Version Version }

// Report is what a secondary did by itself; Reported says that the primary has it on its disk.
type Report struct {
	Term, N uint64
	Records []machine.Record
}

// Reported answers a Report.
type Reported struct{ Term, N uint64 }

// Rejoin is the primary's word that a secondary is not in step and must join.
type Rejoin struct{ Term uint64 }

// Broken is a secondary's word that it cannot take the state: nobody should wait for it.
type Broken struct {
	Term uint64
	Why  string
}

// Handover makes the receiver primary; the sender is it no more.
type Handover struct{ Term uint64 }

func (*Status) kind() kind    { return kindStatus }
func (*Key) kind() kind       { return kindKey }
func (*Policy) kind() kind    { return kindPolicy }
func (*Join) kind() kind      { return kindJoin }
func (*State) kind() kind     { return kindState }
func (*Have) kind() kind      { return kindHave }
func (*Report) kind() kind    { return kindReport }
func (*Reported) kind() kind  { return kindReported }
func (*Rejoin) kind() kind    { return kindRejoin }
func (*Broken) kind() kind    { return kindBroken }
func (*Handover) kind() kind  { return kindHandover }
func (*Transport) kind() kind { return kindTransport }

// peerSet is a set of key servers.
type peerSet uint8

func (s peerSet) has(id ID) bool { return id >= 1 && id <= MaxKeyServers && s&(1<<(id-1)) != 0 }

func (s *peerSet) add(id ID) { *s |= 1 << (id - 1) }

// IDs lists the set.
func (s peerSet) IDs() (out []ID) {
	for id := ID(1); id <= MaxKeyServers; id++ {
		if s.has(id) {
			out = append(out, id)
		}
	}
	return out
}

// WipeRecords clears what records hold.
func WipeRecords(records []machine.Record) {
	for _, r := range records {
		clear(r.Value)
	}
}
