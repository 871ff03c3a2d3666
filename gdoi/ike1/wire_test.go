package ike1

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

var (
	memberAddr = netip.MustParseAddrPort("10.1.0.1:848")
	serverAddr = netip.MustParseAddrPort("10.0.0.1:848")
	fast       = suite.Phase1{Cipher: suite.AES128CBC, Hash: machine.SHA256, Group: suite.ECP256, Auth: suite.AuthPSK}
)

func env(seed byte) *machine.Env { return machine.NewEnv(rand.NewChaCha8([32]byte{seed})) }

func psk(s string) func(netip.Addr) *machine.Secret {
	return func(netip.Addr) *machine.Secret { return machine.NewSecret([]byte(s)) }
}

func config() *Config { return &Config{Suites: []suite.Phase1{fast}, PSK: psk("mekmitasdigoat")} }

// packet is a datagram in flight.
type packet struct {
	at       machine.Instant
	toServer bool
	b        []byte
}

// wire is two nodes and the path between them, in virtual time. The server makes a session for a first message that
// belongs to none, as a key server does.
type wire struct {
	t              testing.TB
	now            machine.Now
	member, server *Session
	serverCfg      *Config
	serverEnv      *machine.Env
	flight         []packet
	log            []packet // everything sent, in order
	memberErr      []error
	serverErr      []error
	// custody answers a request for a signature at once; nil signs with the key of that name.
	custody func(machine.Sign) (sig []byte, err error)
	signed  int
	// path decides the fate of the n-th datagram (from 0): nil delivers it after 10 ms.
	path func(n int, p packet) []packet
}

func newWire(t testing.TB, member, server *Config) *wire {
	w := &wire{t: t, serverCfg: server, serverEnv: env(2), now: machine.Now{Wall: time.Unix(1_800_000_000, 0)}}
	w.member = NewInitiator(env(1), member, memberAddr, serverAddr)
	return w
}

func (w *wire) start() *wire {
	w.emit(false, w.member.Start(w.now, nil))
	return w
}

func (w *wire) emit(fromServer bool, out machine.Effects) {
	w.t.Helper()
	for _, e := range out {
		if e, ok := e.(machine.Sign); ok {
			w.sign(fromServer, e)
			continue
		}
		s, ok := e.(machine.Send)
		if !ok {
			w.t.Fatalf("effect %T", e)
		}
		if want := map[bool]netip.AddrPort{true: memberAddr, false: serverAddr}[fromServer]; s.Remote != want {
			w.t.Fatalf("sent to %s, want %s", s.Remote, want)
		}
		p := packet{at: w.now.Mono.Add(10 * time.Millisecond), toServer: !fromServer, b: bytes.Clone(s.Bytes)}
		n := len(w.log)
		w.log = append(w.log, p)
		if w.path == nil {
			w.flight = append(w.flight, p)
		} else {
			w.flight = append(w.flight, w.path(n, p)...)
		}
	}
}

// deliver hands a datagram to a node at once and returns its error.
func (w *wire) deliver(toServer bool, b []byte) error {
	w.t.Helper()
	b = bytes.Clone(b)
	defer clear(b) // the bytes belong to the session only during the call
	if !toServer {
		out, err := w.member.Handle(w.now, b, nil)
		w.emit(false, out)
		return w.checked(err, w.member, &w.memberErr)
	}
	if w.server == nil {
		s, err := NewResponder(w.serverEnv, w.serverCfg, serverAddr, memberAddr, b)
		if err != nil {
			if send, ok := Refusal(serverAddr, memberAddr, b, err); ok {
				w.emit(true, machine.Effects{send})
			}
			w.serverErr = append(w.serverErr, err)
			return err
		}
		w.server = s
		w.emit(true, s.Start(w.now, nil))
		return nil
	}
	out, err := w.server.Handle(w.now, b, nil)
	w.emit(true, out)
	return w.checked(err, w.server, &w.serverErr)
}

// checked holds every error to the contract: typed, with a reason, fatal exactly when the session is dead.
func (w *wire) checked(err error, s *Session, list *[]error) error {
	w.t.Helper()
	if err == nil {
		return nil
	}
	*list = append(*list, err)
	var e *Error
	if !errors.As(err, &e) || e.Reason == "" || e.Err == nil || errors.Is(err, ErrFatal) == errors.Is(err, ErrIgnored) {
		w.t.Fatalf("error outside of the contract: %v", err)
	}
	if e.Fatal && (s.State() != StateDead || s.DeadReason() != e.Reason) {
		w.t.Fatalf("fatal error %v in state %s (%s)", err, s.State(), s.DeadReason())
	}
	return err
}

// next is the time of the next event.
func (w *wire) next() (machine.Instant, bool) {
	var at machine.Instant
	var ok bool
	for _, p := range w.flight {
		at, ok = machine.Earliest(at, ok, p.at, true)
	}
	for _, s := range []*Session{w.member, w.server} {
		if s != nil {
			d, dok := s.Deadline()
			at, ok = machine.Earliest(at, ok, d, dok)
		}
	}
	return at, ok
}

// run advances time until nothing is left to do or d is over.
func (w *wire) run(d time.Duration) *wire {
	w.t.Helper()
	end := w.now.Mono.Add(d)
	for range 100_000 {
		at, ok := w.next()
		if !ok || at > end {
			w.advance(end)
			return w
		}
		w.advance(max(at, w.now.Mono))
		w.step()
	}
	w.t.Fatal("the conversation does not end")
	return w
}

func (w *wire) advance(to machine.Instant) {
	w.now.Wall = w.now.Wall.Add(to.Sub(w.now.Mono))
	w.now.Mono = to
}

func (w *wire) step() {
	w.t.Helper()
	for i, p := range w.flight {
		if p.at <= w.now.Mono {
			w.flight = append(w.flight[:i:i], w.flight[i+1:]...)
			_ = w.deliver(p.toServer, p.b)
			return
		}
	}
	for _, s := range []*Session{w.member, w.server} {
		if s == nil {
			continue
		}
		out, err := s.Timeout(w.now, nil)
		list := &w.memberErr
		if s == w.server {
			list = &w.serverErr
		}
		_ = w.checked(err, s, list)
		w.emit(s == w.server, out)
	}
}

// established fails the test unless both sides agree on everything.
func (w *wire) established() {
	w.t.Helper()
	if w.server == nil || w.member.State() != StateEstablished || w.server.State() != StateEstablished {
		w.t.Fatalf("not established: member %s, errors %v; server %v", w.member.State(), w.memberErr, w.serverErr)
	}
	if !w.agree() {
		w.t.Fatal("the sides have different keys")
	}
	x, y := w.member.Exchange(7), w.server.Exchange(7)
	h := isakmp.Header{Exchange: isakmp.ExchangeGroupkeyPull, NextPayload: isakmp.PayloadNONCE}
	chain := isakmp.AppendChain(nil, isakmp.Nonce{Data: []byte("something")})
	for range 3 { // the chain runs through messages of both sides
		if _, plain, err := y.Open(x.Seal(h, chain)); err != nil || !bytes.HasPrefix(plain, chain) {
			w.t.Fatalf("exchange: %x, %v", plain, err)
		}
		y.Commit()
		x, y = y, x
	}
}

func (w *wire) agree() bool {
	mi, mr := w.member.Cookies()
	si, sr := w.server.Cookies()
	return mi == si && mr == sr && w.member.Suite() == w.server.Suite() &&
		bytes.Equal(w.member.PRF([]byte("x")), w.server.PRF([]byte("x")))
}

func reasonOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// last is the reason of the last error in a list.
func last(errs []error) string {
	if len(errs) == 0 {
		return ""
	}
	return reasonOf(errs[len(errs)-1])
}
