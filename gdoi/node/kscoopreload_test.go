package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
)

// The configuration of a cooperating key server is read again: priorities and the group's policy change, the rest of the
// cooperation does not.
func TestFleetReloads(t *testing.T) {
	f := newFleet(t, 3, coop.FastTimers, short)
	s := f.servers[2]
	reload := func(s *realmServer, change func(*Coop), group func(*keyserver.Config)) gdoi.CommandResult {
		t.Helper()
		c, cfg := *s.n.cfg.Coop, s.cfg
		if change != nil {
			change(&c)
		}
		if group != nil {
			group(&cfg)
		}
		r := Reconfigure{Groups: []keyserver.Config{cfg}, Coop: &c, ID: 7}
		plans, planned := s.n.Plan(f.now, r)
		out := s.n.Step(f.now, r, nil)
		for _, e := range out {
			if got, ok := e.(gdoi.CommandResult); ok {
				if (planned != nil || len(plans) > 0 && plans[0].Refused != "") != (got.Err != "") {
					t.Errorf("planned %+v, %v; done %+v", plans, planned, got)
				}
				f.do(s.addr, out)
				return got
			}
		}
		t.Fatal("no answer")
		return gdoi.CommandResult{}
	}
	if got := reload(s, nil, nil); got.Err != "" || got.Text != "nothing changes" {
		t.Errorf("the same again: %+v", got)
	}
	for _, row := range []struct {
		change func(*Coop)
		err    string
	}{
		{func(c *Coop) { c.ID = 4 }, "restart"},
		{func(c *Coop) { c.Split = coop.Continue }, "restart"},
		{func(c *Coop) { c.Timers = coop.DefaultTimers }, "restart"},
		{func(c *Coop) { c.Peers = c.Peers[:1] }, "restart"},
		{func(c *Coop) { c.Peers = c.Peers[1:] }, "restart"},
		{func(c *Coop) { c.Priority = MaxPriority + 1 }, "priority"},
		{func(c *Coop) { c.Priorities = map[string]int{"blue": 1 << 20} }, "priority"},
	} {
		for _, at := range f.servers {
			if got := reload(at, row.change, nil); !strings.Contains(got.Err, row.err) {
				t.Errorf("another cooperation: %+v; want %q", got, row.err)
			}
		}
	}

	// Another policy is not served, until it is what the others have.
	if got := reload(s, nil, func(c *keyserver.Config) { c.KEKLifetime += time.Hour }); got.Err != "" {
		t.Fatalf("another lifetime: %+v", got)
	}
	f.run(time.Second)
	if i := f.info(s); i.Ready || len(i.Diff) == 0 {
		t.Errorf("another policy is served: %+v", i)
	}
	if got := reload(s, nil, nil); got.Err != "" {
		t.Fatalf("the old lifetime: %+v", got)
	}
	f.run(time.Second)
	f.settled()

	// So it comes to the secondaries first.
	longer := append(slices.Clone(s.cfg.Policy), accessList(t, "permit ip 172.16.0.0/16 172.16.0.0/16")...)
	lengthen := func(s *realmServer) {
		t.Helper()
		if got := reload(s, nil, func(c *keyserver.Config) { c.Policy = longer }); got.Err != "" {
			t.Fatalf("another access list at %d: %+v", s.id, got)
		}
		s.cfg.Policy = longer
	}
	lengthen(f.servers[1])
	lengthen(s)
	f.run(2 * time.Second)
	if i := f.info(f.servers[1]); i.Ready || len(i.Diff) == 0 {
		t.Errorf("another policy than the primary's: ready %v, difference %q", i.Ready, i.Diff)
	}
	lengthen(f.servers[0])
	f.run(2 * time.Minute)
	f.settled()
	f.wantTogether()

	// The priority counts in the next election.
	if got := reload(s, func(c *Coop) { c.Priority = 100 }, nil); got.Err != "" {
		t.Fatalf("another priority: %+v", got)
	}
	f.run(time.Second)
	if p := f.settled(); p.id != 1 || f.info(s).Priority != 100 {
		t.Errorf("%d is primary, priority %d; want 1 as before, and 100", p.id, f.info(s).Priority)
	}
	f.servers[0].dead = true
	f.run(time.Second)
	if p := f.settled(); p.id != 3 {
		t.Errorf("%d is primary; want 3, which has the higher priority now", p.id)
	}
}
