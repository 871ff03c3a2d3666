package keyserver

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
)

func manyPeers(i int) Peer {
	a := netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)})
	return Peer{Addr: netip.AddrPortFrom(a, 848), IDType: 1, Identity: a.String(), GetVPN: true}
}

// TestSenderIDsRunOut: 300 registrations of 30 members with ids of 8 bits. When the ids are used up, everybody starts again
// once, with new keys, and all come back.
func TestSenderIDsRunOut(t *testing.T) {
	cfg := testConfig(t)
	cfg.SIDBits = 8
	s := newShell(t, cfg)
	first := s.g.teks[0].spi
	granted, again := 0, 0
	for granted < 300 {
		switch _, err := s.register(manyPeers((granted+again)%30), 1); {
		case err == nil:
			granted++
		case errors.Is(err, ErrChanged):
			again++
		default:
			t.Fatalf("after %d: %v", granted, err)
		}
		s.run(10 * time.Second)
	}
	if again != 1 || s.notes(gdoi.NoteGroupReset) != 1 {
		t.Errorf("%d resets for 300 registrations of 256 ids, want 1", s.notes(gdoi.NoteGroupReset))
	}
	if s.g.teks[0].spi == first || s.g.members.len() != 30 || len(s.g.problems()) != 0 {
		t.Errorf("%d members, problems %v", s.g.members.len(), s.g.problems())
	}
}

// TestMoreMembersThanSenderIDs: those that there are ids for stay, the others are refused, the operator is told, and
// nobody loses keys for it.
func TestMoreMembersThanSenderIDs(t *testing.T) {
	cfg := testConfig(t)
	cfg.SIDBits = 8
	s := newShell(t, cfg)
	refused := 0
	for round := range 3 {
		for i := range 300 {
			_, err := s.register(manyPeers(i), 1)
			if errors.Is(err, ErrNoSenderIDs) {
				refused++
				continue
			}
			if err != nil || i >= 192 {
				t.Fatalf("round %d, member %d: %v", round, i, err)
			}
			if round > 0 {
				break // the members are there; those without ids ask again and again
			}
		}
		for i := 192; i < 300; i++ {
			if _, err := s.register(manyPeers(i), 1); !errors.Is(err, ErrNoSenderIDs) {
				t.Fatalf("round %d, member %d: %v", round, i, err)
			}
		}
		s.run(time.Minute)
	}
	if n := s.notes(gdoi.NoteGroupReset); n != 0 || s.g.members.len() != 192 {
		t.Errorf("%d resets, %d members; want none, and three quarters of 256", n, s.g.members.len())
	}
	if p := strings.Join(s.g.Snapshot(s.now).Problems, "; "); !strings.Contains(p, "no sender ids for more members: 192") {
		t.Errorf("problems %q", p)
	}
	// When ids run out, members that were there come back before anybody new.
	for i := 0; s.notes(gdoi.NoteGroupReset) == 0; i++ {
		_, _ = s.register(manyPeers(i%192), 1)
		s.run(20 * time.Second)
	}
	for i := range 300 {
		if _, err := s.register(manyPeers(299-i), 1); (err == nil) != (299-i < 192) {
			t.Fatalf("after the reset, member %d: %v", 299-i, err)
		}
	}
	// And not twice within a short time, whatever a member does.
	for i := range 300 {
		s.run(time.Second)
		_, _ = s.register(manyPeers(i%192), 1)
	}
	if n := s.notes(gdoi.NoteGroupReset); n != 2 {
		t.Errorf("%d resets, want 2", n)
	}
}

// TestSenderIDRanges: what key servers with different values of the high bits give is disjoint.
func TestSenderIDRanges(t *testing.T) {
	seen := map[gdoi.SID]int{}
	for k := range 8 {
		cfg := testConfig(t)
		cfg.SIDBits, cfg.SIDFirst, cfg.SIDCount = 8, uint64(k)<<5, 32
		s := newShell(t, cfg)
		for i := range 24 {
			sids, err := s.register(manyPeers(i), 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, sid := range sids {
				if other, ok := seen[sid]; ok || int(sid)>>5 != k {
					t.Fatalf("key server %d gives %d, key server %d too", k, sid, other)
				}
				seen[sid] = k
			}
		}
	}
	if len(seen) != 192 {
		t.Errorf("%d ids", len(seen))
	}
}
