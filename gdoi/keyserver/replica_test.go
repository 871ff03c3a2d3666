package keyserver

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// server is one of several key servers of a group, with a wall clock of its own.
type server struct {
	*shell
	id   coop.ID
	has  uint64 // of the primary's changes
	skew time.Duration
}

func shared(t testing.TB, id coop.ID) Config {
	cfg := testConfig(t)
	cfg.Coop = &Cooperation{ID: id, IDs: []coop.ID{1, 2, 3}}
	return cfg
}

// newServers makes three key servers, the first of which is primary.
func newServers(t testing.TB, skew time.Duration, change func(*Config)) []*server {
	var all []*server
	for id := coop.ID(1); id <= 3; id++ {
		cfg := shared(t, id)
		if change != nil {
			change(&cfg)
		}
		s := &server{id: id, skew: time.Duration(id) * skew, shell: &shell{t: t, disk: map[string]machine.Record{}, copy: true, lives: byte(id) * 30}}
		s.now = machine.Now{Mono: machine.Instant(id) * 1e12, Wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(s.skew)}
		s.shell.start(cfg)
		all = append(all, s)
	}
	all[0].g.SetInStep(all[0].now, 2)
	all[0].do(all[0].g.TakeOver(all[0].now, 1, nil))
	return all
}

// run lets time pass everywhere.
func runAll(all []*server, d time.Duration) {
	for _, s := range all {
		s.run(d)
	}
}

// follow brings a copy up to date with the primary.
func (s *server) follow(p *server) {
	s.t.Helper()
	full := s.has == 0 || !p.g.Reaches(s.has)
	from := s.has
	if full {
		from = 0
	}
	out, _, err := s.g.Apply(s.now, p.skew-s.skew, p.g.Since(p.now, from), full, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.has = p.g.Head()
	s.do(out)
	s.g.SetReady(true, "")
}

// report tells the primary what a copy did.
func (s *server) report(p *server) {
	s.t.Helper()
	records, n := s.g.Reports(s.now)
	out, err := p.g.Adopt(p.now, s.skew-p.skew, s.id, records, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	p.do(out)
	s.g.Reported(n)
}

// same compares what two key servers have.
func same(t *testing.T, a, b *server) {
	t.Helper()
	if len(a.g.teks) != len(b.g.teks) || len(a.g.keks) != len(b.g.keks) || a.g.members.len() != b.g.members.len() || len(a.g.removed) != len(b.g.removed) {
		t.Fatalf("key server %d has %d TEKs, %d KEKs, %d members; %d has %d, %d, %d", a.id, len(a.g.teks), len(a.g.keks), a.g.members.len(),
			b.id, len(b.g.teks), len(b.g.keks), b.g.members.len())
	}
	off := func(x, y machine.Instant) bool {
		d := x.Sub(a.now.Mono) - y.Sub(b.now.Mono)
		return d < -time.Millisecond || d > time.Millisecond
	}
	for i, k := range a.g.teks {
		o := b.g.teks[i]
		if k.spi != o.spi || !k.key.Equal(o.key) || k.epoch != o.epoch || off(k.expires, o.expires) || off(k.sendAfter, o.sendAfter) {
			t.Errorf("TEK %v of key server %d is %v at %d", k.spi, a.id, o.spi, b.id)
		}
	}
	for i, k := range a.g.keks {
		o := b.g.keks[i]
		if k.spi != o.spi || !k.key.Equal(o.key) || k.seq != o.seq || off(k.expires, o.expires) || off(k.active, o.active) {
			t.Errorf("KEK %v with %x of key server %d is %v with %x at %d", k.spi, k.seq, a.id, o.spi, o.seq, b.id)
		}
	}
	for i, m := range a.g.members.sorted {
		o := b.g.members.sorted[i]
		if m.key != o.key || !slices.Equal(m.sids, o.sids) || off(m.registered, o.registered) || m.slot != o.slot || m.at != o.at || !m.loose.Equal(o.loose) {
			t.Errorf("member %s at %d: %+v; at %d: %+v", m.key, a.id, m, b.id, o)
		}
	}
	if !slices.Equal(a.g.tree.IDs(), b.g.tree.IDs()) {
		t.Error("the key trees differ")
	}
	for _, id := range a.g.tree.IDs() {
		if x, y := a.g.tree.Node(id), b.g.tree.Node(id); x.Handle != y.Handle || !x.Key.Equal(y.Key) {
			t.Errorf("node %v differs", id)
		}
	}
}

// TestReplication: copies follow their primary through registrations, rollovers and removals, by changes or by everything,
// with wall clocks that are minutes off.
func TestReplication(t *testing.T) {
	for _, skew := range []time.Duration{0, 7 * time.Minute, -time.Hour} {
		all := newServers(t, skew, nil)
		p := all[0]
		for i := range byte(10) {
			if _, err := p.register(testPeer(i+1), 1); err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 {
				all[1].follow(p)
			}
		}
		for step := range 40 {
			runAll(all, 5*time.Minute)
			if step == 20 {
				p.remove("10.1.0.3")
			}
			if step%7 == 3 {
				_, _ = p.register(testPeer(byte(20+step)), 1)
			}
			all[1].follow(p)
			same(t, p, all[1])
		}
		all[2].follow(p)
		same(t, p, all[2])
		// A copy that is restarted has what it had.
		all[1].shell.start(shared(t, 2))
		same(t, p, all[1])
	}
}

// TestTakeOver: a copy goes on with the same keys, where sequence numbers, SPIs and sender ids cannot meet those of before.
func TestTakeOver(t *testing.T) {
	all := newServers(t, time.Second, nil)
	p, s := all[0], all[1]
	s.follow(p)
	s.report(p)
	if _, err := s.register(testPeer(9), 1); err != nil {
		t.Fatal(err)
	}
	s.report(p)
	if _, err := p.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	s.follow(p)
	same(t, p, s)
	was, _, seq := p.g.teks[0].spi, p.g.keks[0].spi, p.g.keks[0].seq
	runAll(all, time.Minute)
	mark := len(s.out)
	s.do(s.g.TakeOver(s.now, 2, nil))
	s.do(s.g.Replicated(s.now, math.MaxUint64, nil))
	if !s.g.Active() || s.g.teks[0].spi != was || s.g.keks[0].seq>>16&7 != 2 || s.g.keks[0].seq <= seq {
		t.Errorf("TEK %v, sequence number %x after %x", s.g.teks[0].spi, s.g.keks[0].seq, seq)
	}
	if n := len(s.sends(mark)); n != 2 {
		t.Errorf("%d datagrams when it took over; want one for each member", n)
	}
	// The former primary comes back, and follows.
	p.shell.start(shared(t, 1))
	p.has = 0
	p.follow(s)
	same(t, s, p)
	s.run(time.Hour)
	p.run(time.Hour)
	p.follow(s)
	same(t, s, p)
	if spi := s.g.teks[len(s.g.teks)-1].spi; spi == was || spi&0xf != 2 {
		t.Errorf("the next TEK is %v", spi)
	}
}

// TestAckOfThoseElsewhere: a member that registered with a secondary acknowledges like those in the key tree, whoever is primary, and
// is taken off the list when it is silent; it has no place in the tree, and a leaf no longer when it has.
func TestAckOfThoseElsewhere(t *testing.T) {
	all := newServers(t, time.Second, nil)
	p, s := all[0], all[1]
	s.follow(p)
	s.report(p) // that it gives sender ids
	if _, err := p.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	for _, i := range []byte{2, 3} {
		if _, err := s.register(testPeer(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	s.report(p)
	s.follow(p)
	same(t, p, s)
	addr := func(i byte) netip.AddrPort { return testPeer(i).Addr }
	rekeyed := func(by *server) {
		t.Helper()
		by.rekeyNow(false)
		by.run(time.Second)
		seq := by.g.keks[len(by.g.keks)-1].seq
		for _, i := range []byte{1, 2} {
			if why := by.answer(addr(i), by.ack(isakmp.AckLKHSHA256, seq, addr(i).Addr())); why != "" {
				t.Errorf("the answer of member %d to key server %d: %s", i, by.id, why)
			}
		}
		forged := by.answer(addr(3), by.ack(isakmp.AckKEKSHA256, seq, addr(3).Addr()))
		if on := by.g.members.find(addr(3).String()) != nil; on && forged != gdoi.DropAckForged || !on && forged != gdoi.DropAckUnasked {
			t.Errorf("an answer for member 3 by who has the KEK: %q", forged)
		}
		by.run(time.Minute)
	}
	rekeyed(p)
	for i, m := range p.g.Snapshot(p.now).Members {
		if want := []int{0, 0, 1}[i]; !m.Acks || m.Missed != want || m.KeyTree != (i == 0) {
			t.Errorf("member %d: %+v", i+1, m)
		}
	}
	s.follow(p)
	s.run(time.Minute)
	s.g.SetInStep(s.now, 2)
	s.do(s.g.TakeOver(s.now, 2, nil))
	s.do(s.g.Replicated(s.now, math.MaxUint64, nil))
	for range maxMissed {
		rekeyed(s)
	}
	if s.g.members.find(addr(3).String()) != nil || s.g.members.len() != 2 {
		t.Errorf("the silent one is on the list of %d", s.g.members.len())
	}
	if _, err := s.register(testPeer(2), 1); err != nil {
		t.Fatal(err)
	}
	if m := s.g.members.find(addr(2).String()); m.slot == noSlot || m.loose != nil {
		t.Errorf("registered with the primary: %+v", m)
	}
	rekeyed(s)
}

// TestStandbyRefuses: before it is told to serve, and commands.
func TestStandbyRefuses(t *testing.T) {
	all := newServers(t, 0, nil)
	s := all[1]
	if _, err := s.register(testPeer(1), 1); !errors.Is(err, ErrStandby) {
		t.Errorf("registration: %v", err)
	}
	if _, _, err := s.g.Rekey(s.now, true, nil); !errors.Is(err, ErrNotPrimary) {
		t.Errorf("rekey: %v", err)
	}
	s.follow(all[0])
	if _, err := s.register(testPeer(1), 1); !errors.Is(err, ErrStandby) {
		t.Errorf("registration before anybody knows that it gives sender ids: %v", err)
	}
	s.report(all[0])
	if _, err := s.register(testPeer(1), 1); err != nil {
		t.Error(err)
	}
	s.g.SetReady(false, "the policy differs")
	if _, err := s.register(testPeer(1), 1); !errors.Is(err, ErrStandby) {
		t.Errorf("registration: %v", err)
	}
}
