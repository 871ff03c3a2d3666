package keyserver

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// remove carries out the command.
func (s *shell) remove(who ...string) string {
	s.t.Helper()
	text, out, err := s.g.Remove(s.now, who, false, nil)
	s.do(out)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// told lists to whom which messages went, as "rekey text: addresses".
func (s *shell) told(from int) (out []string) {
	at := map[string]int{}
	var what string
	for _, e := range s.out[from:] {
		switch e := e.(type) {
		case machine.Note:
			if e.Name == gdoi.NoteRekeySent {
				what = e.Text[strings.LastIndex(e.Text, ": ")+2:]
			}
		case machine.Send:
			i, ok := at[string(e.Bytes)]
			if !ok {
				i = len(out)
				at[string(e.Bytes)] = i
				out = append(out, what+":")
			}
			if a := " " + e.Remote.Addr().String(); !strings.Contains(out[i]+" ", a+" ") {
				out[i] += a
			}
		}
	}
	return out
}

// TestRemoveAmongStrangers: members of other makes have no place in the key tree. They are told that their KEK has ended,
// and nothing that they cannot read; the others need not register again.
func TestRemoveAmongStrangers(t *testing.T) {
	s := newShell(t, testConfig(t))
	for i := byte(1); i <= 6; i++ {
		p := testPeer(i)
		p.GetVPN = i%2 == 0
		s.mustRegister(p)
	}
	mark := len(s.out)
	if text := s.remove("10.1.0.4"); !strings.Contains(text, "2 members derive it, 3 must register again") {
		t.Errorf("the command says %q", text)
	}
	s.run(20 * time.Second)
	got := s.told(mark)
	if len(got) != 3 || !strings.HasPrefix(got[0], "a new KEK by ") || !strings.HasSuffix(got[0], "update arrays: 10.1.0.2 10.1.0.6") ||
		got[1] != "withdraws the KEK: 10.1.0.1 10.1.0.3 10.1.0.5" || !strings.HasPrefix(got[2], "2 TEKs: ") {
		t.Errorf("sent %q", got)
	}
	// One that has registered again is told nothing more.
	s.mustRegister(Peer{Addr: testPeer(1).Addr, IDType: 1, Identity: "10.1.0.1"})
	for _, e := range s.sends(len(s.out)) {
		if e.Remote == testPeer(1).Addr {
			t.Error("a member that has the new keys is told of them")
		}
	}
}

// TestRemoveManyAtOnce: a batch whose update arrays do not fit into a message makes the rest register again.
func TestRemoveManyAtOnce(t *testing.T) {
	s := newShell(t, testConfig(t))
	var who []string
	for i := range 2000 {
		s.mustRegister(manyPeers(i))
		if i%4 == 1 {
			who = append(who, manyPeers(i).Identity)
		}
	}
	mark := len(s.out)
	if text := s.remove(who[:40]...); !strings.Contains(text, "1960 members derive it") {
		t.Errorf("40 members: %q", text)
	}
	s.run(time.Minute)
	if text := s.remove(who[40:]...); !strings.Contains(text, "0 members derive it, 1500 must register again") {
		t.Errorf("460 members: %q", text)
	}
	for _, e := range s.sends(mark) {
		if len(e.Bytes) > 65507 {
			t.Fatalf("a datagram of %d octets", len(e.Bytes))
		}
	}
	if n := s.notes(gdoi.NoteSignFailed); n != 0 {
		t.Errorf("%d messages could not be built", n)
	}
}

// TestRemovalsInARow: one directly after the other, also with keys that end at once.
func TestRemovalsInARow(t *testing.T) {
	s := newShell(t, testConfig(t))
	for i := byte(1); i <= 9; i++ {
		s.mustRegister(testPeer(i))
	}
	old := s.g.teks[0].spi
	_, out, err := s.g.Remove(s.now, []string{"10.1.0.1"}, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.do(out)
	s.remove("10.1.0.2")
	s.remove("10.1.0.3")
	if !slices.Contains(s.g.withdrawing(), old) {
		t.Error("the TEK that was withdrawn first is never deleted")
	}
	s.remove("10.1.0.5")
	if _, _, err := s.g.Remove(s.now, []string{"10.1.0.4"}, false, nil); err == nil || !strings.Contains(err.Error(), "old keys end now") {
		t.Errorf("a fifth TEK: %v", err)
	}
	if s.g.wasRemoved(testPeer(4)) {
		t.Error("a member whose removal was refused is on the list")
	}
	if _, out, err = s.g.Remove(s.now, []string{"10.1.0.4"}, true, nil); err != nil || len(s.g.teks) != 1 {
		t.Errorf("at once: %v, %d TEKs", err, len(s.g.teks))
	}
	s.do(out)
	s.run(5 * time.Minute)
	if got := s.g.tree.Len(); got != 4 || s.g.exclusion != nil {
		t.Errorf("%d places in the tree, want 4; still under way: %v", got, s.g.exclusion)
	}
}

// TestRemovedByAddressAndIdentity is who is refused after the removal of one member.
func TestRemovedByAddressAndIdentity(t *testing.T) {
	s := newShell(t, testConfig(t))
	beside := testPeer(1)
	beside.Identity = "beside"
	beside.Addr = testPeer(7).Addr
	s.mustRegister(testPeer(7))
	beside.Addr = testPeerPort(7, 4848)
	s.mustRegister(beside)
	s.remove(testPeer(7).Addr.String())
	elsewhere, other := testPeer(9), testPeer(7)
	elsewhere.Identity = testPeer(7).Identity
	other.Identity = "other"
	for _, c := range []struct {
		name    string
		p       Peer
		refused bool
	}{
		{"itself", testPeer(7), true},
		{"its identity elsewhere", elsewhere, true},
		{"another name at its address", other, true},
		{"who was a member beside it", beside, false},
		{"anybody else", testPeer(8), false},
	} {
		_, err := s.register(c.p, 1)
		if errors.Is(err, ErrRemoved) != c.refused || c.refused && !errors.Is(err, ErrNotAuthorised) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// The list, the tree and the places in it outlive the key server.
	tree := s.g.tree.Slots()
	s.start(s.g.cfg)
	if _, err := s.register(testPeer(7), 1); !errors.Is(err, ErrRemoved) {
		t.Errorf("after a restart: %v", err)
	}
	if got := s.g.tree.Slots(); !slices.Equal(got, tree) {
		t.Errorf("slots %v after a restart, want %v", got, tree)
	}
}

// TestBrokenTreeIsForgotten: records that do not fit together cost the members their places, and nothing else.
func TestBrokenTreeIsForgotten(t *testing.T) {
	s := newShell(t, testConfig(t))
	for i := byte(1); i <= 5; i++ {
		s.mustRegister(testPeer(i))
	}
	delete(s.disk, "lkh/01/00000001")
	s.start(testConfig(t))
	if s.g.members.len() != 5 || s.g.tree.Len() != 0 || s.notes(gdoi.NoteStateDiscarded) != 0 {
		t.Errorf("%d members, %d places", s.g.members.len(), s.g.tree.Len())
	}
	s.mustRegister(testPeer(3))
	s.start(testConfig(t))
	if s.g.tree.Len() != 1 {
		t.Errorf("%d places after one has registered again and a restart", s.g.tree.Len())
	}
	for k := range s.disk {
		if strings.HasPrefix(k, "lkh/01") {
			t.Errorf("record %s is still there", k)
		}
	}
}

// TestRecordsPerChange: what a registration and a removal write does not grow with the group, but for the height of the
// tree.
func TestRecordsPerChange(t *testing.T) {
	s := newShell(t, testConfig(t))
	for i := range 1000 {
		s.mustRegister(manyPeers(i))
	}
	count := func(from int) (n int) {
		for _, e := range s.out[from:] {
			if e, ok := e.(machine.Persist); ok {
				n += len(e.Records)
			}
		}
		return n
	}
	mark := len(s.out)
	s.mustRegister(manyPeers(1000))
	if n := count(mark); n > 2+s.g.tree.Height() {
		t.Errorf("a registration writes %d records", n)
	}
	mark = len(s.out)
	s.remove(manyPeers(600).Identity)
	if n := count(mark); n > 10+8 {
		t.Errorf("a removal from 1000 members writes %d records", n)
	}
	if got, want := s.g.tree.Len(), 1000; got != want {
		t.Errorf("%d places, want %d", got, want)
	}
}

// TestWithdrawDuringRemoval: a group that ends with a removal under way leaves nothing behind.
func TestWithdrawDuringRemoval(t *testing.T) {
	s := newShell(t, testConfig(t))
	for i := byte(1); i <= 4; i++ {
		s.mustRegister(testPeer(i))
	}
	s.remove("10.1.0.2")
	s.do(s.g.Withdraw(s.now, nil))
	s.run(time.Minute)
	if !s.g.Ended() || s.notes(gdoi.NoteSignFailed) != 0 {
		t.Error("the group goes on")
	}
	for k := range s.disk {
		if k != countersKey && k != policyKey {
			t.Errorf("record %s is left", k)
		}
	}
}
