package link

import (
	"slices"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// carrier is an attached session. They have numbers in the order of their attachment, and nobody sends in one before he
// knows that the other side has attached it: an initiator is established last, and a responder waits for a first frame. So
// all sessions with one process of the peer have lower numbers here than all with its next; and a frame of another process
// than the last one is of a later one exactly if its session has a higher number than those that the last was heard in.
// Whoever keeps frames back can not bring an earlier process back with them.
type carrier struct {
	s      Session
	number uint64
	boot   uint64 // the process that was heard in it; zero: none yet
	window window
}

// Attach makes an established session known, and the newest one that both sides have is used. What is queued stays queued.
func (l *Link) Attach(now machine.Now, s Session, out machine.Effects) machine.Effects {
	if l.carrier(s) != nil {
		return out
	}
	l.attached++
	l.carriers = append(l.carriers, &carrier{s: s, number: l.attached})
	if !s.Initiator() {
		return out
	}
	l.sender.again()
	l.hellos = maxHellos
	return l.pump(now, l.greet(now, out))
}

// maxHellos is how often a session is announced to its responder, until something is heard of it. Everything else that is
// sent does it too.
const maxHellos = 6

// greet tells the responder that the session is established here too.
func (l *Link) greet(now machine.Now, out machine.Effects) machine.Effects {
	l.hellos--
	if l.hello.Stop(); l.hellos > 0 {
		l.hello.Set(now.Mono.Add(l.clock.rto()))
	}
	return l.emit(now, &frame{kind: kindAck}, out)
}

// Detach forgets a session that has ended.
func (l *Link) Detach(s Session) {
	l.carriers = slices.DeleteFunc(l.carriers, func(c *carrier) bool { return c.s == s })
	l.sender.again()
}

// Attached says whether a session is used; those of a process of the peer that has ended are not any more.
func (l *Link) Attached(s Session) bool { return l.carrier(s) != nil }

func (l *Link) carrier(s Session) *carrier {
	for _, c := range l.carriers {
		if c.s == s {
			return c
		}
	}
	return nil
}

// current is the carrier to send with: the newest that the peer has too; nil: none.
func (l *Link) current() *carrier {
	for _, c := range slices.Backward(l.carriers) {
		if c.s.Initiator() || c.boot != 0 {
			return c
		}
	}
	return nil
}

// Current is the session that is sent with; nil: none.
func (l *Link) Current() Session {
	if c := l.current(); c != nil {
		return c.s
	}
	return nil
}

// Up says whether there is a session.
func (l *Link) Up() bool { return len(l.carriers) > 0 }

// window recognises frames that came before: of the sequence numbers of one session.
type window struct {
	top  uint64
	seen uint64 // bit n: top-n came
}

func (w *window) fresh(seq uint64) bool {
	return seq > w.top || w.top-seq < 64 && w.seen>>(w.top-seq)&1 == 0
}

func (w *window) take(seq uint64) {
	if seq > w.top {
		if d := seq - w.top; d < 64 {
			w.seen <<= d
		} else {
			w.seen = 0
		}
		w.top = seq
	}
	w.seen |= 1 << (w.top - seq)
}
