package node

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// flood sends a key server n forged first messages, each with a cookie and a port of its own, from one address. With
// shapes each has another vendor id too, as if every sender had another configuration.
type flood struct {
	w    *world
	from netip.Addr
	sent uint32
}

func (f *flood) first(shapes bool) machine.Datagram {
	f.sent++
	c := phase1(rightPSK)
	if shapes {
		c.VendorIDs = [][]byte{binary.BigEndian.AppendUint32(nil, f.sent)}
	}
	b := ike1.FirstMessage(&c, isakmp.Cookie{0: 1})
	binary.BigEndian.PutUint32(b[1:], f.sent)
	return machine.Datagram{Local: ksAddr, Remote: netip.AddrPortFrom(f.from, uint16(1024+f.sent%60000)), Bytes: b}
}

func (f *flood) send(n int, shapes bool) {
	for range n {
		f.w.effects[ksAddr] = nil
		log, queue := f.w.log, f.w.queue
		f.w.step(ksAddr, f.first(shapes))
		f.w.log, f.w.queue = log, queue
	}
}

// TestFloodFromAMembersOwnAddress: between any two messages of a member's phase 1 arrive thousands of first messages that
// have its own source address. It registers at the first attempt.
func TestFloodFromAMembersOwnAddress(t *testing.T) {
	for _, shapes := range []bool{false, true} {
		for _, limits := range []Limits{{}, {HalfOpen: 64, HalfOpenPerSource: 1000}} {
			t.Run(fmt.Sprintf("shapes %v, %d in all", shapes, limits.HalfOpen), func(t *testing.T) {
				w := newWorld(t)
				ks := w.keyServer(limits, blue(t))
				f := &flood{w: w, from: gm1.Addr()}
				f.send(2000, shapes)
				gm := w.member(gm1, rightPSK)
				w.step(gm1, machine.Timeout{})
				for range 20 {
					f.send(2000, shapes)
					if len(w.queue) == 0 {
						break
					}
					d := w.queue[0]
					w.queue = w.queue[1:]
					if w.nodes[d.Local] != nil {
						w.step(d.Local, d)
					}
				}
				s, m := ks.Snapshot(w.now), gm.Snapshot(w.now).Groups[0]
				if m.Registrations != 1 || m.Attempts != 1 || s.Sessions != 1 {
					t.Errorf("%d registrations in %d attempts, %d sessions", m.Registrations, m.Attempts, s.Sessions)
				}
				if most := max(limits.HalfOpen, DefaultHalfOpenPerSource); s.HalfOpen > most || len(ks.sessions) > most+1 {
					t.Errorf("%d negotiations are kept", s.HalfOpen)
				}
				w.run(2 * time.Minute)
				if n := len(ks.sessions); n != 1 {
					t.Errorf("%d sessions are left over", n)
				}
			})
		}
	}
}

// pressed is a key server that has no room for a negotiation with gm1.
func pressed(t *testing.T) (*world, *KeyServer) {
	w := newWorld(t)
	ks := w.keyServer(Limits{HalfOpenPerSource: 1}, blue(t))
	(&flood{w: w, from: gm1.Addr()}).send(1, false)
	w.run(0)
	return w, ks
}

// TestFirstAnswersKeepNothing: message 2 goes out, the same again for the same first message, and nothing is left of it.
func TestFirstAnswersKeepNothing(t *testing.T) {
	w, ks := pressed(t)
	w.member(gm1, rightPSK)
	w.step(gm1, machine.Timeout{})
	first := w.log[0]
	w.queue = nil
	w.step(ksAddr, first)
	w.step(ksAddr, first)
	if len(w.log) != 3 || !bytes.Equal(w.log[1].Bytes, w.log[2].Bytes) || w.log[1].Local != gm1 {
		t.Fatalf("%d datagrams; want message 2, twice the same", len(w.log))
	}
	if len(ks.sessions) != 1 || ks.halfOpen.len() != 1 || drops(ks.Snapshot(w.now).Drops, gdoi.DropSourceLimit) != 2 {
		t.Errorf("%d sessions, drops %v; want the flood's one alone", len(ks.sessions), ks.Snapshot(w.now).Drops)
	}
}

// TestCookiesProveOneSource: what message 3 must have to be taken, when nothing is known of its negotiation.
func TestCookiesProveOneSource(t *testing.T) {
	for _, c := range []struct {
		name   string
		edit   func(w *world, d *machine.Datagram)
		taken  bool
		reason gdoi.DropReason
	}{
		{"as it was", func(*world, *machine.Datagram) {}, true, ""},
		{"a minute later", func(w *world, _ *machine.Datagram) { w.advance(w.now.Mono.Add(cookieEpoch)) }, true, ""},
		{"two minutes later", func(w *world, _ *machine.Datagram) { w.advance(w.now.Mono.Add(2 * cookieEpoch)) }, false, gdoi.DropUnknownCookies},
		{"of another address", func(_ *world, d *machine.Datagram) { d.Remote = gm2 }, false, gdoi.DropUnknownCookies},
		{"of another port", func(_ *world, d *machine.Datagram) { d.Remote = netip.AddrPortFrom(gm1.Addr(), 849) }, false, gdoi.DropUnknownCookies},
		{"another initiator cookie", func(_ *world, d *machine.Datagram) { d.Bytes[3] ^= 1 }, false, gdoi.DropUnknownCookies},
		{"another slot", func(_ *world, d *machine.Datagram) { d.Bytes[8]++ }, false, gdoi.DropUnknownCookies},
		{"no such slot", func(_ *world, d *machine.Datagram) { d.Bytes[8] = 255 }, false, gdoi.DropUnknownCookies},
		{"slot zero", func(_ *world, d *machine.Datagram) { d.Bytes[8] = 0 }, false, gdoi.DropUnknownCookies},
		{"a bit of the MAC", func(_ *world, d *machine.Datagram) { d.Bytes[15] ^= 0x80 }, false, gdoi.DropUnknownCookies},
		{"encrypted", func(_ *world, d *machine.Datagram) { d.Bytes[19] = byte(isakmp.FlagEncrypted) }, false, gdoi.DropUnknownCookies},
		{"another exchange", func(_ *world, d *machine.Datagram) { d.Bytes[18] = byte(isakmp.ExchangeInformational) }, false, gdoi.DropUnknownCookies},
		{"damaged", func(_ *world, d *machine.Datagram) { d.Bytes[isakmp.HeaderLen+3]++ }, false, gdoi.DropMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, ks := pressed(t)
			w.member(gm1, rightPSK)
			w.step(gm1, machine.Timeout{})
			w.step(ksAddr, w.log[0])
			w.step(gm1, w.log[1])
			d := machine.Datagram{Local: ksAddr, Remote: gm1, Bytes: bytes.Clone(w.log[2].Bytes)}
			w.queue = nil
			kept := len(ks.sessions)
			c.edit(w, &d)
			w.step(ksAddr, d)
			if taken := len(w.log) == 4; taken != c.taken {
				t.Fatalf("message 3 taken: %v; want %v", taken, c.taken)
			}
			if c.reason != "" && (drops(ks.Snapshot(w.now).Drops, c.reason) != 1 || len(ks.sessions) > kept) {
				t.Errorf("drops %v, %d sessions; want one %s", ks.Snapshot(w.now).Drops, len(ks.sessions), c.reason)
			}
			if !c.taken {
				return
			}
			// Once more: the session answers, and does not compute again.
			w.step(ksAddr, d)
			if len(w.log) != 5 || !bytes.Equal(w.log[3].Bytes, w.log[4].Bytes) {
				t.Error("the repetition of message 3 is not answered with the same message 4")
			}
			w.queue = w.queue[:1]
			w.drain()
			if s := ks.Snapshot(w.now); s.Sessions != 1 || len(s.Groups[0].Members) != 1 {
				t.Errorf("%d sessions, %d members", s.Sessions, len(s.Groups[0].Members))
			}
		})
	}
}

// TestJarKeepsProvenShapes: a member with another configuration than the key server's comes back under a flood of shapes,
// because somebody has registered with it before; and no flood makes the jar grow.
func TestJarKeepsProvenShapes(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{}, blue(t))
	c := phase1(rightPSK)
	c.Lifetime = time.Hour
	join := func() *GroupMember {
		n, err := NewGroupMember(seeded(byte(len(w.log))), GMConfig{Local: gm1, Phase1: c, Groups: joins("blue")})
		w.add(gm1, n, err)
		return n
	}
	join()
	w.run(time.Minute)
	f := &flood{w: w, from: gm1.Addr()}
	f.send(500, true)
	gm := join()
	w.step(gm1, machine.Timeout{})
	for len(w.queue) > 0 {
		f.send(500, true)
		d := w.queue[0]
		w.queue = w.queue[1:]
		if w.nodes[d.Local] != nil {
			w.step(d.Local, d)
		}
	}
	if s := gm.Snapshot(w.now).Groups[0]; s.Registrations != 1 || s.Attempts != 1 {
		t.Errorf("%d registrations in %d attempts", s.Registrations, s.Attempts)
	}
	proven, others := 0, 0
	for _, s := range ks.cookies.shapes {
		switch {
		case s.proven:
			proven++
		case s.octets != nil:
			others++
		}
	}
	if proven != 2 || others != jarOpen {
		t.Errorf("%d proven shapes, %d others; want the key server's and the member's, and %d", proven, others, jarOpen)
	}
	for i := range 3 * jarShapes {
		ks.cookies.prove([]byte{byte(i)})
	}
	own := shapeOf(ike1.FirstMessage(&ks.cfg.Phase1, isakmp.Cookie{1}))
	if !bytes.Equal(ks.cookies.shapes[0].octets, own) {
		t.Error("the key server's own shape has gone")
	}
}

// BenchmarkJunk is what one datagram costs a key server, by kind: what a stranger can make it compute.
func BenchmarkJunk(b *testing.B) {
	for _, c := range []struct {
		name  string
		full  bool
		first func(f *flood) machine.Datagram
	}{
		{"too short", false, func(*flood) machine.Datagram { return machine.Datagram{Remote: gm1, Bytes: make([]byte, 20)} }},
		{"no header", false, func(*flood) machine.Datagram { return machine.Datagram{Remote: gm1, Bytes: make([]byte, 1400)} }},
		{"unknown cookies", true, func(f *flood) machine.Datagram {
			d := f.first(false)
			d.Bytes[8] = 1 // makes the jar compute
			return d
		}},
		{"first message, one source", false, func(f *flood) machine.Datagram { return f.first(false) }},
		{"first message, one source, table full", true, func(f *flood) machine.Datagram { return f.first(false) }},
		{"first message, other shapes, table full", true, func(f *flood) machine.Datagram { return f.first(true) }},
		{"first message, other sources", false, func(f *flood) machine.Datagram {
			d := f.first(false)
			d.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(f.sent >> 16), byte(f.sent >> 8), byte(f.sent)}), 848)
			return d
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			n, err := NewKeyServer(seeded(0), KSConfig{Local: ksAddr, Phase1: phase1(rightPSK), Groups: []keyserver.Config{blue(b)}}, nil)
			if err != nil {
				b.Fatal(err)
			}
			f := &flood{from: gm1.Addr()}
			now := machine.Now{Wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
			if c.full {
				for range 2 * DefaultHalfOpenPerSource {
					n.Step(now, f.first(false), nil)
				}
			}
			ds := make([]machine.Datagram, 1<<14)
			for i := range ds {
				ds[i] = c.first(f)
			}
			var out machine.Effects
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%len(ds) == 0 && i > 0 {
					now.Mono = now.Mono.Add(time.Second)
					n.Step(now, machine.Timeout{}, nil)
				}
				out = n.Step(now, ds[i%len(ds)], out[:0])
			}
		})
	}
}
