package link

import (
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Reasons, stable codes for counters; those of ike1 for what phase 1 refuses are used too.
const (
	ReasonMalformed  = "coop-malformed" // not a frame
	ReasonVersion    = "coop-version"   // frames of another version
	ReasonUnattached = "coop-session"   // the session is not one of this link
	ReasonReflected  = "coop-reflected" // our own frame come back
	ReasonReplay     = "coop-replay"    // a sequence number that was used, or is too old to know
	ReasonFormer     = "coop-former"    // of a process, or stream, of the peer that has ended
	ReasonStale      = "coop-stale"     // meant for a process, or stream, of ours that has ended
	ReasonWindow     = "coop-window"    // a segment too far ahead
	ReasonTooLong    = "coop-too-long"  // a message that is longer than allowed
)

// Error says why a datagram was dropped.
type Error struct {
	// Reason is one of the Reason constants.
	Reason string
	Err    error
}

// Error is one sentence.
func (e *Error) Error() string { return "coop: " + e.Reason + ": " + e.Err.Error() }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

func dropped(reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Handle takes a datagram of session s. What comes with an error is valid too: that the peer has restarted, and effects.
func (l *Link) Handle(now machine.Now, s Session, datagram []byte, out machine.Effects) ([]Received, machine.Effects, error) {
	l.stats.BytesRecv += uint64(len(datagram))
	got, out, err := l.handle(now, s, datagram, out)
	if err != nil {
		l.stats.Drops++
	}
	return got, out, err
}

func (l *Link) handle(now machine.Now, s Session, datagram []byte, out machine.Effects) ([]Received, machine.Effects, error) {
	c := l.carrier(s)
	if c == nil {
		return nil, out, dropped(ReasonUnattached, "the session is not used for cooperation")
	}
	b, err := s.OpenCoop(datagram)
	if err != nil {
		return nil, out, err
	}
	f, err := parseFrame(b)
	switch {
	case err != nil && len(b) > 0 && b[0] != frameVersion:
		return nil, out, &Error{ReasonVersion, err}
	case err != nil:
		return nil, out, &Error{ReasonMalformed, err}
	case f.from.boot() == l.self.boot():
		return nil, out, dropped(ReasonReflected, "a frame of our own")
	case !c.window.fresh(f.seq):
		return nil, out, dropped(ReasonReplay, "frame %d after %d", f.seq, c.window.top)
	case f.from.boot() == l.peer.boot() && f.from < l.peer, f.from.boot() != l.peer.boot() && c.number <= l.latest:
		return nil, out, dropped(ReasonFormer, "the peer has restarted since frame %d", f.seq)
	}
	c.window.take(f.seq)
	var got []Received
	if f.from != l.peer {
		l.restart(f.from)
		got = append(got, Received{Kind: Restarted, Seq: f.seq})
	}
	c.boot, l.latest = f.from.boot(), max(l.latest, c.number)
	l.hello.Stop()
	silent := l.sender.backoff > 0
	l.heard, l.heardAt = true, max(l.heardAt, now.Mono)
	if f.seq > l.stats.RecvSeq {
		l.stats.RecvSeq = f.seq
		l.clock.heardFrame(now, &f)
	}
	if f.kind == kindAnnounce {
		r := Received{Kind: Announcement, Body: f.body, WantReply: f.flags&flagWantReply != 0, Seq: f.seq}
		if l.stats.AnnRecv++; r.WantReply {
			l.stats.AnnRecvReply++
		}
		got = append(got, r)
	}
	if f.to != l.self {
		// It does not know us as we are now: tell it.
		out = l.pump(now, l.emit(now, &frame{kind: kindAck}, out))
		if f.kind == kindData {
			clear(f.body)
			return got, out, dropped(ReasonStale, "a segment for a stream of ours that has ended")
		}
		return got, out, nil
	}
	if silent {
		l.sender.again() // it is back
		l.sender.timer.Stop()
	}
	l.acknowledged(now, f.ack, f.more)
	if f.kind == kindData {
		if err := l.receiver.fits(&f); err != nil {
			clear(f.body)
			return got, l.pump(now, out), err
		}
		messages, hurry := l.receiver.take(&f)
		for _, m := range messages {
			got = append(got, Received{Kind: Message, Body: m, Seq: f.seq})
		}
		if hurry {
			out = l.emit(now, &frame{kind: kindAck}, out)
		} else if _, on := l.ackTimer.Deadline(); !on {
			l.ackTimer.Set(now.Mono.Add(ackDelay))
		}
	}
	return got, l.pump(now, out), nil
}

// restart takes up another instance of the peer.
func (l *Link) restart(to instance) {
	if l.peer.boot() != to.boot() {
		if old := l.peer.boot(); old != 0 {
			l.carriers = slices.DeleteFunc(l.carriers, func(c *carrier) bool { return c.boot == old })
		}
		l.clock, l.stats.RecvSeq = clock{}, 0
	}
	l.peer = to
	l.anew()
}
