package keyserver

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// answerCall gives the first answer of a mute vault to a kind of call.
func (s *shell) answerCall(op machine.KeyOp, err error) {
	s.t.Helper()
	i := slices.IndexFunc(s.vault.asked, func(c machine.KeyCall) bool { return c.Op == op })
	if i < 0 {
		s.t.Fatalf("the custody is not asked for operation %d", op)
	}
	c := s.vault.asked[i]
	s.vault.asked = slices.Delete(s.vault.asked, i, i+1)
	var data []byte
	if err == nil {
		data, err = s.vault.do(c)
	}
	more, _ := s.g.KeyDone(s.now, machine.KeyDone{ID: c.ID, Data: data, Err: err}, nil)
	s.do(more)
}

// TestEncryptedOnce: a message under a KEK of the process that brings one of the custody, and that waits for its value twice, is
// encrypted once.
func TestEncryptedOnce(t *testing.T) {
	s := newShell(t, testConfig(t))
	if _, err := s.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	k := s.memberKey()
	cfg := testConfig(t)
	cfg.Custody = true
	s.vault = &vault{keys: map[string][]byte{}, mute: true}
	s.start(cfg)
	s.answerCall(machine.KeyGenerate, nil)
	s.answerCall(machine.KeyReveal, nil)      // it is built and signed
	s.answerCall(machine.KeyReveal, errVault) // not encrypted
	s.run(signRetry)
	s.do(s.g.CustodyState(s.now, machine.CustodyState{Problem: "gone"}, nil))
	s.do(s.g.CustodyState(s.now, machine.CustodyState{}, nil))
	if n := len(s.g.custody.windows[0].jobs); n != 2 {
		t.Fatalf("%d wait for the value; want the message twice", n)
	}
	s.answerCall(machine.KeyReveal, nil)
	m := s.opened(k, 0)
	if m == nil || m.Offer == nil || m.Offer.KEK == nil || m.Offer.KEK.SPI != s.g.keks[len(s.g.keks)-1].spi {
		t.Errorf("the member reads %+v; want the new KEK", m)
	}
}

// TestEndedJobsAreForgotten: those whose time is over do not add up while a value is being told; all others are done.
func TestEndedJobsAreForgotten(t *testing.T) {
	p := newVaults(t)[0]
	p.vault.mute = true
	ran := 0
	job := func(_ machine.Now, err error, out machine.Effects) machine.Effects {
		if err != nil {
			t.Error(err)
		}
		ran++
		return out
	}
	for i := range 10 * minSweep {
		p.do(p.g.WithKEK(p.now, job, func() bool { return i%10 > 0 }, nil))
		p.do(p.g.WithKEK(p.now, job, nil, nil))
	}
	waiting := len(p.g.custody.windows[0].jobs)
	if p.speak(); ran != waiting || ran < 11*minSweep {
		t.Errorf("%d of %d ran", ran, waiting)
	}
	p.vault.mute, ran = true, 0
	for range 100 * minSweep {
		p.do(p.g.WithKEK(p.now, job, func() bool { return true }, nil))
	}
	if n := len(p.g.custody.windows[0].jobs); n > minSweep {
		t.Errorf("%d jobs wait, all of which have ended", n)
	}
}

// TestExcludeSaysWhatIsSo: a member that cannot be excluded yet was not removed.
func TestExcludeSaysWhatIsSo(t *testing.T) {
	p := newVaults(t)[0]
	for i := range byte(2) {
		if _, err := p.register(testPeer(i+1), 1); err != nil {
			t.Fatal(err)
		}
	}
	p.vault.mute = true
	p.do(p.g.Exclude(p.now, []Peer{testPeer(1)}, nil))
	p.do(p.g.Exclude(p.now, []Peer{testPeer(1)}, nil))
	if p.notes(gdoi.NoteGMRemoved) != 0 || p.notes(gdoi.NoteGMRemovalWaits) != 1 || p.g.Excluding() != 1 {
		t.Errorf("%d members wait, %d notes say removed", p.g.Excluding(), p.notes(gdoi.NoteGMRemoved))
	}
	if text := strings.Join(p.g.Snapshot(p.now).Problems, "\n"); !strings.Contains(text, "1 members wait to be excluded") {
		t.Errorf("problems %q", text)
	}
	if to := p.g.destinations(p.g.keks[0]); len(to) != 1 || to[0] != testPeer(2).Addr {
		t.Errorf("rekeys go to %v", to)
	}
	p.speak()
	if p.notes(gdoi.NoteGMRemoved) != 1 || p.g.Excluding() != 0 || p.g.members.len() != 1 || len(p.g.Snapshot(p.now).Problems) > 0 {
		t.Errorf("%d notes say removed, %d members, problems %v", p.notes(gdoi.NoteGMRemoved), p.g.members.len(), p.g.Snapshot(p.now).Problems)
	}
}

// TestNoDowngrade: a group that has gone over to a custody, one key server after the other, takes no KEK in clear any more.
func TestNoDowngrade(t *testing.T) {
	p := newServers(t, 0, nil)[0]
	s := newVaults(t)[1]
	tick := func() {
		p.run(time.Minute)
		s.run(time.Minute)
	}
	s.follow(p) // not gone over yet
	tick()
	p.rekeyNow(true)
	s.follow(p)
	if n := len(s.g.keks); n != 2 {
		t.Fatalf("%d KEKs; want both of the primary without a custody", n)
	}
	plain, inVault := p.g.cfg, p.g.cfg
	inVault.Custody, inVault.Transport = true, []byte{1}
	p.vault = &vault{id: 1, keys: map[string][]byte{}}
	p.shell.start(inVault)
	p.do(p.g.TrustTransport(p.now, 2, []byte{2}, nil))
	p.do(p.g.TakeOver(p.now, 2, nil))
	s.has = 0
	s.follow(p)
	if k := s.g.keks[len(s.g.keks)-1]; k.name == "" || s.g.Unusable() != "" {
		t.Fatalf("the newest KEK is %q: %s", k.name, s.g.Unusable())
	}
	tick()
	p.shell.start(plain)
	p.do(p.g.TakeOver(p.now, 3, nil))
	clear := p.g.keks[len(p.g.keks)-1]
	if clear.name != "" {
		t.Fatal("the primary without a custody has no KEK in clear")
	}
	out, _, err := s.g.Apply(s.now, 0, p.g.Since(p.now, 0), true, nil)
	if err == nil || !strings.Contains(err.Error(), "in clear") || len(out) > 0 || s.g.kekWith(clear.spi) != nil {
		t.Errorf("a KEK in clear is taken into a group with a custody: %v", err)
	}
}
