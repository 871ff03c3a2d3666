package keyserver

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/push"
)

func (s *shell) mustRegister(p Peer) {
	s.t.Helper()
	if _, err := s.register(p, 1); err != nil {
		s.t.Fatal(err)
	}
}

// TestMemberThatLeft: marked, without rekeys, also after a restart, until it registers again.
func TestMemberThatLeft(t *testing.T) {
	s := newShell(t, testConfig(t))
	a, b := testPeer(1), testPeer(2)
	s.mustRegister(a)
	s.mustRegister(b)
	rekeyed := func() string {
		mark := len(s.out)
		_, out, err := s.g.Rekey(s.now, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.do(out)
		to := ""
		for _, d := range s.sends(mark) {
			to += d.Remote.Addr().String() + " "
		}
		s.run(4*DefaultActivationDelay + time.Second)
		return to
	}
	want := func(when, rekeys, left string) {
		t.Helper()
		if got := rekeyed(); got != rekeys {
			t.Errorf("%s: rekeys go to %q; want %q", when, got, rekeys)
		}
		got := ""
		for _, m := range s.g.Snapshot(s.now).Members {
			if m.Left {
				got += m.Identity + " "
			}
		}
		if got != left {
			t.Errorf("%s: %q have left; want %q", when, got, left)
		}
	}
	none := push.DeleteKEK(gdoi.KEKSPI{1})
	kek := push.DeleteKEK(s.g.keks[0].spi)
	impostor, elsewhere := a, a
	impostor.Identity = "10.1.0.9"
	elsewhere.Addr = netip.MustParseAddrPort("10.1.0.1:849")
	s.do(s.g.Leaves(s.now, a, &none, nil))
	s.do(s.g.Leaves(s.now, impostor, &kek, nil))
	s.do(s.g.Leaves(s.now, elsewhere, &kek, nil))
	want("another KEK, identity, port", "10.1.0.1 10.1.0.2 ", "")
	s.do(s.g.Leaves(s.now, a, &kek, nil))
	s.do(s.g.Leaves(s.now, a, &kek, nil))
	if n := s.notes(gdoi.NoteGMLeft); n != 1 {
		t.Errorf("%d events; want 1", n)
	}
	want("it left", "10.1.0.2 ", "10.1.0.1 ")
	s.start(testConfig(t))
	want("the key server was restarted", "10.1.0.2 ", "10.1.0.1 ")
	s.do(s.g.Leaves(s.now, b, &kek, nil))
	want("all left", "", "10.1.0.1 10.1.0.2 ")
	s.mustRegister(a)
	want("it came back", "10.1.0.1 ", "10.1.0.2 ")
	s.run(26 * time.Hour)
	if n := s.g.members.len(); n != 0 {
		t.Errorf("%d members who never came back are still on the list", n)
	}
}

// TestMemberLeavesDuringARekey: the rest of the repetitions do not go to it.
func TestMemberLeavesDuringARekey(t *testing.T) {
	s := newShell(t, testConfig(t))
	s.mustRegister(testPeer(1))
	_, out, _ := s.g.Rekey(s.now, false, nil)
	s.do(out)
	mark := len(s.out)
	kek := push.DeleteKEK(s.g.keks[0].spi)
	s.do(s.g.Leaves(s.now, testPeer(1), &kek, nil))
	s.run(DefaultActivationDelay)
	if n := len(s.sends(mark)); n != 0 {
		t.Errorf("%d repetitions go to a member that has left", n)
	}
}

// TestMembersOfOneAddress: names and ports are free, places on the list are not.
func TestMembersOfOneAddress(t *testing.T) {
	s := newShell(t, testConfig(t))
	s.mustRegister(testPeer(2))
	s.mustRegister(testPeer(10))
	p := testPeer(1)
	for i := range 15 {
		p.Identity = fmt.Sprintf("name%02d", 15-i)
		p.Addr = netip.AddrPortFrom(p.Addr.Addr(), uint16(1000+i))
		s.mustRegister(p)
		s.run(time.Second)
	}
	got := ""
	for _, m := range s.g.Snapshot(s.now).Members {
		got += m.Identity + " "
	}
	if want := "name01 name02 name03 name04 10.1.0.10 10.1.0.2 "; got != want {
		t.Errorf("members %q; want the last four of the address, and the others: %q", got, want)
	}
	if len(s.g.members.byAddr) != 6 || s.records() != 2+2+6 {
		t.Errorf("%d addresses, %d records; want 6, and 10", len(s.g.members.byAddr), s.records())
	}
	kek := push.DeleteKEK(s.g.keks[0].spi)
	p.Identity, p.Addr = "name02", netip.AddrPortFrom(p.Addr.Addr(), 1013)
	s.do(s.g.Leaves(s.now, p, &kek, nil))
	p.Identity = "newcomer"
	p.Addr = netip.AddrPortFrom(p.Addr.Addr(), 2000)
	s.mustRegister(p)
	if s.g.members.find("name02") != nil || s.g.members.find("name04") == nil {
		t.Error("a newcomer took the place of a member, and not of the one that had left")
	}
}

// TestRegistrationsArePaced: one address, whatever it calls itself; many addresses at once are not limited.
func TestRegistrationsArePaced(t *testing.T) {
	s := newShell(t, testConfig(t))
	p := testPeer(1)
	granted := 0
	try := func(n int) {
		for i := range n {
			p.Identity = fmt.Sprint("name", i)
			switch _, err := s.register(p, 1); {
			case err == nil:
				granted++
			case !errors.Is(err, ErrTooOften):
				t.Fatal(err)
			}
		}
	}
	if try(100); granted != registerBurst {
		t.Errorf("%d registrations at once; want %d", granted, registerBurst)
	}
	used := s.g.sidNext
	if try(100); s.g.sidNext != used {
		t.Error("refused registrations use up sender ids")
	}
	s.run(10 * registerEvery)
	if try(100); granted != registerBurst+10 {
		t.Errorf("%d registrations; want ten more", granted)
	}
	for i := range 5000 {
		p := testPeer(1)
		p.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}), 848)
		s.mustRegister(p)
	}
	s.run(24 * time.Hour)
	for i := range 10 {
		s.mustRegister(testPeer(byte(i)))
	}
	s.g.pacing.sweepAt = 0
	s.mustRegister(testPeer(200))
	if n := len(s.g.pacing.of); n != 11 {
		t.Errorf("%d addresses are remembered after a day; want 11", n)
	}
}

// TestRegistrationsOfASite: who has a /64 to itself speaks from one address after the other, and gets the sender ids of 16 at
// most; another site does not notice.
func TestRegistrationsOfASite(t *testing.T) {
	c := testConfig(t)
	c.Authorise = append(c.Authorise, policy.AuthRule{Prefix: netip.MustParsePrefix("2001:db8::/32")})
	s := newShell(t, c)
	try := func(site, n int) (granted int) {
		for i := range n {
			a := netip.MustParseAddr("2001:db8::").As16()
			a[7], a[14], a[15] = byte(site), byte(i>>8), byte(i)
			p := Peer{Addr: netip.AddrPortFrom(netip.AddrFrom16(a), 848), IDType: 5, Identity: netip.AddrFrom16(a).String(), GetVPN: true}
			if _, err := s.register(p, 1); err == nil {
				granted++
			} else if !errors.Is(err, ErrTooOften) {
				t.Fatal(err)
			}
		}
		return granted
	}
	if n := try(1, 1000); n != siteShare*registerBurst {
		t.Errorf("%d registrations of one site at once; want %d", n, siteShare*registerBurst)
	}
	if n := try(2, 100); n != 100 {
		t.Errorf("%d registrations of 100 gateways of another site", n)
	}
	s.run(registerEvery)
	if n := try(1, 1000); n != siteShare {
		t.Errorf("%d registrations of one site after %v; want %d", n, registerEvery, siteShare)
	}
}

// TestSenderIDsForOne is the most that one registration gets.
func TestSenderIDsForOne(t *testing.T) {
	for _, c := range []struct {
		bits  int
		count uint64
		asked int
		want  int
	}{
		{8, 0, 256, 4}, {8, 0, 3, 3}, {8, 10, 256, 1}, {8, 1, 256, 1}, {12, 0, 65535, 64}, {16, 0, 65535, 256}, {24, 0, 65535, 256}, {24, 0, 0, 1},
	} {
		cfg := testConfig(t)
		cfg.SIDBits, cfg.SIDCount = c.bits, c.count
		s := newShell(t, cfg)
		sids, err := s.register(testPeer(1), c.asked)
		if err != nil || len(sids) != c.want {
			t.Errorf("%d of %d bits, %d asked: %d, %v; want %d", c.count, c.bits, c.asked, len(sids), err, c.want)
		}
	}
}

func TestStopWipesKeys(t *testing.T) {
	s := newShell(t, testConfig(t))
	s.mustRegister(testPeer(1))
	s.mute = true // a rekey waits for its signature, with a copy of the KEK
	_, out, _ := s.g.Rekey(s.now, true, nil)
	s.do(out)
	teks, keks, waiting := s.g.teks, s.g.keks, s.g.deliveries
	records := len(s.disk)
	if len(teks) != 2 || len(keks) != 2 || len(waiting) != 1 {
		t.Fatalf("%d TEKs, %d KEKs, %d deliveries; want 2, 2, 1", len(teks), len(keks), len(waiting))
	}
	copied := waiting[0].key
	s.g.Stop()
	for i := range 2 {
		if teks[i].key.Len()+keks[i].key.Len()+keks[i].iv.Len() != 0 {
			t.Errorf("keys %d are still there", i)
		}
	}
	if copied.Key.Len()+copied.IV.Len() != 0 {
		t.Error("the copy of the KEK for a rekey is still there")
	}
	if _, ok := s.g.Deadline(); ok {
		t.Error("a stopped group has a deadline")
	}
	if snap := s.g.Snapshot(s.now); len(snap.TEKs)+len(snap.KEKs)+len(snap.Members) != 0 {
		t.Error("a stopped group shows keys or members")
	}
	s.mute = false
	s.start(testConfig(t))
	if len(s.disk) != records || len(s.g.teks) != 2 || s.g.teks[1].spi != teks[1].spi || s.g.members.len() != 1 {
		t.Error("the next start does not go on from the records")
	}
}
