// Package link carries messages between two key servers: reliable and in order, or as announcements that may get lost. A
// Link lives as long as the process, over any number of phase-1 sessions with the peer, one after the other or two at a
// time; it opens no socket and starts no negotiation (that does package node).
//
//	message ─▶ segments ─▶ frame ─▶ ike1.Session.SealCoop ─▶ datagram of at most Config.Datagram octets
//
// See frame.go for the octets, sender.go and receiver.go for the stream, clock.go for the peer's clock.
package link

import (
	"errors"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Session is what a link needs of an established phase-1 session: *ike1.Session.
type Session interface {
	// SealCoop makes the datagram of a frame; nil when the session has ended.
	SealCoop(frame []byte) []byte
	// OpenCoop verifies a datagram and returns its frame.
	OpenCoop(datagram []byte) ([]byte, error)
	Initiator() bool
	Local() netip.AddrPort
	Remote() netip.AddrPort
}

// Config of a link; zero values are the defaults.
type Config struct {
	// Datagram is the longest UDP payload that is sent, so that nothing is ever fragmented by IP; DefaultDatagram.
	Datagram int
	// Queue is how many octets of messages may wait for their acknowledgement; DefaultQueue.
	Queue int
}

// Limits.
const (
	DefaultDatagram = 1200
	MinDatagram     = 512
	DefaultQueue    = 64 << 20
	// MaxMessage is the longest message.
	MaxMessage = 32 << 20
)

// ErrFull says that too much waits for the peer already; ErrTooLong that a message can never be sent.
var (
	ErrFull    = errors.New("coop: the queue to this key server is full; it does not take what it is sent")
	ErrTooLong = errors.New("coop: message is too long")
)

// Kind says what came.
type Kind uint8

// Kinds.
const (
	// Message came reliably: once, and in the order in which the peer sent.
	Message Kind = iota + 1
	// Announcement came by luck. It is never delivered twice, but a later one may have come before: compare Seq.
	Announcement
	// Restarted says that the stream of messages begins anew, in both directions: the peer is heard of for the first time,
	// has restarted, or has abandoned the old stream. What was queued to it and not yet confirmed is gone.
	Restarted
)

// Received is what a datagram brought. Body belongs to the receiver; it may hold keys, and then he wipes it.
type Received struct {
	Kind Kind
	Body []byte
	// WantReply is an announcement's: the sender wants one in answer, now.
	WantReply bool
	// Seq grows with every frame that the peer sends, whatever it holds.
	Seq uint64
}

// Stats are a link's counters and measures, for coop.PeerInfo.
type Stats struct {
	Sessions                                     int
	SendSeq, RecvSeq                             uint64
	AnnSent, AnnSentReply, AnnRecv, AnnRecvReply uint64
	Drops, BytesSent, BytesRecv                  uint64
	Retransmits                                  uint64
	Queue                                        int
	RTT                                          time.Duration
	ClockOffset                                  time.Duration
}

// Link is the connection to one peer.
type Link struct{}

// New prepares a link.
func New(env *machine.Env, cfg Config) *Link { panic("not yet") }

// MaxAnnouncement is the longest body of an announcement.
func (l *Link) MaxAnnouncement() int { panic("not yet") }

// Attach makes an established session known, and the newest one that both sides have is used. What is queued stays queued.
func (l *Link) Attach(now machine.Now, s Session, out machine.Effects) machine.Effects {
	panic("not yet")
}

// Detach forgets a session that has ended.
func (l *Link) Detach(s Session) { panic("not yet") }

// Up says whether there is a session.
func (l *Link) Up() bool { panic("not yet") }

// Heard is when the last genuine frame came; false: never.
func (l *Link) Heard() (machine.Instant, bool) { panic("not yet") }

// Send queues a message, and sends what may be sent. The link takes msg over, and wipes it when the peer has it. Without a
// session it waits for one.
func (l *Link) Send(now machine.Now, msg []byte, out machine.Effects) (machine.Effects, error) {
	panic("not yet")
}

// Announce sends msg once, if there is a session.
func (l *Link) Announce(now machine.Now, msg []byte, wantReply bool, out machine.Effects) (machine.Effects, error) {
	panic("not yet")
}

// Abandon forgets, and wipes, all that waits for the peer: it is given up. Both sides begin anew when it comes back, and
// the peer gets Restarted; this side does not.
func (l *Link) Abandon() { panic("not yet") }

// Queued is how many octets wait for an acknowledgement.
func (l *Link) Queued() int { panic("not yet") }

// Handle takes a datagram of session s. What an error drops has changed nothing.
func (l *Link) Handle(now machine.Now, s Session, datagram []byte, out machine.Effects) ([]Received, machine.Effects, error) {
	panic("not yet")
}

// Deadline says when Timeout wants to be called.
func (l *Link) Deadline() (machine.Instant, bool) { panic("not yet") }

// Timeout repeats what is overdue; early calls change nothing.
func (l *Link) Timeout(now machine.Now, out machine.Effects) machine.Effects { panic("not yet") }

// Ahead is the peer's wall clock minus ours, half a round trip exact; false: not known yet.
func (l *Link) Ahead(now machine.Now) (time.Duration, bool) { panic("not yet") }

// Stats returns them.
func (l *Link) Stats(now machine.Now) Stats { panic("not yet") }
