package keyserver

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
)

func TestRestore(t *testing.T) {
	s := newShell(t, testConfig(t))
	for i := range byte(3) {
		if _, err := s.register(testPeer(i+1), 1); err != nil {
			t.Fatal(err)
		}
	}
	s.run(time.Hour - 90*time.Second) // in the middle of a rollover
	old := s.g
	before := old.Snapshot(s.now)
	s.now.Mono = 12345 // the process is another, and so is its monotonic clock
	s.start(testConfig(t))
	after := s.g.Snapshot(s.now)
	if len(after.TEKs) != 2 || len(after.Members) != 3 || after.SIDsUsed != before.SIDsUsed {
		t.Fatalf("before %+v\nafter %+v", before, after)
	}
	for i := range s.g.teks {
		if s.g.teks[i].spi != old.teks[i].spi || !s.g.teks[i].key.Equal(old.teks[i].key) || !after.TEKs[i].Expires.Equal(before.TEKs[i].Expires) {
			t.Errorf("TEK %d differs", i)
		}
	}
	if !s.g.keks[0].key.Equal(old.keks[0].key) || !s.g.keks[0].iv.Equal(old.keks[0].iv) || s.g.keks[0].seq != old.keks[0].seq+1 {
		t.Error("the KEK differs, or SEQ did not go on by one announcement")
	}
	if next, want := s.g.spis, old.spis; next != want {
		t.Error("the walk of SPIs does not go on where it was")
	}
}

func TestRestoreAfterLongDowntime(t *testing.T) {
	s := newShell(t, testConfig(t))
	if _, err := s.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	kek := s.g.keks[0].spi
	s.now.Wall = s.now.Wall.Add(3 * time.Hour)
	mark := len(s.out)
	s.start(testConfig(t))
	if len(s.g.teks) != 1 || s.g.keks[0].spi != kek || len(s.sends(mark)) != 1 {
		t.Errorf("%d TEKs, %d datagrams; want a new TEK announced under the old KEK", len(s.g.teks), len(s.sends(mark)))
	}
	s.now.Wall = s.now.Wall.Add(30 * time.Hour)
	mark = len(s.out)
	s.start(testConfig(t))
	if s.g.keks[0].spi == kek || s.g.members.len() != 0 || len(s.sends(mark)) != 0 {
		t.Error("nobody can read a PUSH any more; want a new KEK and an empty list")
	}
}

func TestRestoreWhenTheWallClockWentBack(t *testing.T) {
	s := newShell(t, testConfig(t))
	s.run(10 * time.Minute)
	s.now.Wall = s.now.Wall.Add(-48 * time.Hour)
	s.start(testConfig(t))
	snap := s.g.Snapshot(s.now)
	if r := snap.TEKs[0].Remaining; r > time.Hour {
		t.Errorf("a TEK of one hour has %v left", r)
	}
	if r := snap.KEKs[0].Remaining; r > 24*time.Hour {
		t.Errorf("a KEK of one day has %v left", r)
	}
}

func TestWallClockJumpsDoNotMoveTimers(t *testing.T) {
	for _, jump := range []time.Duration{-1000 * time.Hour, 1000 * time.Hour} {
		s := newShell(t, testConfig(t))
		at, _ := s.g.Deadline()
		s.now.Wall = s.now.Wall.Add(jump)
		s.do(s.g.Timeout(s.now, nil))
		if after, _ := s.g.Deadline(); after != at || len(s.g.teks) != 1 {
			t.Errorf("jump of %v: deadline %v became %v, %d TEKs", jump, at, after, len(s.g.teks))
		}
	}
}

func TestDamagedRecordsAreDiscarded(t *testing.T) {
	damage := map[string]func(map[string]machine.Record){
		"not JSON": func(d map[string]machine.Record) {
			d[countersKey] = machine.Record{Bucket: "group/blue", Key: countersKey, Value: []byte("{")}
		},
		"unknown kind": func(d map[string]machine.Record) {
			d["x/y"] = machine.Record{Bucket: "group/blue", Key: "x/y", Value: []byte("{}")}
		},
		"TEK without a key": func(d map[string]machine.Record) {
			d["tek/00001000"] = machine.Record{Bucket: "group/blue", Key: "tek/00001000", Value: []byte("{}")}
		},
		"KEK without a key": func(d map[string]machine.Record) {
			d["kek/00"] = machine.Record{Bucket: "group/blue", Key: "kek/00", Value: []byte("{}")}
		},
		"member elsewhere": func(d map[string]machine.Record) {
			d["member/x"] = machine.Record{Bucket: "group/blue", Key: "member/x", Value: []byte("{}")}
		},
	}
	for name, hurt := range damage {
		s := newShell(t, testConfig(t))
		spi := s.g.teks[0].spi
		hurt(s.disk)
		s.start(testConfig(t))
		if s.notes(gdoi.NoteStateDiscarded) != 1 || len(s.g.teks) != 1 || s.g.teks[0].spi == spi {
			t.Errorf("%s: not discarded", name)
		}
		s.start(testConfig(t))
		if s.notes(gdoi.NoteStateDiscarded) != 1 {
			t.Errorf("%s: the bad record is still there after a second start", name)
		}
	}
}

func TestOtherGroupsRecordsAreIgnored(t *testing.T) {
	s := newShell(t, testConfig(t))
	spi := s.g.teks[0].spi
	s.disk["foreign"] = machine.Record{Bucket: "group/red", Key: "tek/zz", Value: []byte("junk")}
	s.start(testConfig(t))
	if s.g.teks[0].spi != spi {
		t.Error("a record of another group made this one start afresh")
	}
}

func TestUnauthorisedMemberIsNotRestored(t *testing.T) {
	s := newShell(t, testConfig(t))
	for i := range byte(2) {
		if _, err := s.register(testPeer(i+1), 1); err != nil {
			t.Fatal(err)
		}
	}
	cfg := testConfig(t)
	cfg.Authorise = policy.Authorisation{{Prefix: netip.MustParsePrefix("10.1.0.2/32")}}
	s.start(cfg)
	if m := s.g.Snapshot(s.now).Members; len(m) != 1 || m[0].Identity != "10.1.0.2" {
		t.Errorf("members %v", m)
	}
	if _, ok := s.disk["member/10.1.0.1 10.1.0.1"]; ok {
		t.Error("its record is still there")
	}
}

// TestRecordsHoldNoMore: what is deleted in memory is deleted on disk.
func TestRecordsHoldNoMore(t *testing.T) {
	s := newShell(t, testConfig(t))
	if _, err := s.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	s.run(50 * time.Hour)
	if n, want := s.records(), 2+len(s.g.teks)+len(s.g.keks)+s.g.members.len(); n != want {
		t.Errorf("%d records; want %d", n, want)
	}
}

// A leaf that cannot be one costs the member its acknowledgements, and not the key server its records.
func TestRestoreLeaf(t *testing.T) {
	slot := 0
	for _, v := range []struct {
		octets int
		slot   *int
		want   int
	}{{0, nil, 0}, {1, nil, 0}, {15, nil, 0}, {16, nil, 16}, {24, nil, 24}, {31, nil, 0}, {32, nil, 32}, {33, nil, 0}, {16, &slot, 0}} {
		s := newShell(t, testConfig(t))
		if _, err := s.register(testPeer(1), 1); err != nil {
			t.Fatal(err)
		}
		spi := s.g.keks[0].spi
		for name, r := range s.disk {
			if !strings.HasPrefix(r.Key, "member/") {
				continue
			}
			var m memberRecord
			if err := json.Unmarshal(r.Value, &m); err != nil {
				t.Fatal(err)
			}
			m.Slot, m.Leaf = v.slot, make([]byte, v.octets)
			r.Value = encode(m)
			s.disk[name] = r
		}
		s.start(testConfig(t))
		if s.g.members.len() != 1 || s.g.keks[0].spi != spi {
			t.Errorf("a leaf of %d octets, and slot %v: %d members; the KEK is another: %v", v.octets, v.slot, s.g.members.len(), s.g.keks[0].spi != spi)
			continue
		}
		if have := s.g.members.sorted[0].loose.Len(); have != v.want {
			t.Errorf("of a leaf of %d octets there are %d", v.octets, have)
		}
	}
}
