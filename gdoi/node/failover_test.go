package node

import (
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/policy"
)

var (
	ksB    = netip.MustParseAddrPort("10.0.0.2:848")
	ksC    = netip.MustParseAddrPort("10.0.0.3:848")
	allKS  = []netip.AddrPort{ksAddr, ksB, ksC}
	nobody = policy.Authorisation{{Prefix: netip.MustParsePrefix("192.0.2.0/24")}}
)

// keyServerAt is one more key server of the group. It is independent of the others: same policy and pre-shared key, but
// keys of its own.
func (w *world) keyServerAt(a netip.AddrPort, groups ...keyserver.Config) *KeyServer {
	b := a.Addr().As4()
	n, err := NewKeyServer(seeded(100+b[3]), KSConfig{Local: a, Phase1: phase1(rightPSK), Groups: groups}, nil)
	w.add(a, n, err)
	return n
}

func (w *world) memberOf(a netip.AddrPort, servers ...netip.AddrPort) *GroupMember {
	return w.member(a, rightPSK, member.Config{Name: "blue", ID: blueID, KeyServers: servers})
}

// gone is a node that does not answer.
type gone struct{}

func (gone) Step(_ machine.Now, _ machine.Event, out machine.Effects) machine.Effects { return out }
func (gone) Deadline() (machine.Instant, bool)                                        { return 0, false }

// slow answers every datagram after a while.
type slow struct {
	machine.Machine
	by    time.Duration
	queue []machine.Datagram
	due   []machine.Instant
}

func (s *slow) Step(now machine.Now, ev machine.Event, out machine.Effects) machine.Effects {
	if d, ok := ev.(machine.Datagram); ok {
		s.queue, s.due = append(s.queue, d), append(s.due, now.Mono.Add(s.by))
		return out
	}
	for len(s.due) > 0 && s.due[0] <= now.Mono {
		out = s.Machine.Step(now, s.queue[0], out)
		s.queue, s.due = s.queue[1:], s.due[1:]
	}
	return s.Machine.Step(now, ev, out)
}

func (s *slow) Deadline() (machine.Instant, bool) {
	var n machine.Next
	n.Add(s.Machine.Deadline())
	if len(s.due) > 0 {
		n.Add(s.due[0], true)
	}
	return n.At, n.OK
}

// TestFailOver: what a first key server can do wrong, and how long it keeps a member from the second.
func TestFailOver(t *testing.T) {
	// A silent server costs member's impatience of 8 s, and the backoff at most 1.5 s more.
	const second = 9500 * time.Millisecond
	for _, c := range []struct {
		name   string
		first  func(w *world)
		within time.Duration
		with   netip.AddrPort
		reason string // of the failure in the journal
	}{
		{"alive", func(w *world) { w.keyServerAt(ksAddr, blue(t)) }, 0, ksAddr, ""},
		{"dead", func(w *world) { w.add(ksAddr, gone{}, nil) }, second, ksB, "timeout"},
		{"refuses", func(w *world) {
			g := blue(t)
			g.Authorise = nobody
			w.keyServerAt(ksAddr, g)
		}, 1500 * time.Millisecond, ksB, "refused"},
		{"does not serve the group", func(w *world) { w.keyServerAt(ksAddr, red(t)) }, 1500 * time.Millisecond, ksB, "refused"},
		{"has another pre-shared key", func(w *world) {
			n, err := NewKeyServer(seeded(9), KSConfig{Local: ksAddr, Phase1: phase1(wrongPSK), Groups: []keyserver.Config{blue(t)}}, nil)
			w.add(ksAddr, n, err)
		}, second, ksB, "timeout"},
		{"says try later", func(w *world) {
			busy := w.keyServerAt(ksAddr, blue(t))
			other := w.memberOf(gm1, ksAddr)
			for i := range 40 {
				w.run(100 * time.Millisecond)
				w.step(gm1, gdoi.CmdReregister{Group: "blue", ID: uint64(i + 1)})
			}
			w.step(gm1, gdoi.CmdStop{ID: 99})
			w.drain()
			if drops(busy.Snapshot(w.now).Drops, gdoi.DropTooOften) == 0 || other == nil {
				t.Fatal("the first key server is not busy")
			}
		}, 1500 * time.Millisecond, ksB, "refused"},
		{"answers after 2 s", func(w *world) {
			ks, err := NewKeyServer(seeded(9), KSConfig{Local: ksAddr, Phase1: phase1(rightPSK), Groups: []keyserver.Config{blue(t)}}, nil)
			w.add(ksAddr, &slow{Machine: ks, by: 2 * time.Second}, err)
		}, 10 * time.Second, ksAddr, ""},
		{"answers after 20 s", func(w *world) {
			ks, err := NewKeyServer(seeded(9), KSConfig{Local: ksAddr, Phase1: phase1(rightPSK), Groups: []keyserver.Config{blue(t)}}, nil)
			w.add(ksAddr, &slow{Machine: ks, by: 20 * time.Second}, err)
		}, second, ksB, "timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.first(w)
			w.keyServerAt(ksB, blue(t))
			w.keyServerAt(ksC, blue(t))
			w.effects[gm1] = nil
			begin := w.now.Mono
			gm := w.memberOf(gm1, allKS...)
			for gm.Snapshot(w.now).Groups[0].Registrations == 0 && w.now.Mono.Sub(begin) < time.Minute {
				w.run(10 * time.Millisecond)
			}
			s, took := gm.Snapshot(w.now).Groups[0], w.now.Mono.Sub(begin)
			if s.RegisteredWith != c.with || took > c.within+10*time.Millisecond {
				t.Errorf("registered with %v after %v; want %v within %v", s.RegisteredWith, took, c.with, c.within)
			}
			reason := ""
			for _, e := range w.effects[gm1] {
				if n, ok := e.(machine.Note); ok && n.Reason != "" && (n.Name == gdoi.NoteRegisterFailed || n.Name == gdoi.NoteAuthFailed) {
					reason = n.Reason
				}
			}
			if reason != c.reason {
				t.Errorf("the journal says %q; want %q", reason, c.reason)
			}
			t.Logf("%v", took)
		})
	}
}

// TestReturnToThePreferred: the first key server dies under an established session, which dead peer detection finds. The
// next registration goes to the second at once, and when the first is back, a later one to it, without a gap in the keys.
func TestReturnToThePreferred(t *testing.T) {
	w := newWorld(t)
	w.keyServerAt(ksAddr, blue(t))
	w.keyServerAt(ksB, blue(t))
	c := phase1(rightPSK)
	c.DPDInterval = 30 * time.Second
	gm, err := NewGroupMember(seeded(7), GMConfig{Local: gm1, Phase1: c, Groups: []member.Config{{Name: "blue", ID: blueID, KeyServers: []netip.AddrPort{ksAddr, ksB}}}})
	w.add(gm1, gm, err)
	w.run(time.Minute)
	first := w.nodes[ksAddr]
	w.nodes[ksAddr] = gone{}
	w.run(2 * time.Minute)
	if s := gm.Snapshot(w.now).Groups[0]; len(s.Unreachable) != 1 || s.Registrations != 1 {
		t.Fatalf("unreachable %v after %d registrations; want what dead peer detection found", s.Unreachable, s.Registrations)
	}
	with := func(what string, ks netip.AddrPort, registrations uint64) {
		t.Helper()
		w.step(gm1, gdoi.CmdReregister{Group: "blue", ID: registrations})
		w.run(100 * time.Millisecond)
		if s := gm.Snapshot(w.now).Groups[0]; s.RegisteredWith != ks || s.Registrations != registrations || s.State != member.Registered {
			t.Errorf("%s: registered %d times, with %v, is %v; want %v at once", what, s.Registrations, s.RegisteredWith, s.State, ks)
		}
	}
	with("known to be dead", ksB, 2)
	w.nodes[ksAddr] = first
	with("back, but nobody knows", ksB, 3)
	w.run(5 * time.Minute)
	with("back", ksAddr, 4)
	w.wantNotes(gm1, gdoi.NoteKeysExpired, 0)
	w.wantNotes(gm1, gdoi.NoteRegisterFailed, 0)
}
