package sim

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
)

// TestSecondKeyServerTakesOver: the first of two key servers dies for good. Each member finds that out by itself, registers
// with the second before its keys end, and never comes to be without keys. That the two hand out different keys is not what
// is tested here: they do not cooperate yet.
func TestSecondKeyServerTakesOver(t *testing.T) {
	s := New(Config{Seed: 31, Members: 50, Spares: 1, Group: quick, Network: wan, DPD: 10 * time.Second, StartSpread: 2 * time.Second})
	s.Run(5 * time.Minute)
	wantAll(t, s)
	for _, m := range s.Members() {
		if with := m.Member().Snapshot(s.clock()).Groups[0].RegisteredWith; with != s.KS().Addr {
			t.Errorf("%s is registered with %v", m.Name, with)
		}
	}
	died := s.Now()
	s.KS().Crash()
	moved := func() (n int) {
		for _, m := range s.Members() {
			if m.Member().Snapshot(s.clock()).Groups[0].RegisteredWith == s.Spare(1).Addr {
				n++
			}
		}
		return n
	}
	for moved() < len(s.Members()) && s.Now() < died+10*time.Minute {
		s.Run(s.Now() + time.Second)
	}
	took := s.Now() - died
	t.Logf("all %d members have moved after %v", moved(), took)
	// A TEK lives for a minute, and a member notices the missing rekey three activation delays before its end.
	if took > quick.TEKLifetime {
		t.Errorf("%d members have moved after %v; want all within a TEK's life", moved(), took)
	}
	s.Run(s.Now() + 5*time.Minute)
	wantAll(t, s)
	if n := s.Stats().Notes[gdoi.NoteKeysExpired]; n != 0 {
		t.Errorf("%d times a member was without keys", n)
	}
	if n := len(s.Spare(1).KeyServer().Snapshot(s.clock()).Groups[0].Members); n != len(s.Members()) {
		t.Errorf("the second key server has %d members", n)
	}

	// The first one is back: registrations that grow old return to it.
	s.KS().Start()
	s.Run(s.Now() + 2*quick.KEKLifetime)
	for _, m := range s.Members() {
		if with := m.Member().Snapshot(s.clock()).Groups[0].RegisteredWith; with != s.KS().Addr {
			t.Errorf("%s has not returned; it is registered with %v", m.Name, with)
		}
	}
}

// TestMembersSpread over three key servers.
func TestMembersSpread(t *testing.T) {
	s := New(Config{Seed: 32, Members: 300, Spares: 2, Spread: true, Group: keyserver.Config{}, Network: clean, StartSpread: 10 * time.Second})
	s.Run(time.Minute)
	for _, ks := range []*Node{s.KS(), s.Spare(1), s.Spare(2)} {
		if n := len(ks.KeyServer().Snapshot(s.clock()).Groups[0].Members); n < 75 || n > 125 {
			t.Errorf("%s has %d of 300 members; want about a third", ks.Name, n)
		}
	}
}
