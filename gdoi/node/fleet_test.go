package node

import (
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// calm are timers that do not fill hours with announcements.
var calm = coop.Timers{Announce: time.Second, Dead: 3 * time.Second, Query: 500 * time.Millisecond, Retries: 3}

// command gives a key server a command, and returns the answers that it has given some time later.
func (f *fleet) command(s *realmServer, ev machine.Event, wait time.Duration) (out []gdoi.CommandResult) {
	f.results = nil
	f.do(s.addr, s.n.Step(f.now, ev, nil))
	f.run(wait)
	return f.results
}

func (f *fleet) wantAnswer(s *realmServer, ev machine.Event, want string) {
	f.t.Helper()
	got := f.command(s, ev, 1500*time.Millisecond)
	if len(got) != 1 || !strings.Contains(got[0].Text+got[0].Err, want) {
		f.t.Errorf("%T at %d: %+v; want %q", ev, s.id, got, want)
	}
}

func TestFleetSplitAndMerge(t *testing.T) {
	f := newFleet(t, 6, calm, short)
	f.split(0, 1, 1)
	f.run(6 * time.Second)
	if a, b := f.info(f.servers[0]), f.info(f.servers[1]); a.Role != coop.Primary || b.Role != coop.Primary || len(a.Unreachable) != 2 || len(b.Unreachable) != 1 {
		f.fatal("in the split: %+v\n%+v", a, b)
	}
	f.wantTogether()
	f.run(8 * time.Minute) // each side has made keys of its own
	f.gaps = nil
	if f.one() {
		t.Error("the sides still have one key")
	}
	f.heal()
	f.run(5 * time.Second)
	if p := f.settled(); p.id != 1 {
		t.Errorf("%d is primary; want 1", p.id)
	}
	f.run(time.Minute)
	f.settled()
	if text := f.silent(); text != "" || !f.one() {
		f.fatal("after the merge: %s, one key %v", text, f.one())
	}
	if f.info(f.servers[0]).Merging {
		t.Error("still merging")
	}
	f.gaps = nil
	f.run(10 * time.Minute)
	f.settled()
	f.wantTogether()
}

func TestFleetHandover(t *testing.T) {
	f := newFleet(t, 3, calm, short)
	one, two, three := f.servers[0], f.servers[1], f.servers[2]
	f.wantAnswer(two, gdoi.CmdRekey{Group: "blue", ID: 1}, "key server 1 at 10.0.0.1")
	f.wantAnswer(two, gdoi.CmdRemoveMember{Group: "blue", Members: []string{"10.1.0.1"}, ID: 2}, "key server 1 at 10.0.0.1")
	f.wantAnswer(two, gdoi.CmdHandover{Group: "blue", ID: 3}, "key server 1 at 10.0.0.1")
	f.wantAnswer(one, gdoi.CmdHandover{Group: "blue", To: "3", ID: 4}, "key server 3 is primary in term 2")
	if p := f.settled(); p != three {
		t.Errorf("%d is primary; want 3", p.id)
	}
	f.wantAnswer(three, gdoi.CmdRekey{Group: "blue", ID: 5}, "")
	f.wantAnswer(three, gdoi.CmdHandover{Group: "green", ID: 6}, "no group")
	f.run(5 * time.Minute)
	f.settled()
	f.wantTogether()
	// One that stops says so.
	f.do(three.addr, three.n.Step(f.now, gdoi.CmdStop{ID: 7}, nil))
	three.dead = true
	f.run(100 * time.Millisecond)
	if !one.group().Active() {
		f.fatal("nobody took over from the one that stopped")
	}
	f.run(7 * time.Minute)
	f.settled()
	f.wantTogether()
}

func TestFleetOfAnotherPolicy(t *testing.T) {
	f := newFleet(t, 3, calm, short)
	one, two := f.servers[0], f.servers[1]
	changed := two.cfg
	changed.TEKLifetime = 7 * time.Minute
	f.wantAnswer(two, Reconfigure{Groups: []keyserver.Config{changed}, ID: 1}, "")
	i := f.info(two)
	if i.Ready || len(i.Diff) != 2 || !strings.HasPrefix(i.Diff[0], "- ") || !strings.HasPrefix(i.Diff[1], "+ ") {
		t.Errorf("ready %v, %s, %q", i.Ready, i.Why, i.Diff)
	}
	if f.info(one).Peers[0].SamePolicy || !f.info(one).Peers[1].SamePolicy {
		t.Error("the primary does not know who has another policy")
	}
	f.wantAnswer(one, Reconfigure{Groups: []keyserver.Config{changed}, ID: 2}, "")
	f.wantAnswer(f.servers[2], Reconfigure{Groups: []keyserver.Config{changed}, ID: 3}, "")
	f.run(2 * time.Second)
	f.settled()
	// Priorities change while it runs, and nothing else does.
	c := *two.n.cfg.Coop
	c.Priorities = map[string]int{"blue": 99}
	f.wantAnswer(two, Reconfigure{Groups: []keyserver.Config{changed}, Coop: &c, ID: 4}, "nothing changes")
	if f.info(two).Priority != 99 || f.info(one).Peers[0].Priority != 99 {
		t.Error("the priority is still the old one")
	}
	c.ID = 5
	f.wantAnswer(two, Reconfigure{Groups: []keyserver.Config{changed}, Coop: &c, ID: 5}, "restart")
	f.run(10 * time.Minute)
	f.settled()
	f.wantTogether()
}

// TestFleetStoreFails: a primary whose disk refuses to write, or does not answer, gives way to one that can write, and comes
// back when it can.
func TestFleetStoreFails(t *testing.T) {
	for name, fails := range map[string]func(*realmServer) *bool{
		"refuses": func(s *realmServer) *bool { return &s.broken },
		"hangs":   func(s *realmServer) *bool { return &s.hangs },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 3, calm, short)
			one := f.servers[0]
			*fails(one) = true
			f.run(8 * time.Minute)
			if !f.servers[1].group().Active() {
				f.fatal("1 is still primary")
			}
			f.wantTogether()
			*fails(one) = false
			f.do(one.addr, one.behind)
			f.run(time.Minute)
			f.settled()
			f.wantTogether()
			f.run(6 * time.Minute)
			f.settled()
			f.wantTogether()
		})
	}
}

// TestFleetContinues: sides that make the same keys never lose each other, neither in the split nor by the merge.
func TestFleetContinues(t *testing.T) {
	f := newFleetThat(t, coop.Continue, 6, calm, short)
	f.wantAnswer(f.servers[0], gdoi.CmdRekey{Group: "blue", ID: 1}, "")
	if r := f.results; len(r) == 1 && r[0].Err != "" {
		t.Errorf("with all key servers there: %s", r[0].Err)
	}
	f.run(5 * time.Minute)
	f.split(0, 1, 1)
	f.wantAnswer(f.servers[0], gdoi.CmdRekey{Group: "blue", ID: 2}, "") // nobody misses anybody yet
	if r := f.results; len(r) == 1 && r[0].Err == "" {
		t.Errorf("with key servers out of reach: %s", r[0].Text)
	}
	f.run(15 * time.Minute)
	f.wantTogether()
	f.heal()
	f.run(time.Minute)
	f.settled()
	f.run(10 * time.Minute)
	f.settled()
	f.wantTogether()
}

// TestFleetAnswersWait: a secondary that registers a member tells the primary before it tells the member; when the primary is
// silent, and not yet given up, it answers after 2 s all the same, and says so.
func TestFleetAnswersWait(t *testing.T) {
	f := newFleet(t, 3, coop.DefaultTimers, short)
	f.servers[0].dead = true
	m := f.join(gmAddr(77), f.servers[1].addr)
	f.run(1900 * time.Millisecond)
	if len(m.holds) != 0 || f.notes[gdoi.NoteCoopUnprotected] != 0 {
		t.Errorf("it has %v, though the primary does not know of it", m.holds)
	}
	f.run(time.Second)
	if len(m.holds) == 0 || f.notes[gdoi.NoteCoopUnprotected] != 1 {
		t.Errorf("it has %v, %d notes; want keys, and one note", m.holds, f.notes[gdoi.NoteCoopUnprotected])
	}
	f.silent()
	f.gaps = nil // until it was registered
	f.run(2 * time.Minute)
	if p := f.settled(); p.id != 2 || len(p.n.Snapshot(f.now).Groups[0].Members) != 4 {
		t.Errorf("%d is primary; want 2, which knows all four members", p.id)
	}
	f.wantTogether()
}
