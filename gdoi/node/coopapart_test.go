package node

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestKeyServersApartMembersNot: key servers do not hear each other, and members hear all of them: several primaries speak
// to everybody. Members do not run from one to the other, never lose each other in mode continue, and all is one afterwards.
func TestKeyServersApartMembersNot(t *testing.T) {
	for _, mode := range []coop.Split{coop.Fork, coop.Continue} {
		t.Run(mode.String(), func(t *testing.T) {
			f := newFleetThat(t, mode, 3, coop.FastTimers, ownKeys(t, short))
			f.run(time.Minute)
			f.lose = func(d machine.Datagram) bool { return f.serverAt(d.Local) != nil && f.serverAt(d.Remote) != nil }
			before := f.registrations()
			f.run(13 * time.Minute) // two rollovers
			for i, m := range f.members {
				if n := m.info(f.now).Registrations - before[m]; n > 12 {
					t.Errorf("member %d registered %d times", i, n)
				} else {
					t.Logf("member %d registered %d times", i, n)
				}
			}
			if mode == coop.Continue {
				f.wantTogether()
			}
			t.Logf("gaps while apart: %d", len(f.gaps))
			f.lose = nil
			f.run(2 * time.Minute)
			f.settled()
			if text := f.silent(); text != "" || !f.one() {
				f.fatal("after the merge: one key %t; %s", f.one(), text)
			}
			if n := f.notes[gdoi.NoteKeysExpired]; n != 0 {
				f.fatal("%d times a member was without keys", n)
			}
			f.gaps = nil
			f.run(12 * time.Minute)
			f.settled()
			f.wantTogether()
		})
	}
}

// TestLeavingASecondary: a member that stops in order tells the key server that it registered with, and the primary sends it
// nothing more.
func TestLeavingASecondary(t *testing.T) {
	f := newFleet(t, 3, coop.FastTimers, short)
	m := f.members[1]
	f.do(m.addr, m.n.Step(f.now, gdoi.CmdReregister{ID: 1, Group: "blue"}, nil))
	f.run(2 * time.Second)
	if with := m.info(f.now).RegisteredWith; with != f.servers[1].addr {
		t.Fatalf("registered with %v", with)
	}
	f.do(m.addr, m.n.Step(f.now, gdoi.CmdStop{ID: 1}, nil))
	f.removed = []int{1}
	f.run(2 * time.Second)
	for _, s := range f.servers {
		for _, i := range s.n.Snapshot(f.now).Groups[0].Members {
			if (i.Addr == m.addr) != i.Left {
				t.Errorf("key server %d says that %v has left: %t", s.id, i.Addr, i.Left)
			}
		}
	}
}

// TestSidesWithKeysOfTheirOwn: each side has made keys that the other does not have, signed with keys of its own; even the KEK
// is another one. Afterwards the primary of one side speaks to all, and is believed.
func TestSidesWithKeysOfTheirOwn(t *testing.T) {
	for _, sides := range [][]int{{1, 2, 2}, {1, 2, 3}} {
		f := newFleet(t, 3, coop.FastTimers, ownKeys(t, short))
		f.run(time.Minute)
		f.split(sides...)
		f.run(22 * time.Minute) // the KEK, too
		f.heal()
		f.gaps = nil
		before := f.registrations()
		f.run(time.Minute)
		f.settled()
		if text := f.silent(); text != "" || !f.one() {
			f.fatal("sides %v, after the merge: one key %t; %s", sides, f.one(), text)
		}
		for i, m := range f.members {
			s := m.info(f.now)
			if n := drops(m.n.Snapshot(f.now).Drops, "bad-signature"); n != 0 {
				t.Errorf("sides %v: member %d dropped %d rekeys for their signature", sides, i, n)
			}
			if s.RekeyedBy != f.servers[0].addr || s.Registrations > before[m]+2 {
				t.Errorf("sides %v: member %d was rekeyed by %v last, and registered %d times", sides, i, s.RekeyedBy, s.Registrations-before[m])
			}
		}
		if n := f.notes[gdoi.NoteKeysExpired]; n != 0 {
			f.fatal("sides %v: %d times a member was without keys", sides, n)
		}
		f.gaps = nil
		f.run(7 * time.Minute)
		f.settled()
		f.wantTogether()
	}
}
