// Package link carries messages between two key servers: reliable and in order, or as announcements that may get lost. A
// Link lives as long as the process, over any number of phase-1 sessions with the peer, one after the other or some at a
// time; it opens no socket and starts no negotiation (that does package node).
//
//	message ─▶ segments ─▶ frame ─▶ ike1.Session.SealCoop ─▶ datagram of at most Config.Datagram octets
//
// A frame is new if its sequence number is, within 64, for the session that it came in; it is the peer's and not our own
// come back if its instance is not ours. An instance is a process and its stream of messages (frame.go). When the peer has
// another one, both directions begin anew, which is reported; an earlier process is never taken up again (carrier.go). So
// nothing that was sent before a restart is delivered after it.
//
// frame.go has the octets, carrier.go the sessions, sender.go and receiver.go the stream, handle.go what arrives, clock.go
// the peer's clocks.
package link

import (
	"errors"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Session is what a link needs of an established phase-1 session: *ike1.Session.
type Session interface {
	// SealCoop makes the datagram of a frame; nil when the session has ended.
	SealCoop(frame []byte) []byte
	// OpenCoop verifies a datagram and returns its frame, a copy.
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

var (
	// ErrFull says that too much waits for the peer already.
	ErrFull = errors.New("coop: the queue to this key server is full; it does not take what it is sent")
	// ErrLength says that a message is empty, or too long to be sent.
	ErrLength = errors.New("coop: a message must have an octet, and no more than fit")
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
	// Seq grows with every frame that the peer sends, whatever it holds, until it restarts.
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
type Link struct {
	cfg      Config
	env      *machine.Env
	self     instance
	peer     instance   // zero until it is heard of
	latest   uint64     // of the carriers that its process was heard in
	carriers []*carrier // as they were attached
	attached uint64     // so many were
	seq      uint64     // of the last frame that was sent
	heard    bool
	heardAt  machine.Instant
	clock    clock
	sender   sender
	receiver receiver
	ackTimer machine.Timer
	// hello repeats, a few times, what tells a responder that its session can be used.
	hello  machine.Timer
	hellos int
	stats  Stats
}

// New prepares a link.
func New(env *machine.Env, cfg Config) *Link {
	if cfg.Datagram == 0 {
		cfg.Datagram = DefaultDatagram
	}
	cfg.Datagram = max(cfg.Datagram, MinDatagram)
	if cfg.Queue == 0 {
		cfg.Queue = DefaultQueue
	}
	l := &Link{cfg: cfg, env: env, self: newInstance(env)}
	l.sender.reset()
	l.receiver.reset()
	return l
}

// MaxAnnouncement is the longest body of an announcement.
func (l *Link) MaxAnnouncement() int { return l.cfg.Datagram - ike1.MaxCoopOverhead - frameLen }

// segment is the longest body of a data frame.
func (l *Link) segment() int { return l.cfg.Datagram - ike1.MaxCoopOverhead - dataFrameLen }

// Heard is when the last genuine frame came; false: never.
func (l *Link) Heard() (machine.Instant, bool) { return l.heardAt, l.heard }

// Announce sends msg once, if there is a session.
func (l *Link) Announce(now machine.Now, msg []byte, wantReply bool, out machine.Effects) (machine.Effects, error) {
	if len(msg) > l.MaxAnnouncement() {
		return out, ErrLength
	}
	if l.current() == nil {
		return out, nil
	}
	f := frame{kind: kindAnnounce, body: msg}
	l.stats.AnnSent++
	if wantReply {
		f.flags = flagWantReply
		l.stats.AnnSentReply++
	}
	return l.emit(now, &f, out), nil
}

// Abandon forgets, and wipes, all that waits for the peer: it is given up. Both sides begin anew when it comes back, and
// the peer gets Restarted; this side does not.
func (l *Link) Abandon() {
	if l.peer == 0 {
		l.sender.reset()
		return
	}
	if l.self++; l.self<<(64-epochBits) == 0 {
		l.self = newInstance(l.env) // the epochs are used up
	}
	l.anew()
}

// anew begins both directions of the stream.
func (l *Link) anew() {
	l.sender.reset()
	l.receiver.reset()
	l.ackTimer.Stop()
}

// Queued is how many octets wait for an acknowledgement.
func (l *Link) Queued() int { return l.sender.octets }

// Ahead is the peer's wall clock minus ours, half a round trip exact; false: not known yet.
func (l *Link) Ahead(now machine.Now) (time.Duration, bool) { return l.clock.ahead(now) }

// Flight is how long ago the newest frame was sent, and how wrong that may be; false: not known yet.
func (l *Link) Flight(now machine.Now) (flight, doubt time.Duration, ok bool) {
	return l.clock.flight(now.Mono)
}

// Stats returns them.
func (l *Link) Stats(now machine.Now) Stats {
	s := l.stats
	s.Sessions, s.SendSeq, s.Queue = len(l.carriers), l.seq, l.sender.octets
	s.RTT = l.clock.best(now.Mono).rtt
	s.ClockOffset, _ = l.clock.ahead(now)
	return s
}

// emit fills in what every frame says, and sends it.
func (l *Link) emit(now machine.Now, f *frame, out machine.Effects) machine.Effects {
	c := l.current()
	if c == nil {
		return out
	}
	l.seq++
	f.seq, f.from, f.to, f.mono, f.wall = l.seq, l.self, l.peer, now.Mono, now.Wall.UnixNano()
	if l.clock.heard {
		f.flags |= flagEcho
		f.echo, f.held = l.clock.mono, max(0, now.Mono.Sub(l.clock.at))
	}
	f.ack, f.more = l.receiver.acknowledgement()
	b := f.appendTo(make([]byte, 0, dataFrameLen+len(f.body)))
	datagram := c.s.SealCoop(b)
	clear(b)
	if datagram == nil {
		return out
	}
	l.receiver.unacked = 0
	l.ackTimer.Stop()
	l.stats.BytesSent += uint64(len(datagram))
	return append(out, machine.Send{Local: c.s.Local(), Remote: c.s.Remote(), Bytes: datagram})
}

// Deadline says when Timeout wants to be called.
func (l *Link) Deadline() (machine.Instant, bool) {
	var n machine.Next
	if l.current() == nil {
		return 0, false
	}
	n.Add(l.ackTimer.Deadline())
	n.Add(l.sender.timer.Deadline())
	n.Add(l.hello.Deadline())
	return n.At, n.OK
}

// Timeout repeats what is overdue; early calls change nothing.
func (l *Link) Timeout(now machine.Now, out machine.Effects) machine.Effects {
	if l.current() == nil {
		return out
	}
	if l.hello.Due(now.Mono) {
		out = l.greet(now, out)
	}
	if l.sender.timer.Due(now.Mono) {
		l.sender.overdue()
		out = l.pump(now, out)
	}
	if l.ackTimer.Due(now.Mono) {
		out = l.emit(now, &frame{kind: kindAck}, out)
	}
	return out
}
