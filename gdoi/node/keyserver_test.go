package node

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/policy"
)

func TestRegistration(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{}, blue(t))
	a, b := w.member(gm1, rightPSK), w.member(gm2, rightPSK)
	w.run(time.Minute)
	w.wantNotes(ksAddr, gdoi.NoteGMRegistered, 2)
	s := ks.Snapshot(w.now)
	if len(s.Groups[0].Members) != 2 || s.Sessions != 2 || s.HalfOpen != 0 {
		t.Errorf("%d members, %d sessions, %d half-open; want 2, 2, 0", len(s.Groups[0].Members), s.Sessions, s.HalfOpen)
	}
	ga, gb := a.Snapshot(w.now).Groups[0], b.Snapshot(w.now).Groups[0]
	if ga.State != member.Registered || ga.Sending == 0 || ga.Sending != gb.Sending {
		t.Errorf("gm1 is %v and sends with %v, gm2 with %v", ga.State, ga.Sending, gb.Sending)
	}
	if ga.SIDs[0] == gb.SIDs[0] {
		t.Errorf("both have sender id %d", ga.SIDs[0])
	}
	if got, want := ga.Policy.String(), blue(t).Policy.String(); got != want {
		t.Errorf("policy %q; want %q", got, want)
	}
}

func TestDropsAreCountedByReason(t *testing.T) {
	header := func(x isakmp.ExchangeType, r byte) []byte {
		h := isakmp.Header{InitiatorCookie: isakmp.Cookie{1}, ResponderCookie: isakmp.Cookie{r}, Version: isakmp.Version10, Exchange: x, MessageID: 7}
		return isakmp.Message(h)
	}
	short := []byte{1, 2, 3}
	long := header(isakmp.ExchangeMainMode, 9)
	long = append(long, make([]byte, 100)...)
	lying := bytes.Clone(header(isakmp.ExchangeMainMode, 9))
	binary.BigEndian.PutUint32(lying[24:], 5000)
	for _, c := range []struct {
		name, reason string
		b            []byte
	}{
		{"empty", gdoi.DropTooShort, nil},
		{"three octets", gdoi.DropTooShort, short},
		{"beyond the limit", gdoi.DropTooLong, long},
		{"header lies about the length", gdoi.DropMalformed, lying},
		{"Main Mode of no session", gdoi.DropUnknownCookies, header(isakmp.ExchangeMainMode, 9)},
		{"Informational of no session", gdoi.DropUnknownCookies, header(isakmp.ExchangeInformational, 9)},
		{"Informational without responder cookie", gdoi.DropUnknownCookies, header(isakmp.ExchangeInformational, 0)},
		{"PULL of no session", gdoi.DropUnknownCookies, header(isakmp.ExchangeGroupkeyPull, 9)},
		{"PUSH to a key server", gdoi.DropNotForUs, header(isakmp.ExchangeGroupkeyPush, 9)},
		{"aggressive mode", gdoi.DropUnknownExch, header(4, 9)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			ks := w.keyServer(Limits{Datagram: 100}, blue(t))
			w.run(time.Second)
			before := len(w.log)
			w.step(ksAddr, machine.Datagram{Local: ksAddr, Remote: outsider, Bytes: c.b})
			s := ks.Snapshot(w.now)
			if len(s.Drops) != 1 || s.Drops[0] != (Drop{c.reason, 1}) {
				t.Errorf("drops %v; want one %s", s.Drops, c.reason)
			}
			if len(w.log) != before || s.Sessions+s.HalfOpen != 0 {
				t.Error("it was answered, or left a session behind")
			}
		})
	}
}

func TestStrangers(t *testing.T) {
	t.Run("wrong key", func(t *testing.T) {
		w := newWorld(t)
		ks := w.keyServer(Limits{}, blue(t))
		gm := w.member(gm1, wrongPSK)
		w.run(40 * time.Second)
		if w.notes(ksAddr, gdoi.NoteAuthFailed) == 0 || w.notes(gm1, gdoi.NoteAuthFailed) == 0 {
			t.Error("auth-failed is missing in a journal")
		}
		if s := ks.Snapshot(w.now); len(s.Groups[0].Members) != 0 || s.Sessions != 0 {
			t.Error("the stranger got in")
		}
		if s := gm.Snapshot(w.now).Groups[0]; s.AuthFailure == "" || s.State.HoldsKeys() {
			t.Errorf("the member says %q, state %v", s.AuthFailure, s.State)
		}
	})
	t.Run("not authorised", func(t *testing.T) {
		w := newWorld(t)
		c := blue(t)
		c.Authorise = policy.Authorisation{{Prefix: netip.MustParsePrefix("10.1.0.1/32")}}
		ks := w.keyServer(Limits{}, c)
		w.member(gm1, rightPSK)
		gm := w.member(gm2, rightPSK)
		w.run(10 * time.Second)
		if w.notes(ksAddr, gdoi.NoteNotAuthorised) == 0 {
			t.Error("not-authorised is missing in the journal")
		}
		if m := ks.Snapshot(w.now).Groups[0].Members; len(m) != 1 || m[0].Addr != gm1 {
			t.Errorf("members %v; want gm1 alone", m)
		}
		if s := gm.Snapshot(w.now).Groups[0]; s.AuthFailure == "" || s.State.HoldsKeys() {
			t.Errorf("the member says %q, state %v", s.AuthFailure, s.State)
		}
	})
	t.Run("unknown group", func(t *testing.T) {
		w := newWorld(t)
		w.keyServer(Limits{}, blue(t))
		gm := w.member(gm1, rightPSK, member.Config{Name: "red", ID: "red", KeyServers: []netip.AddrPort{ksAddr}})
		w.run(10 * time.Second)
		if s := gm.Snapshot(w.now).Groups[0]; s.AuthFailure == "" || s.State.HoldsKeys() {
			t.Errorf("the member says %q, state %v", s.AuthFailure, s.State)
		}
	})
}

// TestReplayChangesNothing sends everything that both sides ever sent once more, to both.
func TestReplayChangesNothing(t *testing.T) {
	w := newWorld(t)
	c := blue(t)
	c.TEKLifetime = 10 * time.Minute
	ks := w.keyServer(Limits{}, c)
	gm := w.member(gm1, rightPSK)
	w.run(9 * time.Minute)
	before, mine := ks.Snapshot(w.now).Groups[0], gm.Snapshot(w.now).Groups[0]
	for _, d := range slices.Clone(w.log) {
		w.step(d.Local, d)
	}
	w.queue = nil
	after, mineAfter := ks.Snapshot(w.now).Groups[0], gm.Snapshot(w.now).Groups[0]
	if after.SIDsUsed != before.SIDsUsed || after.Registrations != before.Registrations || after.KEKs[0].Seq != before.KEKs[0].Seq {
		t.Errorf("key server: %+v became %+v", before, after)
	}
	if fmt.Sprint(mineAfter) != fmt.Sprint(mine) {
		t.Errorf("member: %+v became %+v", mine, mineAfter)
	}
	if mine.RekeysReceived != 1 || drops(gm.Snapshot(w.now).Drops, "duplicate") == 0 {
		t.Error("the rekey was not received, or not recognised again")
	}
	w.run(time.Hour)
	if s := gm.Snapshot(w.now).Groups[0]; s.State != member.Registered {
		t.Errorf("afterwards the member is %v", s.State)
	}
}

// TestFlood: first messages from everywhere fill the table; a member still registers.
func TestFlood(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{HalfOpen: 50, HalfOpenPerSource: 3}, blue(t))
	w.member(gm2, rightPSK)
	w.run(time.Second)
	first := w.log[0].Bytes // gm2's message 1
	from := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}), 848)
	}
	for i := range 10 {
		b := bytes.Clone(first)
		binary.BigEndian.PutUint32(b, uint32(1000+i))
		w.step(ksAddr, machine.Datagram{Local: ksAddr, Remote: outsider, Bytes: b})
	}
	for i := range 500 {
		b := bytes.Clone(first)
		binary.BigEndian.PutUint32(b, uint32(i))
		w.step(ksAddr, machine.Datagram{Local: ksAddr, Remote: from(i), Bytes: b})
	}
	w.queue = nil
	s := ks.Snapshot(w.now)
	if s.HalfOpen > 50 {
		t.Errorf("%d half-open sessions; the limit is 50", s.HalfOpen)
	}
	if drops(s.Drops, gdoi.DropSourceLimit) != 7 || drops(s.Drops, gdoi.DropHalfOpenLimit) == 0 {
		t.Errorf("drops: %v", s.Drops)
	}
	gm := w.member(gm1, rightPSK)
	w.run(time.Second)
	if st := gm.Snapshot(w.now).Groups[0].State; st != member.Registered {
		t.Errorf("during the flood a member is %v", st)
	}
	w.run(2 * time.Minute)
	if s := ks.Snapshot(w.now); s.HalfOpen != 0 || s.Sessions != 2 {
		t.Errorf("afterwards %d half-open, %d sessions; want 0, 2", s.HalfOpen, s.Sessions)
	}
}

func TestRestartedMemberReplacesItsSession(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{}, blue(t))
	for i := range 5 {
		w.member(gm1, rightPSK)
		w.run(time.Minute)
		s := ks.Snapshot(w.now)
		if s.Sessions != 1 || len(s.Groups[0].Members) != 1 {
			t.Fatalf("start %d: %d sessions, %d members; want 1, 1", i, s.Sessions, len(s.Groups[0].Members))
		}
		if n := s.Groups[0].Members[0].Registrations; n != uint64(i+1) {
			t.Errorf("start %d: %d registrations", i, n)
		}
	}
}

func TestGroupsShareASession(t *testing.T) {
	w := newWorld(t)
	red := blue(t)
	red.Name, red.ID = "red", "red"
	ks := w.keyServer(Limits{}, blue(t), red)
	gm := w.member(gm1, rightPSK,
		member.Config{Name: "blue", ID: blueID, KeyServers: []netip.AddrPort{ksAddr}},
		member.Config{Name: "red", ID: "red", KeyServers: []netip.AddrPort{ksAddr}})
	w.run(3 * time.Hour)
	if s := ks.Snapshot(w.now); s.Sessions != 1 || len(s.Groups[0].Members) != 1 || len(s.Groups[1].Members) != 1 {
		t.Errorf("%d sessions; want 1, and a member in each group", s.Sessions)
	}
	for _, g := range gm.Snapshot(w.now).Groups {
		if g.State != member.Registered || g.RekeysReceived != 3 {
			t.Errorf("group %s is %v after %d rekeys; want registered, 3", g.Name, g.State, g.RekeysReceived)
		}
	}
}

func TestCommands(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{}, blue(t))
	w.member(gm1, rightPSK)
	w.run(time.Minute)
	for _, c := range []struct {
		name string
		to   netip.AddrPort
		ev   machine.Event
		ok   bool
	}{
		{"rekey", ksAddr, gdoi.CmdRekey{Group: "blue", ID: 1}, true},
		{"rekey KEK", ksAddr, gdoi.CmdRekey{Group: "blue", KEK: true, ID: 2}, true},
		{"rekey of no group", ksAddr, gdoi.CmdRekey{Group: "green", ID: 3}, false},
		{"clear", ksAddr, gdoi.CmdClearMember{Group: "blue", Member: "10.1.0.1", ID: 4}, true},
		{"clear nobody", ksAddr, gdoi.CmdClearMember{Group: "blue", Member: "10.1.0.9", ID: 5}, false},
		{"reregister at a key server", ksAddr, gdoi.CmdReregister{Group: "blue", ID: 6}, false},
		{"reregister", gm1, gdoi.CmdReregister{Group: "blue", ID: 7}, true},
		{"rekey at a member", gm1, gdoi.CmdRekey{Group: "blue", ID: 8}, false},
		{"stop a member", gm1, gdoi.CmdStop{ID: 9}, true},
		{"stop", ksAddr, gdoi.CmdStop{ID: 10}, true},
	} {
		w.effects = map[netip.AddrPort]machine.Effects{}
		w.step(c.to, c.ev)
		w.drain()
		n := 0
		for _, e := range w.effects[c.to] {
			if r, ok := e.(gdoi.CommandResult); ok {
				n++
				if (r.Err == "") != c.ok || r.ID == 0 {
					t.Errorf("%s: %+v; want success %v", c.name, r, c.ok)
				}
			}
		}
		if n != 1 {
			t.Errorf("%s: %d answers", c.name, n)
		}
		if c.name == "clear" && len(ks.Snapshot(w.now).Groups[0].Members) != 0 {
			w.run(time.Second)
			if len(ks.Snapshot(w.now).Groups[0].Members) != 1 {
				t.Error("a cleared member did not come back")
			}
		}
	}
	if _, ok := w.nodes[ksAddr].Deadline(); ok {
		t.Error("a stopped node has a deadline")
	}
}

func TestStopRetiresKeys(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{}, blue(t))
	w.member(gm1, rightPSK)
	w.run(time.Minute)
	w.effects = map[netip.AddrPort]machine.Effects{}
	w.step(gm1, gdoi.CmdStop{ID: 1})
	w.drain()
	retired, closed := 0, false
	for _, e := range w.effects[gm1] {
		switch e := e.(type) {
		case gdoi.RetireSA:
			retired++
		case gdoi.SetPolicy:
			closed = !e.Registered
		}
	}
	if retired != 1 || !closed {
		t.Errorf("%d keys retired, fail closed %v; want 1, true", retired, closed)
	}
	if s := ks.Snapshot(w.now); s.Sessions != 0 {
		t.Error("the key server still has the session")
	}
}

// TestRestartKeepsKeys compares what a key server says before and after.
func TestRestartKeepsKeys(t *testing.T) {
	w := newWorld(t)
	ks := w.keyServer(Limits{}, blue(t))
	gm := w.member(gm1, rightPSK)
	w.run(59 * time.Minute)
	before := ks.Snapshot(w.now).Groups[0]
	ks = w.keyServer(Limits{}, blue(t))
	w.run(time.Second)
	after := ks.Snapshot(w.now).Groups[0]
	if after.TEKs[0].SPI != before.TEKs[0].SPI || after.KEKs[0].SPI != before.KEKs[0].SPI || len(after.Members) != 1 || after.SIDsUsed != before.SIDsUsed {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if after.KEKs[0].Seq != before.KEKs[0].Seq+1 {
		t.Errorf("SEQ went from %d to %d; want one more, for the announcement", before.KEKs[0].Seq, after.KEKs[0].Seq)
	}
	w.run(5 * time.Hour)
	if s := gm.Snapshot(w.now).Groups[0]; s.State != member.Registered || s.Registrations != 1 {
		t.Errorf("the member is %v after %d registrations; want registered by one", s.State, s.Registrations)
	}
}
