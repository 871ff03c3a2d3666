package sim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
)

var multicastGroup = netip.MustParseAddrPort("239.192.1.1:848")

// counter counts datagrams by exchange type.
func counter(s *Sim) map[isakmp.ExchangeType]int {
	n := map[isakmp.ExchangeType]int{}
	s.Tap = func(_, _ netip.AddrPort, b []byte) { n[isakmp.ExchangeType(b[18])]++ }
	return n
}

// group is what the key server shows.
func group(s *Sim) keyserver.Snapshot { return s.KS().KeyServer().Snapshot(s.clock()).Groups[0] }

func withMulticast(g keyserver.Config) keyserver.Config {
	g.Multicast = multicastGroup
	return g
}

// TestAcknowledgedRekeyIsNotRepeated: on a clean network a rekey of n members costs n datagrams, or one with multicast,
// and n answers.
func TestAcknowledgedRekeyIsNotRepeated(t *testing.T) {
	const members = 20
	for _, c := range []struct {
		name  string
		group keyserver.Config
		push  int
	}{{"unicast", quick, members}, {"multicast", withMulticast(quick), 1}} {
		t.Run(c.name, func(t *testing.T) {
			s := New(Config{Seed: 1, Members: members, Group: c.group, Network: clean, StartSpread: time.Second})
			s.Run(20 * time.Second)
			n := counter(s)
			s.KS().Do(gdoi.CmdRekey{Group: GroupName, ID: 1})
			s.Run(39 * time.Second)
			if n[isakmp.ExchangeGroupkeyPush] != c.push || n[isakmp.ExchangeGroupkeyPushAck] != members {
				t.Errorf("%d rekey datagrams and %d acknowledgements; want %d and %d", n[isakmp.ExchangeGroupkeyPush], n[isakmp.ExchangeGroupkeyPushAck], c.push, members)
			}
			for _, m := range group(s).Members {
				if !m.Acks || m.AckedSeq != 1 || m.AckCount != 1 || m.Missed != 0 || m.RTT <= 0 || m.RTT > time.Second {
					t.Errorf("%v: %+v", m.Addr, m)
				}
			}
			want(t, s)
			wantAll(t, s)
		})
	}
}

// TestLossWithAcknowledgements: a fifth of all datagrams is lost, doubled and reordered, in both directions, and every
// member has every key in time.
func TestLossWithAcknowledgements(t *testing.T) {
	bad := Network{Loss: 0.2, Duplicate: 0.1, Latency: 5 * time.Millisecond, Jitter: 400 * time.Millisecond}
	seeds := uint64(20)
	if testing.Short() {
		seeds = 5
	}
	// The delays of the daemons: with those of quick a registration would have seconds, and 20 % loss costs it some.
	hasty := keyserver.Config{TEKLifetime: 10 * time.Minute, KEKLifetime: time.Hour}
	for _, g := range []keyserver.Config{hasty, withMulticast(hasty)} {
		for seed := range seeds {
			s := New(Config{Seed: seed, Members: 10, Group: g, Network: bad, StartSpread: 5 * time.Second, DPD: 20 * time.Second})
			s.Run(4 * time.Hour)
			want(t, s)
			wantAll(t, s)
			wantLossless(t, s)
			acked := uint64(0)
			for _, m := range group(s).Members {
				acked += m.AckCount
			}
			if acked < 250 {
				t.Errorf("%d acknowledgements arrived in 4 hours with 10 members and about 30 rekeys", acked)
			}
			if t.Failed() {
				t.Fatalf("seed %d, multicast %v", seed, g.Multicast.IsValid())
			}
		}
	}
}

// TestSilentMemberIsEjected: three rekeys in a row without an answer; the member comes back by itself. Others stay, and
// with multicast so does the silent one.
func TestSilentMemberIsEjected(t *testing.T) {
	for _, c := range []struct {
		name    string
		group   keyserver.Config
		ejected uint64
	}{{"unicast", quick, 1}, {"multicast", withMulticast(quick), 0}} {
		t.Run(c.name, func(t *testing.T) {
			s := New(Config{Seed: 2, Members: 5, Group: c.group, Network: clean, StartSpread: time.Second})
			s.Run(30 * time.Second)
			s.Partition(1, s.GM(1))
			// Rekeys at 40, 80 and 120 s.
			s.Run(119 * time.Second)
			if g := group(s); g.Ejected != 0 || len(g.Members) != 5 {
				t.Errorf("%d members were ejected after two rekeys", g.Ejected)
			}
			s.Run(150 * time.Second)
			g := group(s)
			if g.Ejected != c.ejected || len(g.Members) != 5-int(c.ejected) {
				t.Errorf("%d members were ejected, %d are left; want %d ejected", g.Ejected, len(g.Members), c.ejected)
			}
			if s.Stats().Notes[gdoi.NoteRekeyUnacked] != 3 || s.Stats().Notes[gdoi.NoteGMEjected] != c.ejected {
				t.Errorf("journal: %v", s.Stats().Notes)
			}
			for _, m := range g.Members {
				if silent := m.Addr == s.GM(1).Addr; silent != (m.Missed == 3) {
					t.Errorf("%v missed %d rekeys in a row", m.Addr, m.Missed)
				}
			}
			s.Heal()
			s.Run(4 * time.Minute)
			want(t, s)
			wantAll(t, s)
			if n := len(group(s).Members); n != 5 {
				t.Errorf("%d members are on the list after the silence; want 5", n)
			}
		})
	}
}

// TestDeafMemberRegistersAgain: a member that no multicast reaches has every key in time all the same, and the others are
// not troubled.
func TestDeafMemberRegistersAgain(t *testing.T) {
	s := New(Config{Seed: 3, Members: 5, Group: withMulticast(quick), Network: clean, StartSpread: time.Second})
	s.Run(20 * time.Second)
	s.GM(2).Deafen(true)
	s.Run(10 * time.Minute)
	want(t, s)
	wantAll(t, s)
	wantLossless(t, s)
	for i := 1; i <= 5; i++ {
		g := s.GM(i).Member().Snapshot(s.clock()).Groups[0]
		if again := g.Registrations > 5; again != (i == 2) {
			t.Errorf("gm%d registered %d times", i, g.Registrations)
		}
		if len(g.Multicast) != 1 || g.Multicast[0] != multicastGroup {
			t.Errorf("gm%d listens to %v", i, g.Multicast)
		}
	}
}

// TestMoveToMulticast: a key server that comes back with another transport makes a new KEK for it, announces that by the
// old one, and members follow without loss.
func TestMoveToMulticast(t *testing.T) {
	g := keyserver.Config{TEKLifetime: 10 * time.Minute, KEKLifetime: 20 * time.Minute}
	for _, to := range []netip.AddrPort{multicastGroup, {}} {
		g.Multicast = netip.AddrPort{}
		if !to.IsValid() {
			g.Multicast = multicastGroup
		}
		s := New(Config{Seed: 4, Members: 5, Group: g, Network: clean, StartSpread: time.Second})
		s.Run(time.Minute)
		s.KS().Crash()
		s.cfg.Group.Multicast = to
		s.KS().Start()
		s.Run(5 * time.Minute)
		if n := s.Stats().Notes[gdoi.NoteRekeyMissed]; n != 0 {
			t.Errorf("%d members missed the move to %v", n, to)
		}
		s.Run(2 * time.Hour)
		want(t, s)
		wantAll(t, s)
		wantLossless(t, s)
		for _, m := range s.Members() {
			got := m.Member().Snapshot(s.clock()).Groups[0].Multicast
			if (len(got) == 1 && got[0] == multicastGroup) != to.IsValid() || len(got) > 1 {
				t.Errorf("%s listens to %v after the move to %v", m.Name, got, to)
			}
		}
	}
}

// TestThousandMembersByMulticast: one datagram a rekey, a thousand answers.
func TestThousandMembersByMulticast(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	began := time.Now()
	s := New(Config{Seed: 1, Members: 1000, Group: withMulticast(keyserver.Config{}), StartSpread: 10 * time.Second, Network: wan})
	n := counter(s)
	s.Run(12*time.Hour + 10*time.Minute)
	t.Logf("12 h in %v: %d steps, %d rekey datagrams, %d acknowledgements", time.Since(began), s.Stats().Steps,
		n[isakmp.ExchangeGroupkeyPush], n[isakmp.ExchangeGroupkeyPushAck])
	want(t, s)
	wantAll(t, s)
	wantLossless(t, s)
	if got := n[isakmp.ExchangeGroupkeyPush]; got > 13*4*2 {
		t.Errorf("%d rekey datagrams in half a day", got)
	}
}

// TestReplayedRekeyIsAnsweredWithinLimits: who replays a rekey gets few answers, and nobody else any.
func TestReplayedRekeyIsAnsweredWithinLimits(t *testing.T) {
	s := New(Config{Seed: 5, Members: 2, Group: quick, Network: clean})
	s.Run(10 * time.Second)
	var rekey []byte
	answers := map[netip.AddrPort]int{}
	s.Tap = func(_, to netip.AddrPort, b []byte) {
		switch isakmp.ExchangeType(b[18]) {
		case isakmp.ExchangeGroupkeyPush:
			rekey = b
		case isakmp.ExchangeGroupkeyPushAck:
			answers[to]++
		}
	}
	s.KS().Do(gdoi.CmdRekey{Group: GroupName, ID: 1})
	s.Run(11 * time.Second)
	if rekey == nil || answers[s.KS().Addr] != 2 {
		t.Fatalf("%v answers to a rekey of two members", answers)
	}
	clear(answers)
	victim := netip.MustParseAddrPort("10.77.0.1:53")
	for i := range 1000 {
		s.After(time.Duration(i)*time.Millisecond, func() {
			s.Inject(s.GM(1), s.KS().Addr, rekey)
			s.Inject(s.GM(1), victim, rekey)
		})
	}
	s.Run(14 * time.Second)
	if n := answers[s.KS().Addr]; n < 1 || n > 5 {
		t.Errorf("%d answers to 1000 replays", n)
	}
	if answers[victim] != 0 || len(answers) != 1 {
		t.Errorf("answers to %v", answers)
	}
	want(t, s)
}

// TestForgedAcknowledgements: noise at the key server is counted by reason, and no member is taken for one that answered.
func TestForgedAcknowledgements(t *testing.T) {
	s := New(Config{Seed: 6, Members: 3, Group: quick, Network: clean})
	var genuine []byte
	s.Tap = func(_, _ netip.AddrPort, b []byte) {
		if isakmp.ExchangeType(b[18]) == isakmp.ExchangeGroupkeyPushAck {
			genuine = b
		}
	}
	s.Run(20 * time.Second)
	s.KS().Do(gdoi.CmdRekey{Group: GroupName, ID: 1})
	s.Partition(1, s.GM(1)) // it gets nothing, and cannot answer
	s.Run(21 * time.Second)
	if genuine == nil {
		t.Fatal("nobody acknowledged")
	}
	for i := range genuine {
		b := append([]byte(nil), genuine...)
		b[i] ^= 0x10
		s.Inject(s.KS(), s.GM(2).Addr, b)
		s.Inject(s.KS(), s.GM(2).Addr, genuine[:i])
	}
	for range 100 {
		s.Inject(s.KS(), netip.MustParseAddrPort("192.0.2.1:848"), genuine)
	}
	drops := map[string]uint64{}
	for _, d := range s.KS().KeyServer().Snapshot(s.clock()).Drops {
		drops[d.Reason] = d.Count
	}
	if drops[gdoi.DropAckForged] == 0 || drops[gdoi.DropAckDuplicate] < 100 || drops[gdoi.DropAckUnasked] == 0 {
		t.Errorf("drops: %v", drops)
	}
	for _, m := range group(s).Members {
		if silent := m.Addr == s.GM(1).Addr; silent == (m.AckCount > 0) {
			t.Errorf("%v acknowledged %d rekeys", m.Addr, m.AckCount)
		}
	}
	s.Heal()
	s.Run(3 * time.Minute)
	want(t, s)
	wantAll(t, s)
}

// TestKEKIsReplacedInTime: at no moment is a member without a KEK under which rekeys come, although a fifth of all
// datagrams is lost and the KEK rolls many times, by unicast and by multicast.
func TestKEKIsReplacedInTime(t *testing.T) {
	lossy := Network{Loss: 0.2, Latency: 5 * time.Millisecond, Jitter: 50 * time.Millisecond}
	g := keyserver.Config{TEKLifetime: 8 * time.Minute, KEKLifetime: 10 * time.Minute}
	for _, g := range []keyserver.Config{g, withMulticast(g)} {
		s := New(Config{Seed: 7, Members: 8, Group: g, Network: lossy})
		s.Run(time.Minute)
		for s.Now() < 2*time.Hour {
			s.Run(s.Now() + 5*time.Second)
			alive := map[gdoi.KEKSPI]bool{}
			for _, k := range group(s).KEKs {
				alive[k.SPI] = true
			}
			for _, n := range s.Members() {
				usable := false
				for _, k := range n.Member().Snapshot(s.clock()).Groups[0].KEKs {
					usable = usable || alive[k.SPI] && k.Remaining > 0
				}
				if !usable {
					t.Fatalf("at %v %s has no KEK that the key server still has", s.Now(), n.Name)
				}
			}
		}
		if n := s.Stats().Notes[gdoi.NoteKEKCreated]; n < 10 {
			t.Errorf("%d KEKs in two hours", n)
		}
		want(t, s)
		wantAll(t, s)
		wantLossless(t, s)
	}
}
