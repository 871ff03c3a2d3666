package link

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

var (
	addrA = netip.MustParseAddrPort("10.0.0.1:848")
	addrB = netip.MustParseAddrPort("10.0.0.2:848")
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func env(n ...byte) *machine.Env {
	var seed [32]byte
	copy(seed[:], n)
	return machine.NewEnv(rand.NewChaCha8(seed))
}

// established is a pair of sessions of real phase 1.
func established(t testing.TB, seed byte, p suite.Phase1) (initiator, responder *ike1.Session) {
	t.Helper()
	cfg := &ike1.Config{Suites: []suite.Phase1{p}, PSK: func(netip.Addr) *machine.Secret { return machine.NewSecret([]byte("coop")) }}
	now := machine.Now{Wall: start}
	initiator = ike1.NewInitiator(env(seed), cfg, addrA, addrB)
	out := initiator.Start(now, nil)
	for len(out) > 0 {
		s := out[0].(machine.Send)
		out = out[1:]
		var more machine.Effects
		var err error
		switch {
		case s.Remote == addrB && responder == nil:
			if responder, err = ike1.NewResponder(env(seed+100), cfg, addrB, addrA, s.Bytes); err == nil {
				more = responder.Start(now, nil)
			}
		case s.Remote == addrB:
			more, err = responder.Handle(now, s.Bytes, nil)
		default:
			more, err = initiator.Handle(now, s.Bytes, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, more...)
	}
	if initiator.State() != ike1.StateEstablished || responder.State() != ike1.StateEstablished {
		t.Fatal("phase 1 is not established")
	}
	return initiator, responder
}

// plain is a session without cryptography: a datagram is the frame after a name of the session.
type plain struct {
	name          string
	initiator     bool
	local, remote netip.AddrPort
	dead          bool
}

var errPlain = errors.New("of another session")

func (p *plain) SealCoop(f []byte) []byte {
	if p.dead {
		return nil
	}
	return append([]byte(p.name), f...)
}

func (p *plain) OpenCoop(b []byte) ([]byte, error) {
	f, ok := bytes.CutPrefix(b, []byte(p.name))
	if !ok || p.dead {
		return nil, errPlain
	}
	return bytes.Clone(f), nil
}
func (p *plain) Initiator() bool        { return p.initiator }
func (p *plain) Local() netip.AddrPort  { return p.local }
func (p *plain) Remote() netip.AddrPort { return p.remote }

// end is one side: its link, its clocks, and what it has received.
type end struct {
	*Link
	sessions []Session
	skew     time.Duration // of its wall clock
	drift    float64       // of its steady clock
	got      []Received
	messages []string
	errs     map[string]int
}

func (e *end) now(t time.Duration) machine.Now {
	own := time.Duration(float64(t) * (1 + e.drift))
	return machine.Now{Mono: machine.Instant(own), Wall: start.Add(own + e.skew)}
}

// path is two ends and the network between them, in virtual time.
type path struct {
	t       testing.TB
	rand    *rand.Rand
	at      time.Duration
	ends    [2]*end
	flight  []flying
	sent    int
	boots   byte
	longest int
	// fate says when each copy of a datagram arrives, from now on; nil: after 5 ms.
	fate func(from int) []time.Duration
}

type flying struct {
	at   time.Duration
	to   int
	from int
	b    []byte
}

func newPath(t testing.TB, seed uint64) *path {
	p := &path{t: t, rand: rand.New(rand.NewPCG(seed, 1))}
	for i := range p.ends {
		p.ends[i] = &end{Link: New(env(byte(seed)+byte(10*i)), Config{}), errs: map[string]int{}}
	}
	return p
}

// connect gives both ends a session.
func (p *path) connect(name string, initiator int) *path {
	p.attach(initiator, &plain{name: name, initiator: true, local: addrA, remote: addrB})
	p.attach(1-initiator, &plain{name: name, local: addrB, remote: addrA})
	return p
}

func (p *path) attach(i int, s Session) {
	e := p.ends[i]
	e.sessions = append(e.sessions, s)
	p.emit(i, e.Attach(e.now(p.at), s, nil))
}

// restart replaces an end by a new process.
func (p *path) restart(i int) {
	p.boots++
	p.ends[i].Link, p.ends[i].sessions = New(env(0xff, p.boots), Config{}), nil
}

func (p *path) emit(from int, out machine.Effects) {
	for _, x := range out {
		b := x.(machine.Send).Bytes
		p.sent++
		p.longest = max(p.longest, len(b))
		fates := []time.Duration{5 * time.Millisecond}
		if p.fate != nil {
			fates = p.fate(from)
		}
		for _, d := range fates {
			p.flight = append(p.flight, flying{p.at + d, 1 - from, from, b})
		}
	}
}

func (p *path) send(from int, msg string) {
	p.t.Helper()
	e := p.ends[from]
	out, err := e.Send(e.now(p.at), []byte(msg), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.emit(from, out)
}

func (p *path) announce(from int, msg string) {
	p.t.Helper()
	e := p.ends[from]
	out, err := e.Announce(e.now(p.at), []byte(msg), false, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.emit(from, out)
}

// deliver hands a datagram over, to the session that can read it.
func (p *path) deliver(to int, b []byte) {
	e := p.ends[to]
	for _, s := range e.sessions {
		if x, ok := s.(*plain); ok && !bytes.HasPrefix(b, []byte(x.name)) {
			continue
		}
		got, out, err := e.Handle(e.now(p.at), s, bytes.Clone(b), nil)
		var le *Error
		if errors.As(err, &le) {
			e.errs[le.Reason]++
		} else if err != nil {
			e.errs["other"]++
		}
		for _, g := range got {
			e.got = append(e.got, g)
			switch g.Kind {
			case Message, Announcement:
				e.messages = append(e.messages, string(g.Body))
			case Restarted:
				e.messages = append(e.messages, "!")
			}
		}
		p.emit(to, out)
		return
	}
}

// run lets time pass.
func (p *path) run(d time.Duration) *path {
	until := p.at + d
	for {
		next, who := until, -1
		for i, e := range p.ends {
			if at, ok := e.Deadline(); ok {
				if t := time.Duration(float64(at)/(1+e.drift)) + 1; t < next {
					next, who = max(t, p.at), i
				}
			}
		}
		i := -1
		for j, f := range p.flight {
			if f.at <= next && (i < 0 || f.at < p.flight[i].at) {
				i = j
			}
		}
		switch {
		case i >= 0:
			f := p.flight[i]
			p.flight = slices.Delete(p.flight, i, i+1)
			p.at = max(p.at, f.at)
			p.deliver(f.to, f.b)
		case who >= 0:
			p.at = next
			p.emit(who, p.ends[who].Timeout(p.ends[who].now(p.at), nil))
		default:
			p.at = until
			return p
		}
	}
}

func (p *path) want(to int, messages ...string) {
	p.t.Helper()
	if !slices.Equal(p.ends[to].messages, messages) {
		p.t.Errorf("end %d has %.300q; want %.300q", to, p.ends[to].messages, messages)
	}
}

func numbered(prefix string, from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("%s%d", prefix, i))
	}
	return out
}
