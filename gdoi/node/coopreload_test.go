package node

import (
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// TestReconfigureCooperation: priorities change while a key server runs, and its policy does, as if it were alone; what
// other key servers rely on does not.
func TestReconfigureCooperation(t *testing.T) {
	f := newFleet(t, 3, coop.FastTimers, nil)
	ks := f.servers[0].n
	coopOf := func(change func(*Coop)) *Coop {
		c := *ks.cfg.Coop
		change(&c)
		return &c
	}
	for _, row := range []struct {
		name   string
		change func(*Coop)
		err    string
	}{
		{"a priority", func(c *Coop) { c.Priorities = map[string]int{"blue": 77} }, ""},
		{"an impossible priority", func(c *Coop) { c.Priorities = map[string]int{"blue": 1 << 20} }, "priority"},
		{"the split", func(c *Coop) { c.Split = coop.Continue }, "restart"},
		{"a peer", func(c *Coop) { c.Peers = c.Peers[1:] }, "restart"},
		{"its number", func(c *Coop) { c.ID = 8 }, "restart"},
		{"timers", func(c *Coop) { c.Timers = coop.DefaultTimers }, "restart"},
	} {
		out := ks.Step(f.now, Reconfigure{Groups: []keyserver.Config{f.servers[0].cfg}, Coop: coopOf(row.change), ID: 9}, nil)
		if got := result(out); row.err == "" && got != "" || !strings.Contains(got, row.err) {
			t.Errorf("%s: %q, want %q", row.name, got, row.err)
		}
	}
	if got := ks.Snapshot(f.now).Groups[0].Coop.Priority; got != 77 {
		t.Errorf("priority %d", got)
	}
	// Another access list: the secondary first, which registers nobody until the primary has it too.
	next := f.servers[0].cfg
	next.Policy = append(policy.List(nil), next.Policy...)
	extra, err := policy.ParseRule("permit ip 172.16.0.0/16 172.16.0.0/16")
	f.must(err)
	next.Policy = append(next.Policy, extra)
	apply := func(s *realmServer) {
		out := s.n.Step(f.now, Reconfigure{Groups: []keyserver.Config{next}, ID: 9}, nil)
		if got := result(out); got != "" {
			t.Fatal(s.id, got)
		}
		f.do(s.addr, out)
	}
	apply(f.servers[1])
	apply(f.servers[2])
	f.run(2 * time.Second)
	if i := f.info(f.servers[1]); i.Ready || len(i.Diff) == 0 {
		t.Errorf("another policy than the primary's: ready %v, difference %q", i.Ready, i.Diff)
	}
	apply(f.servers[0])
	f.run(2 * time.Minute)
	f.settled()
	f.wantTogether()
}

func result(out machine.Effects) string {
	for _, e := range out {
		if r, ok := e.(gdoi.CommandResult); ok {
			return r.Err
		}
	}
	return "no result"
}
