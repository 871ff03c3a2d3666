package node

import (
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
	reload := func(change func(*Coop), group func(*keyserver.Config)) gdoi.CommandResult {
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
	if got := reload(nil, nil); got.Err != "" || got.Text != "nothing changes" {
		t.Errorf("the same again: %+v", got)
	}
	for _, change := range []func(*Coop){
		func(c *Coop) { c.ID = 4 }, func(c *Coop) { c.Split = coop.Continue }, func(c *Coop) { c.Timers = coop.DefaultTimers }, func(c *Coop) { c.Peers = c.Peers[:1] },
	} {
		if got := reload(change, nil); !strings.Contains(got.Err, "restart") {
			t.Errorf("another cooperation: %+v", got)
		}
	}
	if got := reload(func(c *Coop) { c.Priority = MaxPriority + 1 }, nil); !strings.Contains(got.Err, "priority") {
		t.Errorf("a priority that there is not: %+v", got)
	}

	// Another policy is not served, until it is what the others have.
	if got := reload(nil, func(c *keyserver.Config) { c.KEKLifetime += time.Hour }); got.Err != "" {
		t.Fatalf("another lifetime: %+v", got)
	}
	f.run(time.Second)
	if i := f.info(s); i.Ready || len(i.Diff) == 0 {
		t.Errorf("another policy is served: %+v", i)
	}
	if got := reload(nil, nil); got.Err != "" {
		t.Fatalf("the old lifetime: %+v", got)
	}
	f.run(time.Second)
	f.settled()

	// The priority counts in the next election.
	if got := reload(func(c *Coop) { c.Priority = 100 }, nil); got.Err != "" {
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
