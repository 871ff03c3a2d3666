package node

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// recorded finds the nth datagram of an exchange between two nodes.
func (w *world) recorded(x isakmp.ExchangeType, from, to netip.AddrPort, nth int) machine.Datagram {
	w.t.Helper()
	for _, d := range w.log {
		if d.Remote != from || d.Local != to || isakmp.ExchangeType(d.Bytes[18]) != x {
			continue
		}
		if nth--; nth < 0 {
			d.Bytes = bytes.Clone(d.Bytes)
			return d
		}
	}
	w.t.Fatalf("%v was not sent from %v to %v that often", x, from, to)
	return machine.Datagram{}
}

// TestAbuse throws one kind of datagram at a node, hundreds of times, while a member joins, another one registers again and
// the keys roll. Each is counted under its reason, moves nobody else, and answers nothing that is longer than itself.
func TestAbuse(t *testing.T) {
	const (
		main = isakmp.ExchangeMainMode
		pull = isakmp.ExchangeGroupkeyPull
		rk   = isakmp.ExchangeGroupkeyPush
		info = isakmp.ExchangeInformational
		ack  = isakmp.ExchangeGroupkeyPushAck
	)
	again := func(x isakmp.ExchangeType, from, to netip.AddrPort, nth int) func(*world) machine.Datagram {
		return func(w *world) machine.Datagram { return w.recorded(x, from, to, nth) }
	}
	edited := func(of func(*world) machine.Datagram, edit func(d *machine.Datagram)) func(*world) machine.Datagram {
		return func(w *world) machine.Datagram {
			d := of(w)
			edit(&d)
			return d
		}
	}
	flip := func(at int) func(d *machine.Datagram) { return func(d *machine.Datagram) { d.Bytes[at] ^= 0x40 } }
	late := func(n int) func(d *machine.Datagram) {
		return func(d *machine.Datagram) { d.Bytes[len(d.Bytes)-n] ^= 0x40 }
	}
	cut := func(d *machine.Datagram) { d.Bytes = d.Bytes[:len(d.Bytes)-16] }
	exchange := func(x byte) func(d *machine.Datagram) { return func(d *machine.Datagram) { d.Bytes[18] = x } }
	moved := func(d *machine.Datagram) { d.Remote = outsider }
	pad := func(d *machine.Datagram) {
		d.Bytes = append(d.Bytes, make([]byte, 4000)...)
		isakmp.SetLength(d.Bytes)
	}
	toKS := func(x isakmp.ExchangeType, nth int) func(*world) machine.Datagram { return again(x, gm1, ksAddr, nth) }
	toGM := func(x isakmp.ExchangeType, nth int) func(*world) machine.Datagram { return again(x, ksAddr, gm1, nth) }
	for _, c := range []struct {
		name   string
		make   func(*world) machine.Datagram
		reason gdoi.DropReason
	}{
		// At the key server.
		{"KS: message 1 again", toKS(main, 0), "duplicate"},
		{"KS: message 3 again", toKS(main, 1), "unexpected-message"},
		{"KS: message 5 again, late", toKS(main, 2), "duplicate"},
		{"KS: message 5, damaged", edited(toKS(main, 2), flip(40)), "unexpected-message"},
		{"KS: message 3 from elsewhere", edited(toKS(main, 1), moved), gdoi.DropWrongAddress},
		{"KS: message 3, other cookies", edited(toKS(main, 1), flip(9)), gdoi.DropUnknownCookies},
		{"KS: registration again, message 1", toKS(pull, 0), gdoi.DropUnknownMessage},
		{"KS: registration again, message 3", toKS(pull, 1), "malformed"},
		{"KS: registration, damaged", edited(toKS(pull, 0), flip(78)), "bad-hash"},
		{"KS: registration, another message id", edited(toKS(pull, 0), flip(20)), "malformed"},
		{"KS: registration from elsewhere", edited(toKS(pull, 0), moved), gdoi.DropWrongAddress},
		{"KS: registration, cut", edited(toKS(pull, 0), cut), gdoi.DropMalformed},
		{"KS: informational again", toKS(info, 0), "replay"},
		{"KS: informational, damaged", edited(toKS(info, 0), late(3)), "replay"},
		{"KS: informational, another message id", edited(toKS(info, 0), flip(20)), "malformed"},
		{"KS: a rekey of its own comes back", edited(toGM(rk, 0), func(d *machine.Datagram) { d.Local, d.Remote = ksAddr, gm1 }), gdoi.DropNotForUs},
		{"KS: aggressive mode", edited(toKS(main, 0), exchange(4)), gdoi.DropUnknownExch},
		{"KS: oversized", edited(toKS(pull, 0), pad), gdoi.DropTooLong},
		{"KS: a few octets", edited(toKS(pull, 0), func(d *machine.Datagram) { d.Bytes = d.Bytes[:20] }), gdoi.DropTooShort},
		{"KS: first message, damaged", edited(toKS(main, 0), flip(isakmp.HeaderLen+2)), "malformed"},
		{"KS: first message, no suite of ours", edited(toKS(main, 0), flip(isakmp.HeaderLen+35)), "no-proposal-chosen"},
		{"KS: an old acknowledgement", toKS(ack, 0), gdoi.DropAckOld},
		// At a member.
		{"GM: message 2 again", toGM(main, 0), "unexpected-message"},
		{"GM: message 4 again", toGM(main, 1), "unexpected-message"},
		{"GM: message 6 again", toGM(main, 2), "duplicate"},
		{"GM: registration again, message 2", toGM(pull, 0), gdoi.DropUnknownMessage},
		{"GM: registration again, message 4", toGM(pull, 1), gdoi.DropUnknownMessage},
		{"GM: not from a key server", edited(toGM(pull, 1), moved), gdoi.DropUnknownPeer},
		{"GM: informational again", toGM(info, 0), "replay"},
		{"GM: the same rekey again, from elsewhere", edited(toGM(rk, 1), moved), "duplicate"},
		{"GM: an old rekey", toGM(rk, 0), "duplicate"},
		{"GM: rekey, damaged in the middle", edited(toGM(rk, 0), flip(100)), "replay"},
		{"GM: rekey, damaged at its end", edited(toGM(rk, 1), late(3)), "malformed"},
		{"GM: forged rekey, by one who knows the KEK", forgedPush(1000, otherKey), "bad-signature"},
		{"GM: genuine rekey with an old number", forgedPush(1, rsaKey), "replay"},
		{"GM: rekey of another group", edited(again(rk, ksAddr, gm2, 0), func(d *machine.Datagram) { d.Local = gm1 }), gdoi.DropUnknownKEK},
		{"GM: rekey under no KEK", edited(toGM(rk, 0), flip(3)), gdoi.DropUnknownKEK},
		{"GM: rekey, cut", edited(toGM(rk, 0), cut), gdoi.DropMalformed},
		{"GM: an acknowledgement", edited(toGM(rk, 0), exchange(byte(ack))), gdoi.DropNotForUs},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			ks := w.keyServer(Limits{Datagram: 4000}, blue(t), green2(t))
			p := phase1(rightPSK)
			p.DPDInterval = 20 * time.Second
			gm, err := NewGroupMember(seeded(5), GMConfig{Local: gm1, Phase1: p, Groups: joins("blue")})
			w.add(gm1, gm, err)
			w.member(gm2, rightPSK, joins("green")...)
			w.run(time.Minute)
			for range 2 {
				w.step(ksAddr, gdoi.CmdRekey{Group: "blue", ID: 1})
				w.step(ksAddr, gdoi.CmdRekey{Group: "green", ID: 1})
				w.run(2 * time.Minute)
			}
			d := c.make(w)
			at, target := "key server", func() []Drop { return ks.Snapshot(w.now).Drops }
			if d.Local != ksAddr {
				at, target = "member", func() []Drop { return gm.Snapshot(w.now).Drops }
			}
			before, in, out := drops(target(), c.reason), 0, 0
			abuse := func() {
				for range 100 {
					sent := len(w.log)
					w.step(d.Local, machine.Datagram{Local: d.Local, Remote: d.Remote, Bytes: bytes.Clone(d.Bytes)})
					in += len(d.Bytes)
					for _, o := range w.log[sent:] {
						out += len(o.Bytes)
					}
				}
			}
			abuse()
			w.queue = nil // nobody reads the answers
			joiner := w.member(netip.MustParseAddrPort("10.1.0.3:848"), rightPSK, joins("blue")...)
			w.step(joinerAddr, machine.Timeout{})
			abuse()
			w.run(time.Second)
			w.step(gm1, gdoi.CmdReregister{Group: "blue", ID: 2})
			abuse()
			w.run(time.Second)
			w.step(ksAddr, gdoi.CmdRekey{Group: "blue", KEK: true, ID: 3})
			abuse()
			w.run(10 * time.Minute)

			if n := drops(target(), c.reason) - before; n < 100 {
				t.Errorf("the %s counted %d %s; drops %v", at, n, c.reason, target())
			}
			if out > in*3/2 {
				t.Errorf("%d octets in caused %d octets out", in, out)
			}
			want := ks.Snapshot(w.now).Groups[0]
			for name, m := range map[string]*GroupMember{"member": gm, "joiner": joiner} {
				g := m.Snapshot(w.now).Groups[0]
				if g.State != member.Registered || !slices.Equal(spis(g.TEKs), spis(want.TEKs)) || g.KEKs[len(g.KEKs)-1].SPI != want.KEKs[0].SPI || g.Reason != "" {
					t.Errorf("%s: %v %q with TEKs %v; want registered with %v", name, g.State, g.Reason, spis(g.TEKs), spis(want.TEKs))
				}
			}
			if g := gm.Snapshot(w.now).Groups[0]; g.Registrations != 2 || g.Attempts != 2 {
				t.Errorf("%d registrations in %d attempts; want the first and the operator's", g.Registrations, g.Attempts)
			}
			if g := joiner.Snapshot(w.now).Groups[0]; g.Registrations != 1 || g.Attempts != 1 {
				t.Errorf("the joiner registered %d times in %d attempts", g.Registrations, g.Attempts)
			}
			if n := len(want.Members); n != 2 {
				t.Errorf("%d members", n)
			}
			if n := ks.Snapshot(w.now).HalfOpen; n != 0 {
				t.Errorf("%d negotiations are left over", n)
			}
		})
	}
}

// TestAbuseOfAcknowledgements, while a rekey waits for them: forgeries do not count, and neither do they keep the genuine
// one from counting.
func TestAbuseOfAcknowledgements(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{}, blue(t))
	w.member(gm1, rightPSK)
	w.member(gm2, rightPSK)
	w.run(time.Minute)
	begin := len(w.log)
	w.step(ksAddr, gdoi.CmdRekey{Group: "blue", ID: 1})
	// Everything but gm1's acknowledgement arrives.
	var genuine machine.Datagram
	mine := func() bool {
		i := slices.IndexFunc(w.queue, func(d machine.Datagram) bool {
			return d.Remote == gm1 && isakmp.ExchangeType(d.Bytes[18]) == isakmp.ExchangeGroupkeyPushAck
		})
		if i >= 0 {
			genuine = w.queue[i]
			w.queue = slices.Delete(w.queue, i, i+1)
		}
		return i >= 0
	}
	for range 500 {
		if len(w.queue) > 0 {
			if mine() {
				break
			}
			d := w.queue[0]
			w.queue = w.queue[1:]
			if w.nodes[d.Local] != nil {
				w.step(d.Local, d)
			}
			continue
		}
		var next machine.Next
		for _, a := range w.order {
			next.Add(w.nodes[a].Deadline())
		}
		w.advance(max(next.At, w.now.Mono))
		for _, a := range w.order {
			if at, ok := w.nodes[a].Deadline(); ok && at <= w.now.Mono {
				w.step(a, machine.Timeout{})
			}
		}
	}
	if genuine.Bytes == nil {
		t.Fatalf("gm1 did not acknowledge; %d datagrams", len(w.log)-begin)
	}
	inject := func(from netip.AddrPort, edit func(b []byte), reason gdoi.DropReason) {
		t.Helper()
		before := drops(ks.Snapshot(w.now).Drops, reason)
		for i := range 100 {
			b := bytes.Clone(genuine.Bytes)
			if edit != nil {
				edit(b)
				b[isakmp.HeaderLen+12] += byte(i)
			}
			w.step(ksAddr, machine.Datagram{Local: ksAddr, Remote: from, Bytes: b})
		}
		if n := drops(ks.Snapshot(w.now).Drops, reason) - before; n != 100 {
			t.Errorf("%d %s; want 100; drops %v", n, reason, ks.Snapshot(w.now).Drops)
		}
	}
	acked := func() uint64 {
		for _, m := range ks.Snapshot(w.now).Groups[0].Members {
			if m.Addr == gm1 {
				return m.AckCount
			}
		}
		return 0
	}
	inject(gm1, func(b []byte) { b[isakmp.HeaderLen+4] ^= 1 }, gdoi.DropAckForged)
	if acked() != 0 {
		t.Error("a forged acknowledgement counted")
	}
	inject(gm1, func(b []byte) { b[8] ^= 1 }, gdoi.DropUnknownKEK)
	inject(gm1, func(b []byte) { b[len(b)-1] ^= 64 }, gdoi.DropAckUnasked) // for a member that does not exist
	w.step(ksAddr, genuine)
	if acked() != 1 {
		t.Error("the genuine acknowledgement did not count")
	}
	inject(gm1, nil, gdoi.DropAckDuplicate)
	if acked() != 1 {
		t.Error("a repetition counted")
	}
}

var joinerAddr = netip.MustParseAddrPort("10.1.0.3:848")

// otherKey is a signing key of nobody.
var otherKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// forgedPush is a rekey that anybody in the group could make: under the right KEK, with a signature by another key than
// the group's, or with a number of the forger's choice.
func forgedPush(seq uint32, signer func() *rsa.PrivateKey) func(*world) machine.Datagram {
	return func(w *world) machine.Datagram {
		var r struct {
			Suite   suite.KEK
			Key, IV []byte
		}
		name := only(w.t, w, "group/blue/kek/")
		if err := json.Unmarshal(w.disk["group/blue/kek/"+name].Value, &r); err != nil {
			w.t.Fatal(err)
		}
		spi, _ := hex.DecodeString(name)
		public, err := suite.NewSignatureKey(&signer().PublicKey)
		if err != nil {
			w.t.Fatal(err)
		}
		k := &push.Key{
			SPI: gdoi.KEKSPI(spi), Suite: r.Suite, Key: machine.TakeSecret(r.Key), IV: machine.TakeSecret(r.IV), Hash: machine.SHA256, Public: public,
		}
		u, err := push.Build(k, &push.Message{Seq: seq, Deletes: []isakmp.Delete{push.DeleteTEKs()}}, machine.SignRSAPKCS1)
		if err != nil {
			w.t.Fatal(err)
		}
		sig, err := rsa.SignPKCS1v15(nil, signer(), crypto.SHA256, u.Digest())
		if err != nil {
			w.t.Fatal(err)
		}
		b, err := u.Finish(sig)
		if err != nil {
			w.t.Fatal(err)
		}
		return machine.Datagram{Local: gm1, Remote: ksAddr, Bytes: b}
	}
}

// green2 is green for gm2.
func green2(t testing.TB) keyserver.Config {
	c := green(t)
	c.Authorise = policy.Authorisation{{Prefix: netip.MustParsePrefix("10.1.0.2/32")}}
	c.TEKLifetime, c.ActivationDelay = time.Hour, 30*time.Second
	return c
}

// TestAskingForWhatOneMayNotHave: right pre-shared key, wrong wishes. Both are refused with a reason, again and again, and
// the group goes on.
func TestAskingForWhatOneMayNotHave(t *testing.T) {
	only1 := blue(t)
	only1.Authorise = policy.Authorisation{{Prefix: netip.MustParsePrefix("10.1.0.1/32")}}
	for reason, id := range map[string]gdoi.GroupID{"not-authorised": blueID, "unknown-group": "no such group"} {
		w := newWorld(t)
		ks := w.keyServer(Limits{}, only1)
		gm := w.member(gm1, rightPSK)
		bad := w.member(gm2, rightPSK, member.Config{
			Name: "blue", ID: id, KeyServers: []netip.AddrPort{ksAddr}, Backoff: 100 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
		})
		w.run(time.Minute)
		w.step(ksAddr, gdoi.CmdRekey{Group: "blue", ID: 1})
		w.run(10 * time.Minute)
		n := 0
		for _, e := range w.effects[ksAddr] {
			if e, ok := e.(machine.Note); ok && e.Name == gdoi.NoteNotAuthorised && e.Reason == reason && e.Peer == gm2.String() {
				n++
			}
		}
		if n == 0 {
			t.Errorf("the journal does not say %s", reason)
		}
		s, m, x := ks.Snapshot(w.now).Groups[0], gm.Snapshot(w.now).Groups[0], bad.Snapshot(w.now).Groups[0]
		if x.State.HoldsKeys() || x.Attempts < 1000 || x.AuthFailure == "" || len(s.Members) != 1 {
			t.Errorf("%s: after %d attempts it is %v %q; %d members", reason, x.Attempts, x.State, x.AuthFailure, len(s.Members))
		}
		if m.State != member.Registered || m.Registrations != 1 || !slices.Equal(spis(m.TEKs), spis(s.TEKs)) {
			t.Errorf("%s: the member is %v with %v", reason, m.State, spis(m.TEKs))
		}
	}
}

// TestJunkKeepsNothing: a million datagrams, of every kind that a stranger can make, and the heap is what it was after the
// first thousands.
func TestJunkKeepsNothing(t *testing.T) {
	total := 1_000_000
	if testing.Short() {
		total = 100_000
	}
	w := newWorld(t)
	ks := w.keyServer(Limits{}, blue(t))
	gm := w.member(gm1, rightPSK)
	w.run(time.Minute)
	w.step(ksAddr, gdoi.CmdRekey{Group: "blue", ID: 1})
	w.run(10 * time.Minute)
	genuine := slices.Clone(w.log)
	f := &flood{w: w, from: gm1.Addr()}
	var out machine.Effects
	round := func(n int) (heap uint64) {
		for i := range n {
			var d machine.Datagram
			switch k := i % 16; k {
			case 0, 1:
				d = f.first(k == 1)
			case 2:
				d = f.first(false)
				d.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 848)
			case 3, 4, 5:
				d = machine.Datagram{Local: ksAddr, Remote: gm1, Bytes: binary.BigEndian.AppendUint64(nil, uint64(i))}
			default:
				d = genuine[i/16%len(genuine)]
				d.Bytes = bytes.Clone(d.Bytes)
				if k > 8 {
					d.Bytes[i/16%len(d.Bytes)] ^= byte(i/2048 | 1)
				}
			}
			out = w.nodes[d.Local].Step(w.now, d, out[:0])
			if i%1000 == 999 {
				w.advance(w.now.Mono.Add(100 * time.Millisecond))
				out = ks.Step(w.now, machine.Timeout{}, out[:0])
			}
		}
		runtime.GC()
		runtime.GC() // what pools hold goes with the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := round(100_000) // until every table is full
	after := round(total)
	if after > before+4<<20 {
		t.Errorf("the heap grew from %d to %d octets", before, after)
	}
	s := ks.Snapshot(w.now)
	if s.HalfOpen > DefaultHalfOpen || len(ks.sessions) > DefaultHalfOpen+1 || len(ks.drops.noted) > 40 || len(ks.drops.voices.of) > maxVoices {
		t.Errorf("%d negotiations, %d sessions, %d reasons, %d voices", s.HalfOpen, len(ks.sessions), len(ks.drops.noted), len(ks.drops.voices.of))
	}
	w.step(gm1, gdoi.CmdReregister{Group: "blue", ID: 2})
	w.run(time.Second)
	if g := gm.Snapshot(w.now).Groups[0]; g.State != member.Registered || g.Registrations != 2 {
		t.Errorf("after that the member is %v, %d registrations", g.State, g.Registrations)
	}
	t.Logf("%d datagrams, heap %d -> %d KiB, drops %v", total, before>>10, after>>10, s.Drops)
}
