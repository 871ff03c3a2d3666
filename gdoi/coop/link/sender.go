package link

import (
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Numbers of the stream. The windows are small enough for the receive buffer of a socket that nobody has tuned, and large
// enough for some hundred megabits per second in a data centre.
const (
	firstRTO     = 200 * time.Millisecond
	minRTO       = 50 * time.Millisecond
	maxRTO       = time.Second
	maxBackoff   = 2 * time.Second
	firstWindow  = 16 // segments under way
	leastWindow  = 4
	maxWindow    = 64
	reordered    = 3 // so many later transmissions have arrived: it is lost
	ackDelay     = 10 * time.Millisecond
	maxUnacked   = 4   // segments that wait for an acknowledgement
	receiveAhead = 128 // segments that are kept before one that is missing
)

// sender is the stream to the peer: messages, cut into segments with numbers from 1 on.
type sender struct {
	queue  [][]byte // what is not yet cut; the first may be a rest
	flight []segment
	first  uint64 // number of flight[0]
	octets int    // of queue and flight

	order     uint64 // transmissions so far
	delivered uint64 // the latest one that is known to have arrived
	recover   uint64 // losses of transmissions up to this one have made the window smaller already
	window    int
	threshold int // of slow start
	credit    int // acknowledged since the window grew

	timer   machine.Timer
	backoff int
}

// segment is under way.
type segment struct {
	body     []byte
	order    uint64 // of its last transmission; zero: none
	last     bool
	sent     bool
	lost     bool // to be sent again
	received bool // out of order
}

// reset forgets, and wipes, everything.
func (s *sender) reset() {
	for _, b := range s.queue {
		clear(b)
	}
	for _, g := range s.flight {
		clear(g.body)
	}
	*s = sender{first: 1, window: firstWindow, threshold: maxWindow}
}

// again has everything sent anew that may be lost, soon.
func (s *sender) again() {
	s.backoff = 0
	for i := range s.flight {
		s.flight[i].lost = s.flight[i].sent && !s.flight[i].received
	}
}

// overdue draws the consequence of silence.
func (s *sender) overdue() {
	if len(s.flight) > 0 && s.backoff == 0 {
		s.threshold = max(s.window/2, leastWindow)
	}
	backoff := s.backoff + 1
	s.again()
	s.backoff, s.window, s.recover = backoff, leastWindow, s.order
}

// wait is how long until the next repetition.
func (s *sender) wait(rto time.Duration) time.Duration {
	return min(rto<<min(s.backoff, 8), maxBackoff)
}

// Send queues a message, and sends what may be sent. The link takes msg over, and wipes it when the peer has it. Without a
// session it waits for one.
func (l *Link) Send(now machine.Now, msg []byte, out machine.Effects) (machine.Effects, error) {
	switch {
	case len(msg) == 0 || len(msg) > MaxMessage:
		return out, ErrLength
	case l.sender.octets+len(msg) > l.cfg.Queue:
		return out, ErrFull
	}
	l.sender.queue = append(l.sender.queue, msg)
	l.sender.octets += len(msg)
	return l.pump(now, out), nil
}

// pump sends what the window allows, lost segments first.
func (l *Link) pump(now machine.Now, out machine.Effects) machine.Effects {
	s := &l.sender
	if s.octets == 0 {
		s.timer.Stop()
		return out
	}
	if l.current() == nil {
		return out // a session, or the first frame in it, goes on
	}
	if l.peer == 0 {
		// Nobody to address it to yet.
		if _, on := s.timer.Deadline(); !on {
			out = l.emit(now, &frame{kind: kindAck}, out)
			s.timer.Set(now.Mono.Add(s.wait(l.clock.rto())))
		}
		return out
	}
	under := 0
	for i := range s.flight {
		if g := &s.flight[i]; g.sent && !g.lost && !g.received {
			under++
		}
	}
	for i := 0; under < s.window; i++ {
		if i == len(s.flight) && !s.cut(l.segment()) {
			break
		}
		g := &s.flight[i]
		if g.sent && !g.lost || g.received {
			continue
		}
		if g.sent {
			l.stats.Retransmits++
		}
		s.order++
		g.sent, g.lost, g.order = true, false, s.order
		f := frame{kind: kindData, segment: s.first + uint64(i), body: g.body}
		if g.last {
			f.flags = flagLast
		}
		out = l.emit(now, &f, out)
		under++
	}
	if _, on := s.timer.Deadline(); !on {
		s.timer.Set(now.Mono.Add(s.wait(l.clock.rto())))
	}
	return out
}

// cut makes one more segment; false when there is nothing to cut, or too much under way.
func (s *sender) cut(size int) bool {
	if len(s.queue) == 0 || len(s.flight) >= receiveAhead {
		return false
	}
	msg := s.queue[0]
	n := min(size, len(msg))
	s.flight = append(s.flight, segment{body: msg[:n], last: n == len(msg)})
	if s.queue[0] = msg[n:]; n == len(msg) {
		s.queue[0] = nil
		s.queue = s.queue[1:]
	}
	return true
}

// acknowledged takes what a frame of this stream says about ours. Numbers that were never sent are nonsense.
func (l *Link) acknowledged(now machine.Now, ack, more uint64) {
	s := &l.sender
	if ack < s.first || ack-s.first > uint64(len(s.flight)) {
		return
	}
	n := int(ack - s.first)
	fresh := 0
	arrived := func(g *segment) {
		if g.sent && !g.received {
			fresh++
			s.delivered = max(s.delivered, g.order)
		}
		g.received = true
	}
	for i := range n {
		g := &s.flight[i]
		arrived(g)
		s.octets -= len(g.body)
		clear(g.body)
		*g = segment{}
	}
	s.flight, s.first = s.flight[n:], ack
	for i := 1; i < len(s.flight) && i <= 64; i++ {
		if more>>(i-1)&1 != 0 && s.flight[i].sent {
			arrived(&s.flight[i])
		}
	}
	if fresh == 0 {
		return
	}
	s.backoff = 0
	s.timer.Stop()
	s.grow(fresh)
	s.detect()
}

// grow opens the window: doubling for each round trip, and above the threshold by one.
func (s *sender) grow(fresh int) {
	if s.window < s.threshold {
		s.window = min(s.window+fresh, maxWindow)
		return
	}
	for s.credit += fresh; s.credit >= s.window; {
		s.credit -= s.window
		s.window = min(s.window+1, maxWindow)
	}
}

// detect finds losses: of what was sent well before something that has arrived.
func (s *sender) detect() {
	shrink := false
	for i := range s.flight {
		g := &s.flight[i]
		if g.sent && !g.received && !g.lost && g.order+reordered <= s.delivered {
			g.lost = true
			shrink = shrink || g.order > s.recover
		}
	}
	if shrink {
		s.recover = s.order
		s.threshold = max(s.window/2, leastWindow)
		s.window = s.threshold
	}
}
