package link

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func TestMessages(t *testing.T) {
	p := newPath(t, 1).connect("one", 0).run(time.Second)
	p.want(0, "!")
	p.want(1, "!")
	for i := range 20 {
		p.send(0, fmt.Sprint("m", i))
		p.send(1, fmt.Sprint("n", i))
	}
	p.run(time.Second)
	p.want(1, append([]string{"!"}, numbered("m", 0, 20)...)...)
	p.want(0, append([]string{"!"}, numbered("n", 0, 20)...)...)
	for _, e := range p.ends {
		if e.Queued() != 0 || e.Stats(e.now(p.at)).Retransmits != 0 || len(e.errs) != 0 {
			t.Errorf("queued %d, %+v, errors %v", e.Queued(), e.Stats(e.now(p.at)), e.errs)
		}
		if _, ok := e.Deadline(); ok {
			t.Error("a timer runs though nothing is to be done")
		}
	}
}

// TestBadNetwork: loss, duplicates and other order change nothing of what arrives.
func TestBadNetwork(t *testing.T) {
	for seed := range uint64(40) {
		p := newPath(t, seed)
		p.fate = func(int) (at []time.Duration) {
			for range 1 + p.rand.IntN(2) {
				if p.rand.IntN(100) >= 35 {
					at = append(at, time.Duration(1+p.rand.IntN(40))*time.Millisecond)
				}
			}
			return at
		}
		p.connect("one", 0).run(5 * time.Second)
		for p.ends[0].peer == 0 || p.ends[1].peer == 0 { // announcements find the peer
			p.announce(0, "hello")
			p.announce(1, "hello")
			p.run(time.Second)
		}
		var want [2][]string
		p.ends[0].messages, p.ends[1].messages = nil, nil
		for i := range 30 {
			m := fmt.Sprint(i, strings.Repeat("x", p.rand.IntN(5000)))
			from := p.rand.IntN(2)
			want[1-from] = append(want[1-from], m)
			p.send(from, m)
			p.run(time.Duration(p.rand.IntN(50)) * time.Millisecond)
		}
		p.run(2 * time.Minute)
		for i, e := range p.ends {
			e.messages = slices.DeleteFunc(e.messages, func(m string) bool { return m == "hello" })
			if !slices.Equal(e.messages, want[i]) || e.Queued() != 0 {
				t.Fatalf("seed %d: end %d has %d messages of %d, %d octets wait", seed, i, len(e.messages), len(want[i]), e.Queued())
			}
		}
		if p.longest > DefaultDatagram {
			t.Errorf("a datagram of %d octets", p.longest)
		}
	}
}

// TestRestart: what was sent to an earlier process is not delivered to the next, and both are told.
func TestRestart(t *testing.T) {
	p := newPath(t, 1).connect("one", 0).run(time.Second)
	p.send(0, "before")
	p.run(time.Second)
	p.restart(1)
	p.send(0, "lost with the old one")
	p.run(3 * time.Second)
	p.ends[1].messages = nil
	p.connect("two", 1).run(100 * time.Millisecond)
	p.send(0, "after")
	p.send(1, "new")
	p.run(time.Second)
	p.want(0, "!", "!", "new")
	p.want(1, "!", "after")
	if n := p.ends[0].Queued(); n != 0 {
		t.Errorf("%d octets wait", n)
	}
	if p.ends[0].Attached(p.ends[0].sessions[0]) {
		t.Error("the session with the old process is still used")
	}
}

// TestFormer: frames of a process that has ended, kept back by somebody on the path, are never taken up again.
func TestFormer(t *testing.T) {
	p := newPath(t, 1).connect("one", 0).run(time.Second)
	// A second session that nothing has come in yet.
	second := &plain{name: "two", local: addrA, remote: addrB}
	p.ends[0].sessions = append(p.ends[0].sessions, second)
	p.ends[0].Attach(p.ends[0].now(p.at), second, nil)
	old := p.ends[1].Link
	old.Attach(p.ends[1].now(p.at), &plain{name: "two", initiator: true, local: addrB, remote: addrA}, nil)
	out, err := old.Announce(p.ends[1].now(p.at), []byte("of old"), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.restart(1)
	p.connect("three", 1).run(time.Second)
	p.emit(1, out)
	p.run(time.Second)
	p.want(0, "!", "!")
	if p.ends[0].errs[ReasonFormer] != 1 {
		t.Errorf("errors %v", p.ends[0].errs)
	}
}

// TestWithheld: nor are those of a process that was never heard of before the next one was.
func TestWithheld(t *testing.T) {
	p := newPath(t, 1)
	var kept []flying
	p.fate = func(from int) []time.Duration {
		if from == 0 {
			return []time.Duration{time.Millisecond}
		}
		return []time.Duration{time.Hour}
	}
	p.connect("one", 1).run(time.Second)
	p.announce(1, "of old")
	kept, p.flight = p.flight, nil
	p.restart(1)
	p.fate = nil
	p.connect("two", 1).run(time.Second)
	p.want(0, "!")
	for _, f := range kept {
		p.deliver(0, f.b)
	}
	p.run(time.Second)
	p.announce(1, "of new")
	p.run(time.Second)
	p.want(0, "!", "of new")
	if len(kept) < 2 || p.ends[0].errs[ReasonFormer] != len(kept) {
		t.Errorf("%d kept, errors %v", len(kept), p.ends[0].errs)
	}
}

// TestAbandon: the peer is given up, its queue wiped, and when it comes back it is told; nothing is delivered across.
func TestAbandon(t *testing.T) {
	p := newPath(t, 1).connect("one", 0).run(time.Second)
	cut := true
	p.fate = func(int) []time.Duration {
		if cut {
			return nil
		}
		return []time.Duration{time.Millisecond}
	}
	secret := []byte("secret")
	out, err := p.ends[0].Send(p.ends[0].now(p.at), secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.emit(0, out)
	p.send(1, "lost too")
	p.run(5 * time.Second)
	p.ends[0].Abandon()
	if string(secret) == "secret" || p.ends[0].Queued() != 0 {
		t.Error("an abandoned message was not wiped")
	}
	cut = false
	p.announce(0, "here again")
	p.run(3 * time.Second)
	p.send(0, "x")
	p.send(1, "y")
	p.run(3 * time.Second)
	p.want(0, "!", "y")
	p.want(1, "!", "!", "here again", "x")

	// Both at once: whoever loses something is told.
	cut = true
	p.send(0, "gone")
	p.send(1, "gone")
	p.run(time.Second)
	p.ends[0].Abandon()
	p.ends[1].Abandon()
	cut = false
	p.send(0, "to the old one")
	p.run(3 * time.Second)
	p.send(0, "z")
	p.run(3 * time.Second)
	p.want(0, "!", "y", "!")
	p.want(1, "!", "!", "here again", "x", "!", "z")
	// All epochs used up: as a new process, so with a new session.
	p.ends[0].self |= 1<<epochBits - 1
	p.ends[0].Abandon()
	p.announce(0, "of nobody who is known")
	p.run(time.Second)
	p.connect("two", 0).run(time.Second)
	p.send(0, "still")
	p.run(3 * time.Second)
	p.want(1, "!", "!", "here again", "x", "!", "z", "!", "still")
}

// TestSessions: a new session takes over without a gap, whoever began it, and whichever message was lost.
func TestSessions(t *testing.T) {
	for initiator := range 2 {
		p := newPath(t, 1).connect("one", 0).run(time.Second)
		announced := 0
		both := func() {
			p.announce(0, fmt.Sprint(announced))
			p.announce(1, fmt.Sprint(announced))
			announced++
			p.run(10 * time.Millisecond)
		}
		both()
		// The responder is established first, and the initiator does not know the session yet.
		p.attach(1-initiator, &plain{name: "two", local: addrA, remote: addrB})
		both()
		p.attach(initiator, &plain{name: "two", initiator: true, local: addrA, remote: addrB})
		both()
		both()
		for _, e := range p.ends {
			if got := p.ends[0].Current().(*plain).name; got != "two" {
				t.Errorf("session %s is used", got)
			}
			old := e.sessions[0]
			old.(*plain).dead = true
			e.Detach(old)
		}
		both()
		for i := range p.ends {
			p.want(i, append([]string{"!"}, numbered("", 0, announced)...)...)
		}
	}
	// Without any session, messages wait.
	p := newPath(t, 1).connect("one", 0).run(time.Second)
	for _, e := range p.ends {
		e.sessions[0].(*plain).dead = true
		e.Detach(e.sessions[0])
		e.sessions = nil
	}
	p.send(0, "waits")
	p.run(time.Minute)
	p.want(1, "!")
	p.connect("two", 1).run(time.Second)
	p.want(1, "!", "waits")
}

// TestReplay: what comes again is dropped, within the window and beyond it, and so is what comes back to its sender.
func TestReplay(t *testing.T) {
	p := newPath(t, 1).connect("one", 0).run(time.Second)
	var all [][]byte
	for i := range 200 {
		out, err := p.ends[0].Announce(p.ends[0].now(p.at), []byte(fmt.Sprint(i)), i%2 == 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, out[0].(machine.Send).Bytes)
	}
	order := p.rand.Perm(len(all))
	slices.SortFunc(order, func(a, b int) int { return a/20 - b/20 }) // within 20 or so of where they belong
	for _, i := range order {
		p.deliver(1, all[i])
	}
	if got := len(p.ends[1].messages); got != 201 || len(p.ends[1].errs) != 0 {
		t.Fatalf("%d announcements came; errors %v", got, p.ends[1].errs)
	}
	for _, b := range all {
		p.deliver(1, b)
		p.deliver(0, b)
	}
	if p.ends[1].errs[ReasonReplay] != 200 || p.ends[0].errs[ReasonReflected] != 200 || len(p.ends[1].messages) != 201 {
		t.Errorf("errors %v and %v", p.ends[1].errs, p.ends[0].errs)
	}
	s := p.ends[1].Stats(p.ends[1].now(p.at))
	if s.AnnRecv != 200 || s.AnnRecvReply != 100 || s.Drops != 200 || s.BytesRecv == 0 || s.RecvSeq < 200 {
		t.Errorf("%+v", s)
	}
}

// TestClocks: the offset is found to a few milliseconds on a path with jitter, follows a clock that is set, and does not
// move when nothing moves.
func TestClocks(t *testing.T) {
	p := newPath(t, 1)
	p.ends[0].skew, p.ends[1].skew = -7*time.Minute, 3*time.Hour
	p.ends[0].drift, p.ends[1].drift = 80e-6, -60e-6
	p.fate = func(int) []time.Duration {
		return []time.Duration{4*time.Millisecond + time.Duration(p.rand.IntN(60_000))*time.Microsecond}
	}
	check := func(within time.Duration) {
		t.Helper()
		for i, e := range p.ends {
			other := p.ends[1-i]
			want := other.now(p.at).Wall.Sub(e.now(p.at).Wall)
			if got, ok := e.Ahead(e.now(p.at)); !ok || got-want > within || want-got > within {
				t.Errorf("at %v end %d: %v %v ahead; want %v", p.at, i, got, ok, want)
			}
			sent := []time.Duration{950 * time.Millisecond, time.Second}[i]
			if got, doubt, ok := e.Flight(e.now(p.at)); !ok || (got-sent).Abs() > doubt || doubt > 2*within {
				t.Errorf("at %v end %d: the last frame was sent %v ago, give or take %v, %v; want %v", p.at, i, got, doubt, ok, sent)
			}
		}
	}
	p.connect("one", 0).run(time.Second)
	if _, ok := New(env(9), Config{}).Ahead(p.ends[0].now(0)); ok {
		t.Error("an offset of nobody")
	}
	for range 600 {
		p.announce(0, "x")
		p.run(50 * time.Millisecond)
		p.announce(1, "x")
		p.run(950 * time.Millisecond)
		if p.at > 20*time.Second {
			check(35 * time.Millisecond)
		}
	}
	p.ends[0].skew += time.Hour
	p.ends[1].skew -= time.Minute
	p.announce(0, "x")
	p.run(50 * time.Millisecond)
	p.announce(1, "x")
	p.run(950 * time.Millisecond)
	check(35 * time.Millisecond)
}

// TestBulk: the state of a thousand members is over in a moment, on a clean path and on a bad one.
func TestBulk(t *testing.T) {
	for _, c := range []struct {
		name          string
		delay, within time.Duration
		loss          int
	}{
		{"data centre", 500 * time.Microsecond, 200 * time.Millisecond, 0},
		{"wide area", 20 * time.Millisecond, 2 * time.Second, 0},
		{"one per cent lost", 10 * time.Millisecond, 2 * time.Second, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPath(t, 3)
			p.fate = func(int) []time.Duration {
				if p.rand.IntN(100) < c.loss {
					return nil
				}
				return []time.Duration{c.delay}
			}
			p.connect("one", 0).run(time.Second)
			p.announce(0, "a")
			p.announce(1, "b")
			p.run(time.Second)
			began, sent := p.at, p.sent
			p.send(0, strings.Repeat("member", 1000*500/6))
			for p.ends[0].Queued() > 0 && p.at < time.Minute {
				p.run(time.Millisecond)
			}
			t.Logf("500 kB in %v, %d datagrams, %d again", p.at-began, p.sent-sent, p.ends[0].Stats(p.ends[0].now(p.at)).Retransmits)
			if p.at-began > c.within {
				t.Errorf("took %v; want %v", p.at-began, c.within)
			}
		})
	}
}

// TestBounds: what cannot be sent is refused, and what a peer sends is bounded.
func TestBounds(t *testing.T) {
	p := newPath(t, 1)
	l := New(env(7), Config{Queue: 1000})
	now := p.ends[0].now(0)
	if _, err := l.Send(now, nil, nil); err != ErrLength {
		t.Errorf("an empty message: %v", err)
	}
	if _, err := l.Send(now, make([]byte, 1001), nil); err != ErrFull {
		t.Errorf("more than the queue: %v", err)
	}
	if _, err := l.Announce(now, make([]byte, l.MaxAnnouncement()+1), false, nil); err != ErrLength {
		t.Errorf("a long announcement: %v", err)
	}
	p.connect("one", 0).run(time.Second)
	a, b := p.ends[0], p.ends[1]
	frameOf := func(f frame) []byte {
		a.seq++
		f.seq, f.from, f.to, f.ack = a.seq, a.self, b.self, 1
		return append([]byte("one"), f.appendTo(nil)...)
	}
	p.deliver(1, frameOf(frame{kind: kindData, segment: 1 + receiveAhead, body: []byte("x")}))
	p.deliver(1, frameOf(frame{kind: kindData, segment: 1<<64 - 1, body: []byte("x")}))
	if b.errs[ReasonWindow] != 2 || len(b.receiver.early) != 0 {
		t.Errorf("segments far ahead: %v, %d kept", b.errs, len(b.receiver.early))
	}
	for i := range uint64(MaxMessage/60000 + 10) {
		p.deliver(1, frameOf(frame{kind: kindData, segment: i + 1, body: make([]byte, 60000)}))
	}
	if b.errs[ReasonTooLong] == 0 || len(b.receiver.message) > MaxMessage {
		t.Errorf("a message without end: %v, %d kept", b.errs, len(b.receiver.message))
	}
	// Acknowledgements of what was never sent.
	p.send(1, "still")
	for _, ack := range []uint64{0, 3, 1 << 63, 1<<64 - 1} {
		f := frame{kind: kindAck, seq: 1 << 40, from: a.self, to: b.self, ack: ack, more: 1<<64 - 1}
		a.seq++
		f.seq = a.seq
		p.deliver(1, append([]byte("one"), f.appendTo(nil)...))
	}
	if b.Queued() != len("still") {
		t.Errorf("%d octets wait", b.Queued())
	}
}

// TestPhase1 runs over real sessions of every suite: a datagram is never longer than it should be.
func TestPhase1(t *testing.T) {
	for i, s := range suite.DefaultPhase1() {
		if s.WithCertificate() {
			continue
		}
		p := newPath(t, 1)
		ini, res := established(t, byte(i), s)
		p.attach(0, ini)
		p.attach(1, res)
		p.run(time.Second)
		for n := range 20 {
			p.send(0, strings.Repeat("x", 900+n*10))
			p.announce(1, strings.Repeat("a", p.ends[1].MaxAnnouncement()-n))
			p.run(100 * time.Millisecond)
		}
		if n := len(p.ends[1].messages); n != 21 || p.longest > DefaultDatagram || p.longest < DefaultDatagram-80 {
			t.Errorf("%v: %d messages, the longest datagram %d", s, n, p.longest)
		}
		if len(p.ends[0].messages) != 21 || len(p.ends[0].errs)+len(p.ends[1].errs) != 0 {
			t.Errorf("%v: %d announcements, errors %v %v", s, len(p.ends[0].messages), p.ends[0].errs, p.ends[1].errs)
		}
	}
}

// TestSaturated: a peer may claim any time.
func TestSaturated(t *testing.T) {
	for _, c := range []struct{ a, b, want int64 }{
		{1, 2, 3}, {math.MaxInt64, 1, math.MaxInt64}, {math.MinInt64, -1, math.MinInt64}, {math.MaxInt64, math.MinInt64, -1},
	} {
		if got := saturated(c.a, c.b); got != c.want {
			t.Errorf("%d + %d = %d", c.a, c.b, got)
		}
	}
	var k clock
	for _, mono := range []machine.Instant{math.MinInt64, math.MaxInt64, 0} {
		for _, wall := range []int64{math.MinInt64, math.MaxInt64, 0} {
			k.heardFrame(machine.Now{Mono: 10, Wall: start}, &frame{flags: flagEcho, mono: mono, wall: wall, echo: 5, held: 2})
			k.ahead(machine.Now{Mono: 20, Wall: start})
			if d, _, ok := k.flight(20); ok && d < 0 {
				t.Errorf("a flight of %v", d)
			}
		}
	}
	k.heardFrame(machine.Now{Mono: 10, Wall: start}, &frame{flags: flagEcho, echo: math.MinInt64, held: math.MaxInt64})
	k.heardFrame(machine.Now{Mono: 10, Wall: start}, &frame{flags: flagEcho, echo: math.MaxInt64})
}

// BenchmarkBulk is messages of a megabyte over real phase 1.
func BenchmarkBulk(b *testing.B) {
	p := newPath(b, 1)
	ini, res := established(b, 1, suite.DefaultPhase1()[0])
	p.attach(0, ini)
	p.attach(1, res)
	p.run(time.Second)
	p.fate = func(int) []time.Duration { return []time.Duration{100 * time.Microsecond} }
	b.SetBytes(1 << 20)
	for b.Loop() {
		p.send(0, strings.Repeat("x", 1<<20))
		for p.ends[0].Queued() > 0 {
			p.run(time.Millisecond)
		}
		p.ends[1].messages, p.ends[1].got = nil, nil
	}
}
