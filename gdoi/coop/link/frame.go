package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// frameVersion is the version of the frame and of everything in it. A peer of another version is not understood.
const frameVersion = 1

// frameKind says what a frame is for; all acknowledge and tell the time besides.
type frameKind uint8

const (
	kindAck      frameKind = iota + 1 // nothing more
	kindData                          // a segment of a message
	kindAnnounce                      // a whole announcement
)

// frameFlags are what may be said beside a kind.
type frameFlags uint16

const (
	flagEcho      frameFlags = 1 << iota // Echo and Held hold something
	flagLast                             // data: the last segment of its message
	flagWantReply                        // announcement
)

// frame is what is in one datagram, under phase 1:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------------+
//	|  Version = 1  |     Kind      | Flags: 4 reply  2 last  1 echo|
//	+---------------+---------------+-------------------------------+
//	|                   Sequence of the frame (8)                   |
//	|                   From: instance of the sender (8)            |
//	|                   To: instance of the receiver, 0 unknown (8) |
//	|                   Mono: the sender's steady clock, ns (8)     |
//	|                   Wall: its wall clock, ns since 1970 (8)     |
//	|                   Echo: the receiver's Mono, last heard (8)   |
//	|                   Held: since then, ns (8)                    |
//	|                   Ack: number of the next segment wanted (8)  |
//	|                   More: bit n: segment Ack+1+n is here (8)    |
//	|                   Segment, if data: its number (8)            |
//	+---------------------------------------------------------------+
//	~                   Body: of data and announcements             ~
//	+---------------------------------------------------------------+
type frame struct {
	kind     frameKind
	flags    frameFlags
	seq      uint64
	from, to instance
	mono     machine.Instant
	wall     int64
	echo     machine.Instant
	held     time.Duration
	ack      uint64
	more     uint64
	segment  uint64
	body     []byte
}

const (
	frameLen     = 4 + 9*8
	dataFrameLen = frameLen + 8
)

var (
	errShort   = errors.New("shorter than a frame")
	errVersion = errors.New("a version of frames that is not known here; the key servers run different software")
	errKind    = errors.New("kind, flags and body of the frame do not belong together")
)

// appendTo writes the frame.
func (f *frame) appendTo(b []byte) []byte {
	b = append(b, frameVersion, byte(f.kind))
	b = binary.BigEndian.AppendUint16(b, uint16(f.flags))
	for _, v := range [...]uint64{
		f.seq, uint64(f.from), uint64(f.to), uint64(f.mono), uint64(f.wall), uint64(f.echo), uint64(f.held), f.ack, f.more,
	} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	if f.kind == kindData {
		b = binary.BigEndian.AppendUint64(b, f.segment)
	}
	return append(b, f.body...)
}

// parseFrame reads a frame; body aliases b. What it takes is written back octet for octet.
func parseFrame(b []byte) (f frame, err error) {
	if len(b) < frameLen {
		return f, errShort
	}
	if b[0] != frameVersion {
		return f, fmt.Errorf("version %d: %w", b[0], errVersion)
	}
	at := 4
	u64 := func() uint64 {
		v := binary.BigEndian.Uint64(b[at:])
		at += 8
		return v
	}
	f.kind, f.flags = frameKind(b[1]), frameFlags(binary.BigEndian.Uint16(b[2:]))
	f.seq, f.from, f.to = u64(), instance(u64()), instance(u64())
	f.mono, f.wall = machine.Instant(u64()), int64(u64()) //nolint:gosec // all values are meant
	f.echo, f.held = machine.Instant(u64()), time.Duration(u64())
	f.ack, f.more = u64(), u64()
	allowed := flagEcho
	switch f.kind {
	case kindAck:
		if len(b) != frameLen {
			return f, errKind
		}
	case kindData:
		if allowed |= flagLast; len(b) <= dataFrameLen {
			return f, errShort
		}
		f.segment = u64()
	case kindAnnounce:
		allowed |= flagWantReply
	default:
		return f, errKind
	}
	switch {
	case f.flags&^allowed != 0, f.flags&flagEcho == 0 && (f.echo != 0 || f.held != 0), f.held < 0:
		return f, errKind
	case f.from.boot() == 0, f.seq == 0, f.ack == 0:
		return f, errKind
	}
	f.body = b[at:]
	return f, nil
}

// instance names a stream's end: the process, drawn at random, and how often it has begun the stream anew. A process that
// restarts has another; so whatever is meant for an earlier one is not taken for this one's.
type instance uint64

const epochBits = 24

// boot is the process. It is never zero.
func (i instance) boot() uint64 { return uint64(i >> epochBits) }

func newInstance(env *machine.Env) instance {
	for {
		b := env.Bytes(8)
		// Epochs count up from 0, so the lower bits are clear.
		if i := instance(binary.BigEndian.Uint64(b)) >> epochBits << epochBits; i != 0 {
			return i
		}
	}
}
