package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// fleet is a realm whose key servers find out by themselves who is primary.
type fleet struct {
	*realm
	timers coop.Timers
	mode   coop.Split
}

func newFleet(t testing.TB, members int, timers coop.Timers, change func(*keyserver.Config)) *fleet {
	return newFleetThat(t, coop.Fork, members, timers, change)
}

func newFleetThat(t testing.TB, mode coop.Split, members int, timers coop.Timers, change func(*keyserver.Config)) *fleet {
	f := &fleet{timers: timers, mode: mode, realm: emptyRealm(t)}
	for id := coop.ID(1); id <= 3; id++ {
		f.addServer(id, blue(t), change)
	}
	f.addMembers(members) // before there is a primary
	for _, s := range f.servers {
		f.boot(s)
	}
	f.run(10 * time.Second)
	f.settled()
	if text := f.silent(); text != "" {
		f.trail()
		t.Fatalf("at the beginning: %s", text)
	}
	f.gaps = nil
	return f
}

// boot starts a key server from its disk.
func (f *fleet) boot(s *realmServer) {
	c := &Coop{ID: s.id, Priority: 10 * int(4-s.id), Timers: f.timers, Split: f.mode}
	for _, o := range f.servers {
		if o != s {
			c.Peers = append(c.Peers, CoopPeer{ID: o.id, Addr: o.addr})
		}
	}
	f.startAs(s, c)
}

func (f *fleet) info(s *realmServer) *coop.Info { return s.n.Snapshot(f.now).Groups[0].Coop }

// settled: one primary, everybody ready, with the same keys and members.
func (f *fleet) settled() *realmServer {
	f.t.Helper()
	var primary *realmServer
	for _, s := range f.servers {
		if !s.dead && s.group().Active() {
			if primary != nil {
				f.fatal("both %d and %d are primary", primary.id, s.id)
			}
			primary = s
		}
	}
	if primary == nil {
		f.fatal("nobody is primary")
	}
	want := primary.n.Snapshot(f.now).Groups[0]
	for _, s := range f.servers {
		if s.dead {
			continue
		}
		g := s.n.Snapshot(f.now).Groups[0]
		if i := g.Coop; !i.Ready || i.Primary != primary.id {
			f.fatal("%d follows %d, ready %v: %s", s.id, i.Primary, i.Ready, i.Why)
		}
		if !slices.Equal(spis(g.TEKs), spis(want.TEKs)) || len(g.Members) != len(want.Members) {
			f.fatal("%d has %v and %d members; the primary, %d, has %v and %d", s.id, spis(g.TEKs), len(g.Members), primary.id, spis(want.TEKs), len(want.Members))
		}
	}
	return primary
}

func (f *fleet) fatal(format string, args ...any) {
	f.t.Helper()
	f.t.Errorf(format, args...)
	f.trail()
	f.t.FailNow()
}

// wantTogether: nobody was ever apart.
func (f *fleet) wantTogether() {
	f.t.Helper()
	if text := f.silent(); text != "" {
		f.fatal("%s", text)
	}
	if lost := f.lost(together); len(lost) > 0 {
		f.fatal("%s", strings.Join(lost, "\n"))
	}
}

func short(c *keyserver.Config) {
	c.TEKLifetime, c.KEKLifetime, c.ActivationDelay = 6*time.Minute, 20*time.Minute, 10*time.Second
}

func TestFleetElectsReplicatesFailsOver(t *testing.T) {
	f := newFleet(t, 6, coop.FastTimers, short)
	if p := f.settled(); p.id != 1 {
		t.Errorf("%d is primary; want 1", p.id)
	}
	f.run(6 * time.Minute) // a rollover
	f.settled()
	f.wantTogether()
	f.servers[0].dead = true
	f.run(time.Second)
	if p := f.settled(); p.id != 2 {
		t.Errorf("%d is primary; want 2", p.id)
	}
	f.run(6 * time.Minute)
	f.settled()
	f.wantTogether()
	f.boot(f.servers[0]) // with its database
	f.run(5 * time.Second)
	if p := f.settled(); p.id != 2 {
		t.Errorf("%d is primary; want 2, for ever", p.id)
	}
	f.servers[1].dead = true
	f.servers[1].disk = map[string]machine.Record{}
	f.run(time.Second)
	if p := f.settled(); p.id != 1 {
		t.Errorf("%d is primary; want 1", p.id)
	}
	f.boot(f.servers[1]) // with nothing
	f.run(7 * time.Minute)
	f.settled()
	f.wantTogether()
}
