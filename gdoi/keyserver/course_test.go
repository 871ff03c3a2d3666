package keyserver

import (
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
)

// TestCourse: what operators see of the last rekeys: repeats, their duration, the last sequence numbers of each member.
func TestCourse(t *testing.T) {
	s := newShell(t, testConfig(t))
	s.registerAll(testPeer(1), testPeer(2))
	if got := s.g.Snapshot(s.now); got.LastRekeyTook != 0 || got.LastRekeyRepeats != 0 || !slices.Equal(got.Members[0].SentSeqs, make([]uint32, keptSeqs)) {
		t.Errorf("before any rekey: %v, %d repeats, %v", got.LastRekeyTook, got.LastRekeyRepeats, got.Members[0].SentSeqs)
	}
	one := testPeer(1).Addr
	for seq := uint32(1); seq <= 6; seq++ {
		s.rekeyNow(false)
		s.run(time.Second)
		if why := s.answer(one, s.ack(isakmp.AckLKHSHA256, seq, one.Addr())); why != "" {
			t.Fatal(why)
		}
		if got := s.g.Snapshot(s.now); got.LastRekeyTook != time.Second || got.LastRekeyRepeats != 0 {
			t.Errorf("rekey %d: it took %v and %d repeats, want a second and none", seq, got.LastRekeyTook, got.LastRekeyRepeats)
		}
		s.run(5 * time.Minute) // all repeats, which go to the other one alone
		got := s.g.Snapshot(s.now)
		if n := uint64(got.Retransmits); got.LastRekeyRepeats != n || n == 0 || got.LastRekeyTook <= time.Second {
			t.Errorf("rekey %d: %d repeats in %v, want %d", seq, got.LastRekeyRepeats, got.LastRekeyTook, n)
		}
		if len(got.Members) < 2 {
			break // it was ejected
		}
		a, b := got.Members[0], got.Members[1]
		if a.Rekeys != uint64(seq) || a.RekeysSent != a.Rekeys || b.Rekeys != a.Rekeys || b.RekeysSent != b.Rekeys*uint64(1+got.Retransmits) {
			t.Errorf("rekey %d: sent %d in %d datagrams, and %d in %d", seq, a.Rekeys, a.RekeysSent, b.Rekeys, b.RekeysSent)
		}
		if a.SentSeqs[0] != seq || a.AckedSeqs[0] != seq || a.SentSeqs[1] != seq-1 || b.AckedSeqs[0] != 0 {
			t.Errorf("rekey %d: numbers %v acknowledged %v; %v acknowledged %v", seq, a.SentSeqs, a.AckedSeqs, b.SentSeqs, b.AckedSeqs)
		}
	}
	got := s.g.Snapshot(s.now)
	if len(got.Members) != 1 || got.Members[0].Rekeys < 3 {
		t.Errorf("at the end: %+v", got.Members)
	}
}
