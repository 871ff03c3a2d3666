package keyserver

import (
	"bytes"
	"encoding/base64"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// wantNoValue: no record that one key server would send to another has the KEK.
func wantNoValue(t *testing.T, s *server) {
	t.Helper()
	text := []byte(base64.StdEncoding.EncodeToString(s.value()))
	for _, r := range s.g.Since(s.now, 0) {
		if bytes.Contains(r.Value, text) || bytes.Contains(r.Value, s.value()) {
			t.Errorf("record %s of key server %d has the KEK: %s", r.Key, s.id, r.Value)
		}
	}
}

// TestKEKMoves: a copy of the KEK comes with its record, and whoever takes over encrypts with it, under the same SPI.
func TestKEKMoves(t *testing.T) {
	all := newVaults(t)
	p, s := all[0], all[1]
	if _, err := p.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	s.follow(p)
	if why := s.g.Unusable(); why != "" || !bytes.Equal(s.value(), p.value()) || len(p.value()) == 0 {
		t.Fatalf("the second has %x, the first %x: %s", s.value(), p.value(), why)
	}
	wantNoValue(t, p)
	wantNoValue(t, s)
	spi, from := s.g.keks[0].spi, len(s.out)
	s.do(s.g.TakeOver(s.now, 2, nil))
	if len(s.sends(from)) == 0 || len(s.g.keks) != 1 || s.g.keks[0].spi != spi || s.notes(gdoi.NoteKEKLost) > 0 {
		t.Errorf("it sends %d rekeys, and has the KEKs %v; want one, and %v", len(s.sends(from)), s.g.keks, spi)
	}
	// The third is told when its transport key is known.
	third := all[2]
	third.has = 0
	s.do(s.g.TrustTransport(s.now, 3, []byte{3}, nil))
	third.follow(s)
	if why := third.g.Unusable(); why != "" || !bytes.Equal(third.value(), s.value()) {
		t.Errorf("the third has %x: %s", third.value(), why)
	}
	// A new KEK was wrapped before it is one.
	s.do(s.g.rekey(s.now, rekeying{kek: true}, nil))
	k := s.g.keks[len(s.g.keks)-1]
	for id := coop.ID(1); id <= 3; id++ {
		if got, want := k.wrappedFor(id, []byte{byte(id)}), id != 2; got != want {
			t.Errorf("the new KEK is wrapped for %d: %v", id, got)
		}
	}
}

// TestKEKOnItsWay: nothing is asked of a custody that is still unwrapping the KEK, and nothing is forgotten.
func TestKEKOnItsWay(t *testing.T) {
	all := newVaults(t)
	p, s := all[0], all[1]
	if _, err := p.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	s.vault.mute = true
	s.follow(p)
	from := len(s.out)
	s.do(s.g.TakeOver(s.now, 2, nil))
	name := s.g.keks[0].name
	if got := s.vault.waiting(machine.KeyUnwrap); len(got) != 1 || got[0] != name || len(s.vault.waiting(machine.KeyEncrypt)) > 0 || len(s.sends(from)) > 0 {
		t.Fatalf("asked for %v; want one key to be unwrapped", s.vault.asked)
	}
	s.speak()
	if len(s.sends(from)) == 0 {
		t.Error("the rekey that waited for its KEK is not sent")
	}
	// Retired while it is being unwrapped again: first one, then the other.
	s.vault.mute = true
	s.do(s.g.fetch(s.now, s.g.keks[0], nil))
	s.do(s.g.rekey(s.now, rekeying{kek: true}, nil))
	s.speak()
	if _, ok := s.vault.keys[name]; !ok {
		t.Fatal("the KEK has gone before its end")
	}
	s.run(4*s.g.cfg.ActivationDelay - time.Second)
	s.vault.mute = true
	s.do(s.g.fetch(s.now, s.g.keks[0], nil))
	s.run(3 * time.Second)
	if s.notes(gdoi.NoteKEKRetired) != 1 {
		t.Fatal("the KEK has not ended")
	}
	if got := s.vault.waiting(machine.KeyDestroy); len(got) > 0 {
		t.Errorf("%v are to be destroyed while one is being unwrapped", got)
	}
	s.speak()
	s.run(time.Minute)
	if _, ok := s.vault.keys[name]; ok {
		t.Error("the KEK has ended, and the custody has it still")
	}
}

// TestMissingKEK: without a copy for its custody a key server is of no use, and says so; as primary it has lost the KEK.
func TestMissingKEK(t *testing.T) {
	all := newVaults(t)
	p, third := all[0], all[2]
	if _, err := p.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	third.follow(p)
	if third.g.Unusable() == "" {
		t.Error("a key server without the KEK says that it can use it")
	}
	teks := third.g.teks[0].spi
	third.do(third.g.TakeOver(third.now, 2, nil))
	if third.notes(gdoi.NoteKEKLost) != 1 || len(third.g.keks) != 1 || len(third.value()) == 0 || third.g.Unusable() != "" {
		t.Errorf("as primary: %d lost, %d KEKs, %q; want a new one", third.notes(gdoi.NoteKEKLost), len(third.g.keks), third.g.Unusable())
	}
	if third.g.teks[0].spi != teks {
		t.Error("the TEKs have gone with the KEK")
	}

	// A copy for the token that was there before is none.
	s := all[1]
	cfg := s.g.cfg
	cfg.SIDFirst, cfg.SIDCount = cfg.space.first, cfg.space.count
	cfg.Transport = []byte("another token")
	s.vault.id, s.vault.keys = cfg.Transport[0], map[string][]byte{}
	s.shell.start(cfg)
	s.has = 0
	s.follow(p)
	if s.g.Unusable() == "" {
		t.Error("a copy for another token is taken for one")
	}
	p.do(p.g.TrustTransport(p.now, 2, cfg.Transport, nil))
	s.follow(p)
	if why := s.g.Unusable(); why != "" || !bytes.Equal(s.value(), p.value()) {
		t.Errorf("wrapped anew, it has %x: %s", s.value(), why)
	}
}

// TestKEKThatCannotBeUnwrapped: a primary gives it up after some attempts, but not while the custody is gone.
func TestKEKThatCannotBeUnwrapped(t *testing.T) {
	all := newVaults(t)
	p, s := all[0], all[1]
	if _, err := p.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	s.vault.fails[machine.KeyUnwrap] = errVault
	s.follow(p)
	if s.g.Unusable() == "" {
		t.Error("a KEK that is not unwrapped is usable")
	}
	s.do(s.g.CustodyState(s.now, machine.CustodyState{Problem: "pulled out"}, nil))
	s.do(s.g.TakeOver(s.now, 2, nil))
	s.run(5 * time.Minute)
	if s.notes(gdoi.NoteKEKLost) > 0 {
		t.Error("it gives the KEK up because its token is away")
	}
	s.do(s.g.CustodyState(s.now, machine.CustodyState{}, nil))
	s.run(5 * time.Minute)
	if s.notes(gdoi.NoteKEKLost) != 1 || len(s.value()) == 0 {
		t.Errorf("%d KEKs lost, and the new one is %x", s.notes(gdoi.NoteKEKLost), s.value())
	}
}

// TestCopiesOfStrangers: what a record may have for custodies is bounded.
func TestCopiesOfStrangers(t *testing.T) {
	good := bytes.Repeat([]byte{1}, 40)
	for _, c := range []struct {
		name string
		all  map[coop.ID][]byte
		want bool
	}{
		{"none", nil, true},
		{"one", map[coop.ID][]byte{1: good}, true},
		{"for nobody", map[coop.ID][]byte{0: good}, false},
		{"for a ninth", map[coop.ID][]byte{9: good}, false},
		{"too short", map[coop.ID][]byte{1: good[:markLen]}, false},
		{"too long", map[coop.ID][]byte{1: make([]byte, maxCopy+1)}, false},
	} {
		if got := validCopies(c.all); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
