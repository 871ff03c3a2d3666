package keyserver

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// ack is what a member at addr would answer to message seq under the newest KEK, in the form typ.
func (s *shell) ack(typ push.AckType, seq uint32, addr netip.Addr) []byte {
	s.t.Helper()
	k := s.g.keks[len(s.g.keks)-1]
	base := k.key
	if typ.Leaf() {
		base = secretOfNobody
		for _, m := range s.g.members.sorted {
			if m.peer.Addr.Addr() == addr && (m.slot != noSlot || m.loose != nil) {
				base = s.g.leafOf(m)
			}
		}
	}
	key, err := push.NewAckKey(typ, base, k.spi)
	if err != nil {
		s.t.Fatal(err)
	}
	return key.Build(seq, addr)
}

var secretOfNobody = machine.NewSecret(make([]byte, 32))

// answer delivers an acknowledgement and returns the reason for which it was dropped, or "".
func (s *shell) answer(from netip.AddrPort, datagram []byte) string {
	s.t.Helper()
	a, err := push.ParseAck(datagram)
	if err == nil {
		if !s.g.HasKEK(a.SPI) {
			return gdoi.DropUnknownKEK
		}
		var out machine.Effects
		out, err = s.g.Acknowledged(s.now, a, from, datagram, nil)
		s.do(out)
	}
	var e *push.Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &e):
		s.t.Fatalf("error without a reason: %v", err)
	}
	return e.Reason
}

func (s *shell) rekeyNow(kek bool) int {
	s.t.Helper()
	mark := len(s.out)
	_, out, err := s.g.Rekey(s.now, kek, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.do(out)
	return mark
}

func (s *shell) registerAll(peers ...Peer) {
	s.t.Helper()
	for _, p := range peers {
		if _, err := s.register(p, 1); err != nil {
			s.t.Fatal(err)
		}
	}
}

func stranger(i byte) Peer {
	p := testPeer(i)
	p.GetVPN = false
	return p
}

// TestAckReasons: each kind of acknowledgement that does not count has a reason, changes nothing, and the genuine one is
// accepted after them.
func TestAckReasons(t *testing.T) {
	s := newShell(t, testConfig(t))
	s.registerAll(testPeer(1), testPeer(2), stranger(3))
	s.rekeyNow(false)
	s.run(time.Second)
	a1, a2 := testPeer(1).Addr, testPeer(2).Addr
	genuine := s.ack(isakmp.AckLKHSHA256, 1, a1.Addr())
	forged := append([]byte(nil), genuine...)
	forged[40] ^= 1
	other := append([]byte(nil), genuine...)
	other[0] ^= 1
	for _, c := range []struct {
		name     string
		from     netip.AddrPort
		datagram []byte
		want     string
	}{
		{"forged", a1, forged, gdoi.DropAckForged},
		{"of another form", a1, s.ack(isakmp.AckLKHSHA512, 1, a1.Addr()), gdoi.DropAckForged},
		{"by another member, which has the KEK", a1, s.ack(isakmp.AckKEKSHA256, 1, a1.Addr()), gdoi.DropAckForged},
		{"of a rekey to come", a1, s.ack(isakmp.AckLKHSHA256, 2, a1.Addr()), gdoi.DropAckUnasked},
		{"of rekey 0", a1, s.ack(isakmp.AckLKHSHA256, 0, a1.Addr()), gdoi.DropAckOld},
		{"of no member", a1, s.ack(isakmp.AckLKHSHA256, 1, netip.MustParseAddr("10.9.9.9")), gdoi.DropAckUnasked},
		{"of a member that was not asked", a1, s.ack(isakmp.AckLKHSHA256, 1, stranger(3).Addr.Addr()), gdoi.DropAckUnasked},
		{"under another KEK", a1, other, gdoi.DropUnknownKEK},
		{"cut", a1, genuine[:50], gdoi.DropMalformed},
		{"genuine", a1, genuine, ""},
		{"again", a1, genuine, gdoi.DropAckDuplicate},
		{"forged after that", a1, forged, gdoi.DropAckForged},
		{"genuine of the other", a2, s.ack(isakmp.AckLKHSHA256, 1, a2.Addr()), ""},
	} {
		if got := s.answer(c.from, c.datagram); got != c.want {
			t.Errorf("%s: %q; want %q", c.name, got, c.want)
		}
	}
	for i, m := range s.g.Snapshot(s.now).Members {
		if count := []uint64{1, 1, 0}[i]; m.AckCount != count || m.Acks != (count == 1) {
			t.Errorf("%v acknowledged %d rekeys, is asked: %v", m.Addr, m.AckCount, m.Acks)
		}
	}
	s.run(time.Minute)
	if got := s.answer(a1, genuine); got != gdoi.DropAckOld {
		t.Errorf("after the end of the rekey: %q; want %q", got, gdoi.DropAckOld)
	}
}

// TestRepeatsGoToTheSilent: who has acknowledged gets no repeats; who cannot gets all; a message that overtakes another
// needs one answer only.
func TestRepeatsGoToTheSilent(t *testing.T) {
	s := newShell(t, testConfig(t))
	s.registerAll(testPeer(1), testPeer(2), stranger(3))
	mark := s.rekeyNow(false)
	s.run(100 * time.Millisecond)
	if got := s.answer(testPeer(1).Addr, s.ack(isakmp.AckLKHSHA256, 1, testPeer(1).Addr.Addr())); got != "" {
		t.Fatal(got)
	}
	s.run(8 * time.Second)
	if got := s.answer(testPeer(2).Addr, s.ack(isakmp.AckLKHSHA256, 1, testPeer(2).Addr.Addr())); got != "" {
		t.Fatal(got)
	}
	s.run(time.Minute)
	got := map[netip.AddrPort]int{}
	for _, e := range s.sends(mark) {
		got[e.Remote]++
	}
	if got[testPeer(1).Addr] != 1 || got[testPeer(2).Addr] != 2 || got[stranger(3).Addr] != 3 {
		t.Errorf("datagrams: %v; want 1, 2 and 3", got)
	}
	if n := s.notes(gdoi.NoteRekeyUnacked); n != 0 {
		t.Errorf("%d rekeys count as unacknowledged", n)
	}
}

// TestEjection: three rekeys in a row; an answer in between, or a registration, begins anew.
func TestEjection(t *testing.T) {
	for _, c := range []struct {
		name    string
		peer    Peer
		rescue  func(s *shell)
		ejected bool
	}{
		{"silent", testPeer(1), func(*shell) {}, true},
		{"speaks no acknowledgements", stranger(1), func(*shell) {}, false},
		{"answers once", testPeer(1), func(s *shell) {
			if got := s.answer(testPeer(1).Addr, s.ack(isakmp.AckLKHSHA256, 2, testPeer(1).Addr.Addr())); got != "" {
				s.t.Fatal(got)
			}
		}, false},
		{"registers again", testPeer(1), func(s *shell) { s.registerAll(testPeer(1)) }, false},
		{"left", testPeer(1), func(s *shell) { s.g.members.sorted[0].left = true }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t, testConfig(t))
			s.registerAll(c.peer)
			for i := range 3 {
				s.rekeyNow(false)
				s.run(time.Second)
				if i == 1 {
					c.rescue(s)
				}
				s.run(2 * time.Minute)
			}
			if got := s.notes(gdoi.NoteGMEjected) == 1; got != c.ejected || (s.g.members.len() == 0) != c.ejected {
				t.Errorf("ejected: %v, %d members are left; want %v", got, s.g.members.len(), c.ejected)
			}
			if c.ejected {
				for key := range s.disk {
					if key == memberKey(c.peer.key()) {
						t.Error("the ejected member is still on the disk")
					}
				}
			}
		})
	}
}

// TestHastyRekeysCountOnce: rekeys that follow each other within seconds are one chance to answer, not three.
func TestHastyRekeysCountOnce(t *testing.T) {
	s := newShell(t, testConfig(t))
	s.registerAll(testPeer(1))
	for range 3 {
		s.rekeyNow(false)
		s.run(time.Second)
	}
	s.run(2 * time.Minute)
	if m := s.g.Snapshot(s.now).Members; len(m) != 1 || m[0].Missed != 1 {
		t.Errorf("%+v; want one rekey missed", m)
	}
}

// TestNewKEKAsksThoseWhoCanAnswer: where not all members know the vendor id, the SAK of a PUSH must not ask, and those
// who got the KEK by it owe no answers until they register again.
func TestNewKEKAsksThoseWhoCanAnswer(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		s := newShell(t, testConfig(t))
		s.registerAll(testPeer(1))
		if mixed {
			s.registerAll(stranger(2))
		}
		s.run(time.Second)
		s.rekeyNow(true)
		o := s.g.announcement(s.now, s.g.keks[0])
		if asks := o.KEK.Ack != 0; asks == mixed {
			t.Errorf("mixed %v: the PUSH asks: %v", mixed, asks)
		}
		if m := s.g.Snapshot(s.now).Members[0]; m.Acks == mixed {
			t.Errorf("mixed %v: the member owes answers: %v", mixed, m.Acks)
		}
		for _, p := range []Peer{testPeer(1), stranger(2)} {
			if o := s.g.offerTo(s.now, p); (o.KEK.Ack != 0) != p.GetVPN {
				t.Errorf("a registration of %v (vendor id: %v) is asked: %d", p.Addr, p.GetVPN, o.KEK.Ack)
			}
		}
		s.run(time.Second)
		s.registerAll(testPeer(1))
		if m := s.g.Snapshot(s.now).Members[0]; !m.Acks {
			t.Error("a member that has registered again owes no answers")
		}
		// What members were asked outlives a restart.
		s.start(testConfig(t))
		if m := s.g.Snapshot(s.now).Members[0]; !m.Acks {
			t.Error("the restarted key server does not know what it asked")
		}
	}
}

// TestKEKRolloverHasOneAnswer: while a KEK is young every rekey goes out twice; one answer to either is enough.
func TestKEKRolloverHasOneAnswer(t *testing.T) {
	s := newShell(t, testConfig(t))
	s.registerAll(testPeer(1))
	s.rekeyNow(true)
	s.run(DefaultActivationDelay)
	mark := s.rekeyNow(false)
	if n := len(s.sends(mark)); n != 2 {
		t.Fatalf("%d datagrams while the KEK is young; want 2", n)
	}
	if got := s.answer(testPeer(1).Addr, s.ack(isakmp.AckLKHSHA256, 1, testPeer(1).Addr.Addr())); got != "" {
		t.Fatal(got)
	}
	s.run(time.Minute)
	if n := len(s.sends(mark)); n != 2 {
		t.Errorf("%d datagrams; the answer should have stopped the repeats of both messages", n)
	}
}

// TestMulticastRepeats: one datagram a round; silence of one member keeps them coming until A, and no longer.
func TestMulticastRepeats(t *testing.T) {
	group := netip.MustParseAddrPort("239.192.1.1:848")
	for _, c := range []struct {
		name  string
		peers []Peer
		ack   []Peer
		want  int
	}{
		{"all answer", []Peer{testPeer(1), testPeer(2)}, []Peer{testPeer(1), testPeer(2)}, 1},
		{"one is silent", []Peer{testPeer(1), testPeer(2)}, []Peer{testPeer(1)}, 4}, // 0, 7.5, 15, 22.5 s
		{"one cannot answer", []Peer{testPeer(1), stranger(2)}, []Peer{testPeer(1)}, 3},
		{"nobody can answer", []Peer{stranger(1), stranger(2)}, nil, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := testConfig(t)
			cfg.Multicast = group
			s := newShell(t, cfg)
			s.registerAll(c.peers...)
			mark := s.rekeyNow(false)
			s.run(time.Second)
			for _, p := range c.ack {
				if got := s.answer(p.Addr, s.ack(isakmp.AckLKHSHA256, 1, p.Addr.Addr())); got != "" {
					t.Fatal(got)
				}
			}
			s.run(2 * time.Minute)
			sent := s.sends(mark)
			if len(sent) != c.want {
				t.Errorf("%d datagrams; want %d", len(sent), c.want)
			}
			for _, e := range sent {
				if e.Remote != group {
					t.Errorf("a datagram to %v", e.Remote)
				}
			}
		})
	}
}

func TestAckConfig(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*Config)
		ok   bool
	}{
		{"default", func(*Config) {}, true},
		{"never", func(c *Config) { c.Ack = AckNever }, true},
		{"sha512", func(c *Config) { c.Ack = isakmp.AckKEKSHA512 }, true},
		{"leaf", func(c *Config) { c.Ack = isakmp.AckLKHSHA256 }, false},
		{"unknown", func(c *Config) { c.Ack = 77 }, false},
		{"hasty", func(c *Config) { c.Retransmit = time.Millisecond }, false},
		{"multicast", func(c *Config) { c.Multicast = netip.MustParseAddrPort("239.1.1.1:848") }, true},
		{"multicast without a port", func(c *Config) { c.Multicast = netip.MustParseAddrPort("239.1.1.1:0") }, false},
		{"unicast address", func(c *Config) { c.Multicast = netip.MustParseAddrPort("10.1.1.1:848") }, false},
	} {
		cfg := testConfig(t)
		c.edit(&cfg)
		if err := cfg.Validate(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
