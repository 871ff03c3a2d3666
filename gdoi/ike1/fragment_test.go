package ike1

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// largePair has certificates of 5,000 octets on both sides, so that messages 5 and 6 leave in pieces.
func largePair(t testing.TB) (m, s *Config) {
	h := newPKI(t)
	return h.certPair(suite.AuthECDSA256, pkitest.Request{Padding: 4500}, pkitest.Request{Padding: 4500})
}

func isFragment(b []byte) bool {
	h, err := isakmp.ParseHeader(b)
	return err == nil && h.NextPayload == isakmp.PayloadFragment
}

func TestFragments(t *testing.T) {
	m, s := largePair(t)
	w := newWire(t, m, s).start().run(time.Second)
	w.established()
	pieces := 0
	for _, p := range w.log {
		if len(p.b) > maxWhole {
			t.Errorf("a datagram of %d octets", len(p.b))
		}
		if isFragment(p.b) {
			pieces++
		}
	}
	if pieces < 8 || w.member.FragmentBytes()+w.server.FragmentBytes() != 0 {
		t.Errorf("%d fragments, %d octets kept", pieces, w.member.FragmentBytes()+w.server.FragmentBytes())
	}
}

// One side that does not speak it, and the datagram is as long as it is: the rest is for IP.
func TestNoFragmentsUnlessBoth(t *testing.T) {
	for _, who := range []string{"member", "server"} {
		t.Run(who, func(t *testing.T) {
			m, s := largePair(t)
			map[string]*Config{"member": m, "server": s}[who].OmitFragmentation = true
			w := newWire(t, m, s).start().run(time.Second)
			w.established()
			if len(w.log) != mainModeMessages || len(w.log[4].b) < 4500 {
				t.Errorf("%d datagrams, message 5 of %d octets", len(w.log), len(w.log[4].b))
			}
		})
	}
}

func TestFragmentsLostDoubledReordered(t *testing.T) {
	m, s := largePair(t)
	whole := newWire(t, m, s).start().run(time.Second)
	whole.established()
	for n := 4; n < len(whole.log); n++ {
		for name, fate := range map[string]func(p packet) []packet{
			"lost":    func(packet) []packet { return nil },
			"doubled": func(p packet) []packet { return []packet{p, p} },
			"late":    func(p packet) []packet { p.at = p.at.Add(300 * time.Millisecond); return []packet{p} },
			"last":    func(p packet) []packet { p.at = p.at.Add(5 * time.Second); return []packet{p} },
		} {
			t.Run(fmt.Sprintf("datagram %d %s", n+1, name), func(t *testing.T) {
				w := newWire(t, m, s)
				w.path = func(i int, p packet) []packet {
					if i == n {
						return fate(p)
					}
					return []packet{p}
				}
				w.start().run(40 * time.Second).established()
				if w.signed != 2 {
					t.Errorf("%d signatures", w.signed)
				}
				w.run(time.Minute)
				if n := w.member.FragmentBytes() + w.server.FragmentBytes(); n != 0 {
					t.Errorf("%d octets kept", n)
				}
			})
		}
	}
}

// Nobody but who has computed keys with us makes us keep a fragment, and what contradicts or is too much is refused
// without harm to the genuine ones.
func TestFragmentsForged(t *testing.T) {
	m, s := largePair(t)
	at := func(n int) (*wire, []packet) {
		w := newWire(t, m, s)
		var held []packet
		w.path = func(i int, p packet) []packet {
			if i >= n {
				held = append(held, p)
				return nil
			}
			return []packet{p}
		}
		w.start().run(100 * time.Millisecond)
		w.path = nil
		return w, held
	}
	forge := func(like []byte, f isakmp.Fragment) []byte {
		h, err := isakmp.ParseHeader(like)
		if err != nil {
			t.Fatal(err)
		}
		h.Length = 0
		return isakmp.Message(h, f)
	}
	t.Run("too early", func(t *testing.T) {
		for n := range 4 {
			w, held := at(n)
			if w.server == nil {
				continue
			}
			h := isakmp.Header{Exchange: isakmp.ExchangeMainMode}
			h.InitiatorCookie, h.ResponderCookie = w.server.Cookies()
			for toServer, s := range map[bool]*Session{true: w.server, false: w.member} {
				if toServer && s.State() == StateSentKE {
					continue
				}
				err := w.deliver(toServer, isakmp.Message(h, isakmp.Fragment{ID: 1, Number: 1, Data: []byte("x")}))
				if r := reasonOf(err); r != ReasonUnexpected && r != ReasonCookies && r != ReasonMalformed {
					t.Errorf("message %d, to server %t: %v", n+1, toServer, err)
				}
			}
			_ = w.deliver(held[0].toServer, held[0].b)
			w.run(time.Second).established()
		}
	})
	w, held := at(4)
	first := held[0].b
	for _, c := range []struct {
		name, reason string
		msg          []byte
	}{
		{"number 0", ReasonMalformed, forge(first, isakmp.Fragment{ID: 1, Data: []byte("x")})},
		{"empty", ReasonMalformed, forge(first, isakmp.Fragment{ID: 1, Number: 1})},
		{"too many", ReasonFragmentLimit, forge(first, isakmp.Fragment{ID: 1, Number: maxPieces + 1, Data: []byte("x")})},
		{"too long", ReasonFragmentLimit, forge(first, isakmp.Fragment{ID: 1, Number: 9, Data: make([]byte, maxAssembled+1)})},
		{"two at once", ReasonMalformed, func() []byte {
			h, _ := isakmp.ParseHeader(first)
			return isakmp.Message(h, isakmp.Fragment{ID: 1, Number: 1, Data: []byte("x")}, isakmp.Fragment{ID: 1, Number: 2, Data: []byte("x")})
		}()},
		{"fragments in a fragment", ReasonMalformed, forge(first, isakmp.Fragment{ID: 2, Number: 1, Last: true, Data: first})},
		{"not a message", ReasonMalformed, forge(first, isakmp.Fragment{ID: 2, Number: 1, Last: true, Data: []byte("x")})},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := w.deliver(true, c.msg); reasonOf(err) != c.reason || !errors.Is(err, ErrIgnored) {
				t.Errorf("%v; want %s", err, c.reason)
			}
			if w.server.FragmentBytes() != 0 {
				t.Errorf("%d octets kept", w.server.FragmentBytes())
			}
		})
	}
	t.Run("contradictions", func(t *testing.T) {
		if err := w.deliver(true, first); err != nil {
			t.Fatal(err)
		}
		if err := w.deliver(true, first); reasonOf(err) != ReasonDuplicate {
			t.Error(err)
		}
		for _, f := range []isakmp.Fragment{
			{ID: 1, Number: 1, Data: []byte("other")},
		} {
			if err := w.deliver(true, forge(first, f)); reasonOf(err) != ReasonFragment {
				t.Error(err)
			}
		}
		for _, p := range held[1:] {
			_ = w.deliver(true, p.b)
		}
		w.run(time.Second).established()
	})
	t.Run("a forged one completes the message", func(t *testing.T) {
		w, held := at(4)
		forged := bytes.Clone(held[1].b)
		forged[len(forged)-40] ^= 1
		_ = w.deliver(true, forged)
		for _, p := range held {
			_ = w.deliver(true, p.b)
		}
		if w.server.State() != StateSentKE || w.server.FragmentBytes() != 0 {
			t.Fatalf("%s, %d octets kept", w.server.State(), w.server.FragmentBytes())
		}
		w.run(30 * time.Second).established() // the next transmission is genuine
	})
	t.Run("forgotten", func(t *testing.T) {
		w, held := at(4)
		w.member.Destroy()
		_ = w.deliver(true, held[0].b)
		w.run(assemblyLife)
		if w.server.FragmentBytes() != 0 || w.server.State() != StateSentKE {
			t.Errorf("%d octets kept, %s", w.server.FragmentBytes(), w.server.State())
		}
	})
}

// FuzzAssembly: whatever comes, no more is kept than allowed, and only what was sent comes out.
func FuzzAssembly(f *testing.F) {
	f.Add([]byte("\x00\x01\x01\x00hello\xff\x00\x01\x02\x01world"))
	f.Add([]byte("\x00\x01\x02\x01b\xff\x00\x01\x01\x00a\xff\x00\x02\x01\x01c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a assembly
		sent := map[uint16]map[string]bool{}
		for i, body := range bytes.Split(b, []byte{0xff}) {
			p, err := isakmp.ParseFragment(body)
			if err != nil {
				continue
			}
			if sent[p.ID] == nil {
				sent[p.ID] = map[string]bool{}
			}
			sent[p.ID][string(p.Data)] = true
			msg, bad := a.add(machine.Instant(i)*machine.Instant(time.Second), p)
			size, have := 0, 0
			for _, piece := range a.pieces {
				if piece != nil {
					size, have = size+len(piece), have+1
				}
			}
			if a.size != size || a.have != have || size > maxAssembled || have > maxPieces {
				t.Fatalf("keeps %d octets in %d pieces, says %d in %d", size, have, a.size, a.have)
			}
			if msg == nil {
				continue
			}
			if bad != nil || a.have != 0 {
				t.Fatal("a message and an error, or something left")
			}
			if !madeOf(msg, sent[p.ID]) {
				t.Fatalf("%q was not sent", msg)
			}
		}
	})
}

// madeOf tells whether msg is a sequence of the pieces.
func madeOf(msg []byte, pieces map[string]bool) bool {
	reach := make([]bool, len(msg)+1)
	reach[0] = true
	for i := range msg {
		for p := range pieces {
			if reach[i] && p != "" && bytes.HasPrefix(msg[i:], []byte(p)) {
				reach[i+len(p)] = true
			}
		}
	}
	return reach[len(msg)]
}
