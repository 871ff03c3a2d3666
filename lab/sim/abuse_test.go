package sim

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// intruder is a node with the right pre-shared key that nobody counts as a member.
func intruder(t *testing.T, s *Sim, index int, group gdoi.GroupID) *Node {
	t.Helper()
	cfg := s.cfg.groupMember(index)
	cfg.Groups[0].ID, cfg.Groups[0].Backoff, cfg.Groups[0].BackoffMax = group, time.Second, 5*time.Second
	m, err := node.NewGroupMember(machine.NewEnv(rand.NewChaCha8([32]byte{byte(index), 99})), cfg)
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{s: s, index: index, Name: "intruder", Addr: address(index), disk: map[diskKey][]byte{}, crashIn: -1, life: 1, m: m, joined: map[netip.AddrPort]bool{},
		held: map[machine.PersistID][]machine.Send{}, written: map[machine.PersistID]bool{}}
	s.byAddr[n.Addr] = n
	s.After(time.Second, n.schedule)
	return n
}

// TestAbuseForAnHour: twenty members, rekeys every 40 s and a new KEK every few minutes, and all the while floods of first
// messages from one source, from many and from members' own addresses, replays of old and new datagrams from right and
// wrong addresses, damaged rekeys and acknowledgements, and peers that ask for what they may not have. No member is ever
// unable to read another, nobody has to register again, and every kind of abuse is counted under its reason.
func TestAbuseForAnHour(t *testing.T) {
	hour := time.Hour
	if testing.Short() {
		hour = 10 * time.Minute
	}
	const members = 20
	g := quick
	g.Authorise = policy.Authorisation{{Prefix: netip.MustParsePrefix("10.1.0.0/27")}}
	s := New(Config{Seed: 77, Members: members, Group: g, Network: clean, DPD: 30 * time.Second, StartSpread: 2 * time.Second})
	intruders := []*Node{intruder(t, s, 100, gdoi.GroupIDFromUint32(1234)), intruder(t, s, 25, "no such group")}
	type packet struct {
		to, from netip.AddrPort
		b        []byte
	}
	var first []byte
	var old []packet // of the beginning, kept
	recent := make([]packet, 256)
	pushes, acks, n := recent[:0:0], recent[:0:0], 0
	keep := func(ring []packet, p packet) []packet {
		if len(ring) == 64 {
			ring = ring[1:]
		}
		return append(ring, p)
	}
	s.Tap = func(from, to netip.AddrPort, b []byte) {
		p := packet{to, from, bytes.Clone(b)}
		if first == nil && to == s.KS().Addr {
			first = p.b
		}
		if len(old) < 2000 {
			old = append(old, p)
		}
		recent[n%len(recent)] = p
		n++
		switch isakmp.ExchangeType(b[18]) {
		case isakmp.ExchangeGroupkeyPush:
			pushes = keep(pushes, p)
		case isakmp.ExchangeGroupkeyPushAck:
			acks = keep(acks, p)
		}
	}
	flood := uint32(0)
	begin := func(from netip.AddrPort) {
		flood++
		b := bytes.Clone(first)
		binary.BigEndian.PutUint32(b, flood)
		s.Inject(s.KS(), from, b)
	}
	inject := func(p packet, from netip.AddrPort) {
		if to := s.byAddr[p.to]; to != nil {
			s.Inject(to, from, bytes.Clone(p.b))
		}
	}
	damage := func(p packet, from int) packet {
		p.b = bytes.Clone(p.b)
		p.b[from+s.rng.IntN(len(p.b)-from)] ^= byte(1 + s.rng.IntN(255))
		return p
	}
	pick := func(of []packet) packet { return of[s.rng.IntN(len(of))] }
	one := netip.MustParseAddrPort("192.0.2.7:848")
	abuses := []func(){
		func() { begin(one) },
		func() {
			begin(netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 16, byte(flood >> 8), byte(flood)}), 848))
		},
		func() { begin(netip.AddrPortFrom(address(1+s.rng.IntN(members)).Addr(), uint16(1024+flood%60000))) },
		func() { p := pick(old); inject(p, p.from) },
		func() { p := recent[s.rng.IntN(min(n, len(recent)))]; inject(p, p.from) },
		func() { inject(pick(old), one) },
		func() {
			if len(pushes) > 0 {
				p := pick(pushes)
				inject(damage(p, isakmp.HeaderLen), p.from)
			}
		},
		func() {
			if len(pushes) > 0 {
				inject(damage(pick(pushes), 0), one)
			}
		},
		func() {
			if len(acks) > 0 {
				p := pick(acks)
				inject(damage(p, isakmp.HeaderLen), p.from)
			}
		},
		func() {
			if len(acks) > 0 {
				p := pick(acks)
				inject(p, address(1+s.rng.IntN(members)))
			}
		},
		func() {
			p := pick(old)
			p.b = bytes.Clone(p.b)
			p.b[8+s.rng.IntN(8)]++ // another session's
			inject(p, p.from)
		},
		func() {
			p := damage(pick(old), 0)
			p.b = p.b[:s.rng.IntN(len(p.b))]
			inject(p, p.from)
		},
	}
	attacks := 0
	var attack func()
	attack = func() {
		attacks++
		abuses[s.rng.IntN(len(abuses))]()
		if s.Now() < hour {
			s.After(time.Duration(s.rng.Int64N(int64(40*time.Millisecond))), attack)
		}
	}
	s.After(5*time.Second, attack)
	s.Traffic(time.Second)
	s.Run(hour)
	want(t, s)
	wantAll(t, s)
	wantLossless(t, s)
	for _, name := range []string{gdoi.NoteRekeyMissed, gdoi.NoteGMEjected, gdoi.NoteGroupReset, gdoi.NoteUnknownSPI, gdoi.NoteKeysExpired} {
		if n := s.Stats().Notes[name]; n != 0 {
			t.Errorf("%d events %s", n, name)
		}
	}
	if n, least := s.Stats().Notes[gdoi.NoteTEKCreated], uint64(hour/(45*time.Second)); n < least {
		t.Errorf("%d TEKs; want at least %d", n, least)
	}
	ks := s.KS().KeyServer().Snapshot(s.clock())
	if n := len(ks.Groups[0].Members); n != members {
		t.Errorf("%d members; want %d", n, members)
	}
	counted, atMembers := map[string]uint64{}, map[string]uint64{}
	for _, d := range ks.Drops {
		counted[d.Reason] += d.Count
	}
	for _, m := range s.Members() {
		for _, d := range m.Member().Snapshot(s.clock()).Drops {
			atMembers[d.Reason] += d.Count
		}
	}
	t.Logf("%d attacks; key server: %v; members: %v; notes %v", attacks, counted, atMembers, s.Stats().Notes)
	atKS := []string{gdoi.DropSourceLimit, gdoi.DropUnknownCookies, gdoi.DropWrongAddress, gdoi.DropMalformed, gdoi.DropTooShort, "unexpected-message"}
	if len(acks) > 0 {
		atKS = append(atKS, gdoi.DropAckUnasked, gdoi.DropAckDuplicate)
	}
	for _, r := range atKS {
		if counted[r] == 0 {
			t.Errorf("the key server counted no %s", r)
		}
	}
	for _, r := range []string{gdoi.DropUnknownKEK, "duplicate", "replay", gdoi.DropMalformed, gdoi.DropUnknownPeer} {
		if atMembers[r] == 0 {
			t.Errorf("the members counted no %s", r)
		}
	}
	if s.Stats().Notes[gdoi.NoteNotAuthorised] == 0 {
		t.Error("the intruders were not refused")
	}
	for _, n := range intruders {
		if n.Member().Snapshot(s.clock()).Groups[0].State.HoldsKeys() {
			t.Errorf("intruder at %v has keys", n.Addr)
		}
	}
}
