package node

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// long is a first message that is too long for the cookie jar, so that it needs a place among the negotiations.
func long(t *testing.T, first []byte) []byte {
	t.Helper()
	h, err := isakmp.ParseHeader(first)
	if err != nil {
		t.Fatal(err)
	}
	chain, _, err := isakmp.ParseChain(h.NextPayload, first[isakmp.HeaderLen:])
	if err != nil {
		t.Fatal(err)
	}
	sa, err := isakmp.ParseSAPhase1(chain[0].Body())
	if err != nil {
		t.Fatal(err)
	}
	return isakmp.Message(h, sa, isakmp.VendorID{Data: make([]byte, maxShape)})
}

// TestCrowdedSourceGivesWay: in a full table the source with most unanswered negotiations loses its oldest, and those that
// have got further lose nothing.
func TestCrowdedSourceGivesWay(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{HalfOpen: 20, HalfOpenPerSource: 15}, blue(t))
	w.member(gm1, rightPSK)
	w.step(gm1, machine.Timeout{})
	first := w.log[0].Bytes
	w.step(ksAddr, w.log[0])
	w.step(gm1, w.log[1])
	w.step(ksAddr, w.log[2]) // message 3: gm1 is at home
	w.queue = nil
	begin := func(from netip.AddrPort, n uint32) {
		b := long(t, first)
		binary.BigEndian.PutUint32(b, n)
		w.step(ksAddr, machine.Datagram{Local: ksAddr, Remote: from, Bytes: b})
	}
	begin(gm2, 1)
	for i := range uint32(12) {
		begin(outsider, 100+i)
	}
	other := netip.MustParseAddrPort("198.51.100.1:848")
	for i := range uint32(6) {
		begin(other, 200+i)
	}
	if n := ks.halfOpen.len(); n != 20 {
		t.Fatalf("%d negotiations; want a full table of 20", n)
	}
	for i := range 10 {
		begin(netip.AddrPortFrom(stranger(i), 848), 300)
	}
	for _, c := range []struct {
		a    netip.AddrPort
		want int
	}{{gm1, 1}, {gm2, 1}, {outsider, 4}, {other, 4}} {
		if n := ks.halfOpen.of(c.a.Addr()); n != c.want {
			t.Errorf("%v has %d negotiations; want %d", c.a, n, c.want)
		}
	}
	if n := drops(ks.Snapshot(w.now).Drops, gdoi.DropHalfOpenLimit); n != 10 {
		t.Errorf("%d gave way; want 10", n)
	}
	w.queue = nil
	w.run(2 * time.Minute)
	if n, k := ks.halfOpen.len(), len(ks.halfOpen.sources)+ks.halfOpen.crowded.Len(); n+k != 0 {
		t.Errorf("%d negotiations, %d sources are left over", n, k)
	}
}

func TestGrownNegotiationsDoNotGiveWay(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{HalfOpenPerSource: 1}, blue(t))
	w.member(gm1, rightPSK)
	w.step(gm1, machine.Timeout{})
	w.step(ksAddr, w.log[0])
	w.step(gm1, w.log[1])
	w.step(ksAddr, w.log[2])
	w.queue = nil
	b := long(t, w.log[0].Bytes)
	b[0]++
	w.step(ksAddr, machine.Datagram{Local: ksAddr, Remote: gm1, Bytes: b})
	if s := ks.Snapshot(w.now); s.HalfOpen != 1 || drops(s.Drops, gdoi.DropSourceLimit) != 1 || ks.halfOpen.first[firstMessage{isakmp.Cookie(b[:8]), gm1}] != nil {
		t.Errorf("a negotiation with keys gave way to a first message: %+v", s)
	}
}

func TestIdentityInPrint(t *testing.T) {
	for _, c := range []struct {
		id   isakmp.ID
		want string
	}{
		{isakmp.ID{IDType: isakmp.IDIPv4Addr, Data: []byte{10, 1, 0, 1}}, "10.1.0.1"},
		{isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte("hub1")}, "hub1"},
		{isakmp.ID{IDType: isakmp.IDUserFQDN, Data: []byte("a@bc")}, "a@bc"},
		{isakmp.ID{IDType: isakmp.IDKeyID, Data: []byte("gm12")}, "gm12"},
		{isakmp.ID{IDType: isakmp.IDKeyID, Data: []byte{0, 0, 4, 210}}, "0x000004d2"},
		{isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte("a b")}, "0x612062"},
		{isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte("a\n")}, "0x610a"},
		{isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte("\xc3\xa4")}, "0xc3a4"},
		{isakmp.ID{IDType: isakmp.IDFQDN}, "0x"},
		{isakmp.ID{IDType: isakmp.IDDERASN1DN, Data: []byte("0abc")}, "0x30616263"},
	} {
		if got := identity(c.id); got != c.want {
			t.Errorf("%v: %q; want %q", c.id, got, c.want)
		}
	}
}

// TestNoSessionIsLeftAlive: whoever drops a session wipes it.
func TestNoSessionIsLeftAlive(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{SessionsPerPeer: 1}, blue(t))
	gm := w.member(gm1, rightPSK)
	w.run(time.Minute)
	dead := func(what string, s *ike1.Session) {
		t.Helper()
		if s.State() != ike1.StateDead || s.PRF(nil) != nil {
			t.Errorf("%s: the session is %v", what, s.State())
		}
	}
	replaced := ks.byPeer[gm1.Addr()][0].ike
	forgotten := gm.links[0].session
	gm.Forget(w.now, forgotten, nil)
	dead("forgotten by a member", forgotten)
	w.step(gm1, gdoi.CmdReregister{Group: "blue", ID: 1})
	w.run(time.Minute)
	dead("replaced at the key server", replaced)
	old := gm.links[0].session
	w.advance(old.Expires().Add(-lastMinutes / 2))
	w.step(gm1, gdoi.CmdReregister{Group: "blue", ID: 2})
	w.step(gm1, machine.Timeout{})
	w.drain()
	if gm.links[0].session == old {
		t.Fatal("the old session is still in use")
	}
	dead("replaced at a member", old)

	b := bytes.Clone(w.log[0].Bytes)
	b[0]++
	w.step(ksAddr, machine.Datagram{Local: ksAddr, Remote: outsider, Bytes: b})
	half := ks.halfOpen.oldest().ike
	up := ks.byPeer[gm1.Addr()][0].ike
	mine := gm.links[0].session
	w.step(ksAddr, gdoi.CmdStop{ID: 3})
	dead("half-open when the key server stops", half)
	dead("established when the key server stops", up)
	w.step(gm1, gdoi.CmdStop{ID: 4})
	dead("when the member stops", mine)
	if s := ks.Snapshot(w.now); s.HalfOpen+s.Sessions != 0 || len(s.Groups[0].TEKs)+len(s.Groups[0].KEKs) != 0 {
		t.Errorf("the stopped key server still has %+v", s)
	}
}

// TestGroupsOfAForgottenSession: two groups register over a session that the key server has lost. One finds out, both
// begin again, over one new session.
func TestGroupsOfAForgottenSession(t *testing.T) {
	w := newWorld(t)
	red := blue(t)
	red.Name, red.ID = "red", "red"
	w.keyServer(Limits{}, blue(t), red)
	gm := w.member(gm1, rightPSK,
		member.Config{Name: "blue", ID: blueID, KeyServers: []netip.AddrPort{ksAddr}},
		member.Config{Name: "red", ID: "red", KeyServers: []netip.AddrPort{ksAddr}})
	w.run(time.Minute)
	ks := w.keyServer(Limits{}, blue(t), red) // from its records, without sessions
	w.run(time.Second)
	w.step(gm1, gdoi.CmdReregister{Group: "blue", ID: 1})
	w.run(time.Second)
	w.step(gm1, gdoi.CmdReregister{Group: "red", ID: 2})
	w.run(5 * time.Second)
	if s := ks.Snapshot(w.now); s.Sessions != 1 || s.HalfOpen != 0 || s.Groups[0].Registrations != 1 || s.Groups[1].Registrations != 1 {
		t.Errorf("%d sessions, %d half-open, %d and %d registrations; want 1, 0, 1, 1", s.Sessions, s.HalfOpen, s.Groups[0].Registrations, s.Groups[1].Registrations)
	}
	for _, g := range gm.Snapshot(w.now).Groups {
		if g.State != member.Registered || g.Registrations != 2 || g.Attempts != 2 {
			t.Errorf("%s is %v after %d registrations, %d attempts; want registered, 2, 2", g.Name, g.State, g.Registrations, g.Attempts)
		}
	}
	w.wantNotes(gm1, gdoi.NoteRegisterFailed, 0)
}

// TestRefusalsAreNotLoud: a peer that asks for what it may not have, again and again.
func TestRefusalsAreNotLoud(t *testing.T) {
	c := blue(t)
	c.Authorise = policy.Authorisation{{Prefix: netip.MustParsePrefix("10.1.0.1/32")}}
	for _, x := range []struct {
		name  string
		group gdoi.GroupID
	}{{"not authorised", blueID}, {"unknown group", "green"}} {
		w := newWorld(t)
		ks := w.keyServer(Limits{}, c)
		w.member(gm2, rightPSK, member.Config{
			Name: "g", ID: x.group, KeyServers: []netip.AddrPort{ksAddr}, Backoff: 100 * time.Millisecond, BackoffMax: 100 * time.Millisecond,
		})
		w.run(100 * time.Second)
		n := w.notes(ksAddr, gdoi.NoteNotAuthorised)
		if n < 10 || n > 14 {
			t.Errorf("%s: %d events in 100 s; want the first ones and one every 10 s", x.name, n)
		}
		if len(ks.Snapshot(w.now).Groups[0].Members) != 0 {
			t.Errorf("%s: it got in", x.name)
		}
	}
}

// TestRegisteringTooOften: the excess is refused and counted, costs the member nothing but time, and leaves it its keys.
func TestRegisteringTooOften(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{}, blue(t))
	gm := w.member(gm1, rightPSK)
	w.run(time.Second)
	for i := range 40 {
		w.step(gm1, gdoi.CmdReregister{Group: "blue", ID: uint64(i + 1)})
		w.run(100 * time.Millisecond)
	}
	s, m := ks.Snapshot(w.now), gm.Snapshot(w.now).Groups[0]
	if s.Groups[0].Registrations != 20 || drops(s.Drops, gdoi.DropTooOften) < 20 {
		t.Errorf("%d registrations, drops %v; want 20, and the rest too-often", s.Groups[0].Registrations, s.Drops)
	}
	if !m.State.HoldsKeys() || m.AuthFailure != "" {
		t.Errorf("the member is %v, auth failure %q; want its keys and no failure", m.State, m.AuthFailure)
	}
	if n := w.notes(ksAddr, gdoi.NoteRegisterFailed); n != voiceBurst {
		t.Errorf("%d events; want %d", n, voiceBurst)
	}
	w.run(time.Minute)
	if m = gm.Snapshot(w.now).Groups[0]; m.State != member.Registered || m.Reason != "" {
		t.Errorf("a minute later it is %v: %s", m.State, m.Reason)
	}
}

// TestOrderlyStop: one quiet event at the member, and the key server knows.
func TestOrderlyStop(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{}, blue(t))
	w.member(gm1, rightPSK)
	w.member(gm2, rightPSK)
	w.run(time.Minute)
	w.effects[gm1] = nil
	w.step(gm1, gdoi.CmdStop{ID: 1})
	w.drain()
	var got []string
	for _, e := range w.effects[gm1] {
		if n, ok := e.(machine.Note); ok {
			got = append(got, n.Name)
			if n.Severity != machine.Info {
				t.Errorf("event %s: %v", n.Name, n.Severity)
			}
		}
	}
	if len(got) != 1 || got[0] != gdoi.NoteStopped {
		t.Errorf("events %v; want %s alone", got, gdoi.NoteStopped)
	}
	left := func(want bool, sessions int) {
		t.Helper()
		s := ks.Snapshot(w.now)
		if m := s.Groups[0].Members; len(m) != 2 || m[0].Left != want || m[1].Left || s.Sessions != sessions {
			t.Errorf("members %+v, %d sessions; want two, the first left %v, %d sessions", m, s.Sessions, want, sessions)
		}
	}
	left(true, 1)
	w.wantNotes(ksAddr, gdoi.NoteGMLeft, 1)
	before := len(w.log)
	w.run(time.Hour)
	for _, d := range w.log[before:] {
		if d.Local == gm1 {
			t.Fatal("the key server still sends to it")
		}
	}
	w.member(gm1, rightPSK)
	w.run(time.Minute)
	left(false, 2)
	// The end of phase 1 alone is no farewell.
	w.run(26 * time.Hour)
	left(false, ks.Snapshot(w.now).Sessions)
	w.wantNotes(ksAddr, gdoi.NoteGMLeft, 1)
}

// TestStopOfAnUnregisteredMember tells nobody anything.
func TestStopOfAnUnregisteredMember(t *testing.T) {
	w := newWorld(t)
	w.member(gm1, rightPSK)
	w.run(time.Second)
	before := len(w.log)
	w.step(gm1, gdoi.CmdStop{ID: 1})
	if len(w.log) != before {
		t.Error("it sends something")
	}
	w.wantNotes(gm1, gdoi.NoteStopped, 1)
	w.wantNotes(gm1, gdoi.NoteKeysExpired, 0)
}
