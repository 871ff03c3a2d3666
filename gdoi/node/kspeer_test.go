package node

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	cooplink "github.com/getvpn/getvpn/gdoi/coop/link"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// peersWorld is key servers without groups, so that nothing but their links is at work.
type peersWorld struct {
	*world
	nodes  map[coop.ID]*KeyServer
	timers coop.Timers
	seed   byte
}

func ksAt(id coop.ID) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(id)}), 848)
}

func newPeersWorld(t *testing.T, timers coop.Timers, phase1 func(coop.ID) ike1.Config, ids ...coop.ID) *peersWorld {
	w := &peersWorld{world: newWorld(t), nodes: map[coop.ID]*KeyServer{}, timers: timers}
	for _, id := range ids {
		w.boot(id, phase1(id), nil, ids...)
	}
	return w
}

// boot starts a key server, again perhaps. identities are what it expects of others.
func (w *peersWorld) boot(id coop.ID, phase1 ike1.Config, identities map[coop.ID]string, ids ...coop.ID) *KeyServer {
	c := &Coop{ID: id, Timers: w.timers}
	for _, o := range ids {
		if o != id {
			c.Peers = append(c.Peers, CoopPeer{ID: o, Addr: ksAt(o), Identity: identities[o]})
		}
	}
	w.seed++
	n, err := NewKeyServer(seeded(w.seed), KSConfig{Local: ksAt(id), Phase1: phase1, Coop: c}, nil)
	w.add(ksAt(id), n, err)
	w.nodes[id] = n
	return n
}

func right(coop.ID) ike1.Config { return phase1(rightPSK) }

// emit lets a node's effects go out, though no event caused them.
func (w *peersWorld) emit(id coop.ID, out machine.Effects) {
	for _, e := range out {
		d := e.(machine.Send)
		w.queue = append(w.queue, machine.Datagram{Local: d.Remote, Remote: ksAt(id), Bytes: d.Bytes})
	}
}

func (w *peersWorld) announce(from, to coop.ID) {
	w.t.Helper()
	out, err := w.nodes[from].peer(to).link.Announce(w.now, []byte("x"), false, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.emit(from, out)
}

// send sends a message and says whether it has arrived a little later.
func (w *peersWorld) send(from, to coop.ID) bool {
	w.t.Helper()
	l := w.nodes[from].peer(to).link
	out, err := l.Send(w.now, []byte("message"), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.emit(from, out)
	w.run(300 * time.Millisecond)
	return l.Queued() == 0
}

func (w *peersWorld) stats(of, about coop.ID) cooplink.Stats {
	return w.nodes[of].peer(about).link.Stats(w.now)
}

func (w *peersWorld) wantState(of, about coop.ID, want coop.LinkState) {
	w.t.Helper()
	if got := w.nodes[of].peer(about).state(w.now); got != want {
		w.t.Errorf("key server %d says that %d is %v; want %v", of, about, got, want)
	}
}

func TestPeersConnect(t *testing.T) {
	w := newPeersWorld(t, coop.FastTimers, right, 1, 2, 3)
	w.talk(100 * time.Millisecond)
	for id, n := range w.nodes {
		for _, p := range n.peers {
			w.wantState(id, p.ID, coop.LinkUp)
		}
	}
	for id, n := range w.nodes {
		for _, p := range n.peers {
			w.talk(100 * time.Millisecond)
			if !w.send(id, p.ID) {
				t.Errorf("no message from %d to %d", id, p.ID)
			}
			if p.ike() != "established" || w.stats(id, p.ID).Drops != 0 {
				t.Errorf("%s, %+v", p.ike(), w.stats(id, p.ID))
			}
		}
		if d := n.drops.list(); len(d) != 0 {
			t.Errorf("key server %d has dropped %v", id, d)
		}
	}
	// In order: the others know at once.
	w.step(ksAt(3), gdoi.CmdStop{})
	w.talk(200 * time.Millisecond)
	w.wantState(1, 3, coop.LinkNegotiating)
	w.wantState(1, 2, coop.LinkUp)
}

// talk lets time pass in which all announce themselves to all.
func (w *peersWorld) talk(d time.Duration) {
	for end := w.now.Mono.Add(d); w.now.Mono < end; w.run(100 * time.Millisecond) {
		for id := coop.ID(1); id <= coop.MaxKeyServers; id++ {
			if n := w.nodes[id]; n != nil && !n.stopped {
				for _, p := range n.peers {
					w.announce(id, p.ID)
				}
			}
		}
	}
}

// TestPeersRekey: phase 1 is replaced before it ends, and no announcement is lost.
func TestPeersRekey(t *testing.T) {
	short := func(coop.ID) ike1.Config {
		c := phase1(rightPSK)
		c.Lifetime = time.Minute
		return c
	}
	w := newPeersWorld(t, coop.FastTimers, short, 1, 2)
	w.run(time.Second)
	sent := uint64(0)
	most := 0
	for range 10 * 60 * 4 {
		w.announce(1, 2)
		w.announce(2, 1)
		sent++
		w.run(250 * time.Millisecond)
		most = max(most, w.stats(1, 2).Sessions, w.stats(2, 1).Sessions)
	}
	a, b := w.stats(1, 2), w.stats(2, 1)
	if a.AnnRecv != sent || b.AnnRecv != sent {
		t.Errorf("%d announcements sent, %d and %d came", sent, a.AnnRecv, b.AnnRecv)
	}
	if most > maxPeerActive || len(w.nodes[1].sessions) > maxPeerActive+1 {
		t.Errorf("%d sessions at a time; %d are kept", most, len(w.nodes[1].sessions))
	}
	if n := w.notes(ksAt(1), gdoi.NotePhase1Up); n < 12 || n > 40 {
		t.Errorf("%d negotiations in 10 minutes", n)
	}
}

// TestPeerReboots: its peers know in less than an interval, and what was queued to the old process is not delivered.
func TestPeerReboots(t *testing.T) {
	w := newPeersWorld(t, coop.DefaultTimers, right, 1, 2)
	w.run(time.Second)
	for range 3 {
		delete(w.world.nodes, ksAt(2))
		w.order = w.order[:1]
		if w.send(1, 2) {
			t.Error("nobody has taken the message")
		}
		w.run(7 * time.Second)
		w.boot(2, phase1(rightPSK), nil, 1, 2)
		w.run(100 * time.Millisecond)
		w.wantState(1, 2, coop.LinkUp)
		w.wantState(2, 1, coop.LinkUp)
		if q := w.stats(1, 2).Queue; q != 0 {
			t.Errorf("%d octets wait", q)
		}
		if !w.send(1, 2) || !w.send(2, 1) {
			t.Error("messages do not pass")
		}
	}
	if n := w.stats(1, 2).Sessions; n > maxPeerActive {
		t.Errorf("%d sessions", n)
	}
}

// TestPeersApart: after a partition of any length they are back as soon as something passes, or in an interval.
func TestPeersApart(t *testing.T) {
	for _, apart := range []time.Duration{2 * time.Second, time.Minute, time.Hour} {
		c := right
		if apart == time.Hour {
			c = func(coop.ID) ike1.Config { c := phase1(rightPSK); c.Lifetime = 10 * time.Minute; return c } // sessions end
		}
		w := newPeersWorld(t, coop.FastTimers, c, 1, 2)
		w.run(time.Second)
		cut, sent := true, 0
		w.lose = func(machine.Datagram) bool { sent++; return cut }
		w.run(apart)
		if rate := float64(sent) / apart.Seconds(); rate > 30 {
			t.Errorf("%v: %.0f datagrams a second are sent to nobody", apart, rate)
		}
		if got := w.nodes[1].peer(2).state(w.now); got == coop.LinkUp {
			t.Errorf("apart for %v, and %v", apart, got)
		}
		if h := len(w.nodes[1].sessions); h > maxAttempts+maxPeerActive {
			t.Errorf("%d sessions are kept", h)
		}
		cut = false
		w.run(2 * coop.FastTimers.Announce)
		w.announce(1, 2)
		w.announce(2, 1)
		w.run(10 * time.Millisecond)
		w.wantState(1, 2, coop.LinkUp)
		w.wantState(2, 1, coop.LinkUp)
		if !w.send(1, 2) || !w.send(2, 1) {
			t.Errorf("%v: messages do not pass", apart)
		}
	}
}

// TestPeersSlow: a path whose round trip is longer than the interval of announcements still gets its session.
func TestPeersSlow(t *testing.T) {
	w := newPeersWorld(t, coop.FastTimers, right, 1, 2)
	var late []machine.Datagram
	var at []machine.Instant
	w.lose = func(d machine.Datagram) bool {
		late, at = append(late, machine.Datagram{Local: d.Local, Remote: d.Remote, Bytes: bytes.Clone(d.Bytes)}), append(at, w.now.Mono.Add(200*time.Millisecond))
		return true
	}
	for range 500 {
		w.run(10 * time.Millisecond)
		for len(at) > 0 && at[0] <= w.now.Mono {
			d := late[0]
			late, at = late[1:], at[1:]
			w.step(d.Local, d)
		}
	}
	w.wantState(1, 2, coop.LinkSilent) // nobody announces himself
	if s := w.stats(1, 2); s.Sessions == 0 || s.RTT < 390*time.Millisecond || s.RTT > 450*time.Millisecond {
		t.Errorf("%+v", s)
	}
}

// TestPeersRefused: another key, or another identity, and they do not cooperate; nor does anybody else.
func TestPeersRefused(t *testing.T) {
	w := newPeersWorld(t, coop.FastTimers, func(id coop.ID) ike1.Config {
		if id == 2 {
			return phase1(wrongPSK)
		}
		return phase1(rightPSK)
	}, 1, 2)
	w.run(time.Minute)
	if s := w.stats(1, 2); s.Sessions != 0 {
		t.Error("they cooperate with different keys")
	}
	if n := w.notes(ksAt(1), gdoi.NoteAuthFailed); n == 0 || n > 20 {
		t.Errorf("%d times in the journal", n)
	}

	w = newPeersWorld(t, coop.FastTimers, right, 1)
	w.boot(2, phase1(rightPSK), nil, 1, 2)
	w.boot(1, phase1(rightPSK), map[coop.ID]string{2: "somebody-else"}, 1, 2)
	w.run(10 * time.Second)
	if s := w.stats(1, 2); s.Sessions != 0 || w.notes(ksAt(1), gdoi.NoteAuthFailed) == 0 {
		t.Errorf("another identity than the configured one cooperates: %+v", s)
	}

	// A member is a member: its messages are not for links, whatever it sends.
	w = newPeersWorld(t, coop.FastTimers, right, 1, 2)
	w.run(time.Second)
	cfg := phase1(rightPSK)
	s := ike1.NewInitiator(seeded(77), &cfg, gm1, ksAt(1))
	var answers [][]byte
	w.lose = func(d machine.Datagram) bool {
		if d.Local == gm1 {
			answers = append(answers, d.Bytes)
		}
		return false
	}
	deliver := func(out machine.Effects) {
		for _, e := range out {
			w.step(ksAt(1), machine.Datagram{Local: ksAt(1), Remote: gm1, Bytes: e.(machine.Send).Bytes})
		}
	}
	w.world.nodes[gm1] = &KeyServer{stopped: true}
	deliver(s.Start(w.now, nil))
	for range 3 {
		w.drain()
		for _, b := range answers {
			out, _ := s.Handle(w.now, b, nil)
			deliver(out)
		}
		answers = nil
	}
	if s.State() != ike1.StateEstablished {
		t.Fatal(s.State())
	}
	deliver(machine.Effects{machine.Send{Bytes: s.SealCoop(bytes.Repeat([]byte{1}, 100))}})
	if got := drops(w.nodes[1].drops.list(), gdoi.DropUnknownPeer); got != 1 {
		t.Errorf("%v", w.nodes[1].drops.list())
	}
	// And a stranger at the address of a key server is nobody.
	junk := isakmp.Message(isakmp.Header{InitiatorCookie: isakmp.Cookie{1}, ResponderCookie: isakmp.Cookie{2}, Exchange: isakmp.ExchangeCoop}, isakmp.Coop{Data: []byte("x")})
	w.step(ksAt(1), machine.Datagram{Local: ksAt(1), Remote: ksAt(2), Bytes: junk})
	if got := drops(w.nodes[1].drops.list(), gdoi.DropUnknownCookies); got != 1 {
		t.Errorf("%v", w.nodes[1].drops.list())
	}
	if !w.send(1, 2) {
		t.Error("the link is disturbed")
	}
}

// TestPeersWithCertificates: each must be who it is configured to be.
func TestPeersWithCertificates(t *testing.T) {
	c := newCertWorld(t)
	w := &peersWorld{world: c.world, nodes: map[coop.ID]*KeyServer{}, timers: coop.FastTimers}
	cfg := map[coop.ID]ike1.Config{}
	for id := coop.ID(1); id <= 3; id++ {
		cfg[id] = c.phase1(fmt.Sprint("ks", id), "", ksAt(id))
	}
	names := map[coop.ID]string{}
	for id := range cfg {
		names[id] = "CN=ks" + fmt.Sprint(id) + ",O=Example"
	}
	for id, p := range cfg {
		w.boot(id, p, names, 1, 2, 3)
	}
	w.run(time.Second)
	if !w.send(1, 2) || !w.send(3, 1) {
		for id, n := range w.nodes {
			t.Errorf("%d: %+v %v", id, n.peers[0].CoopPeer, n.drops.list())
		}
	}
	// A certificate of the same authority for another name does not do.
	w.boot(3, c.phase1("branch7", "", ksAt(3)), names, 1, 2, 3)
	w.run(5 * time.Second)
	if n := w.stats(3, 1).Sessions + w.stats(1, 3).Sessions; w.send(3, 1) || w.notes(ksAt(1), gdoi.NoteAuthFailed) == 0 {
		t.Errorf("another name is taken: %d sessions", n)
	}
	w.talk(time.Second)
	w.wantState(1, 2, coop.LinkUp)
	if !w.send(1, 2) {
		t.Error("the others are disturbed")
	}
}

// TestPeerRevoked: a key server whose certificate is revoked is out at once, and stays out.
func TestPeerRevoked(t *testing.T) {
	c := newCertWorld(t)
	w := &peersWorld{world: c.world, nodes: map[coop.ID]*KeyServer{}, timers: coop.FastTimers}
	names := map[coop.ID]string{1: "CN=ks1,O=Example", 2: "CN=ks2,O=Example"}
	for id := coop.ID(1); id <= 2; id++ {
		w.boot(id, c.phase1(fmt.Sprint("ks", id), "", ksAt(id)), names, 1, 2)
	}
	w.talk(time.Second)
	w.wantState(1, 2, coop.LinkUp)
	c.ca.Revoke(c.now.Wall, c.certs["ks2"])
	w.step(ksAt(1), Recertify{Trust: c.trust(), ID: 1})
	if n := w.stats(1, 2).Sessions; n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	w.talk(20 * time.Second)
	if n := w.stats(1, 2).Sessions; n != 0 || w.notes(ksAt(1), gdoi.NoteRevoked) == 0 {
		t.Errorf("it is back with %d sessions", n)
	}
}

// TestPeersFlooded: first messages with forged sources, that of a peer among them, do not keep peers apart.
func TestPeersFlooded(t *testing.T) {
	w := newPeersWorld(t, coop.FastTimers, right, 1)
	cfg := phase1(rightPSK)
	flood := func(n int) {
		for i := range n {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(i >> 8), byte(i), 1}), 848)
			if i%3 == 0 {
				from = ksAt(2)
			}
			first := ike1.FirstMessage(&cfg, isakmp.Cookie{byte(i), byte(i >> 8), 1})
			w.step(ksAt(1), machine.Datagram{Local: ksAt(1), Remote: from, Bytes: first})
		}
		w.queue = nil
	}
	w.boot(1, phase1(rightPSK), nil, 1, 2)
	w.run(time.Second)
	flood(10000)
	w.boot(2, phase1(rightPSK), nil, 1, 2)
	for range 50 {
		flood(100)
		w.run(10 * time.Millisecond)
	}
	if !w.send(2, 1) || !w.send(1, 2) {
		t.Errorf("%v", w.nodes[1].drops.list())
	}
	if n := w.nodes[1].halfOpen.of(ksAt(2).Addr()); n > DefaultHalfOpenPerSource {
		t.Errorf("%d negotiations of one source", n)
	}
}

// TestPeersOfBothFamilies: one has addresses of both, one of IPv6 alone, one of IPv4 alone.
func TestPeersOfBothFamilies(t *testing.T) {
	six := func(id coop.ID) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(id)}), 848)
	}
	w := &peersWorld{world: newWorld(t), nodes: map[coop.ID]*KeyServer{}, timers: coop.FastTimers}
	for id, c := range map[coop.ID]KSConfig{
		1: {Local: ksAt(1), Other: six(1), Coop: &Coop{Peers: []CoopPeer{{ID: 2, Addr: six(2)}, {ID: 3, Addr: ksAt(3)}}}},
		2: {Local: six(2), Coop: &Coop{Peers: []CoopPeer{{ID: 1, Addr: six(1)}}}},
		3: {Local: ksAt(3), Coop: &Coop{Peers: []CoopPeer{{ID: 1, Addr: ksAt(1)}}}},
	} {
		c.Phase1, c.Coop.ID, c.Coop.Timers = phase1(rightPSK), id, w.timers
		n, err := NewKeyServer(seeded(byte(id)), c, nil)
		w.add(c.Local, n, err)
		if w.nodes[id] = n; c.Other.IsValid() {
			w.world.nodes[c.Other] = n
		}
	}
	w.run(50 * time.Millisecond)
	for _, p := range [][2]coop.ID{{1, 2}, {2, 1}, {1, 3}, {3, 1}} {
		w.wantState(p[0], p[1], coop.LinkUp)
	}
}
