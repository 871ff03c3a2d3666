package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/scenario"
)

// strangerRefused: a member with the wrong key is refused with an event at every key server that it asks, and has
// nothing: no keys, no place in the member list, no traffic.
type strangerRefused struct {
	Stranger string        `yaml:"stranger"`
	Host     string        `yaml:"host"` // behind the stranger
	To       string        `yaml:"to"`   // a host of the group
	Event    string        `yaml:"event"`
	Within   time.Duration `yaml:"within"`
}

func (c *strangerRefused) Validate(s *scenario.Scenario) error {
	return exist(s, c.Stranger, c.Host, c.To)
}

func (c *strangerRefused) Run(ctx context.Context, env *Env) []scenario.Result {
	address := env.Scenario.Address(c.Stranger)
	since := map[string]uint64{}
	for _, ks := range env.Scenario.Named(scenario.KindKeyServer) {
		snap, err := env.snapshot(ctx, ks)
		if err != nil {
			return failed(err)
		}
		since[ks] = snap.LastSeq
	}
	before := env.Capture.Totals()
	if err := env.Lab.Start(ctx, c.Stranger); err != nil {
		return failed(err)
	}
	defer func() { _ = env.Lab.Stop(c.Stranger) }() // down stops it otherwise
	event, took := c.awaitEvent(ctx, env, since, address.String())

	var got []string
	snap, err := env.snapshot(ctx, c.Stranger)
	if err != nil {
		return failed(err)
	}
	got = append(got, possessions(snap)...)
	for _, ks := range sortedKeys(since) {
		if snap, err := env.snapshot(ctx, ks); err == nil && listed(snap, address.String()) {
			got = append(got, "a place in the member list of "+ks)
		}
	}
	if answered, err := c.talks(ctx, env); err != nil {
		return failed(err)
	} else if answered {
		got = append(got, "traffic with "+c.To)
	}
	offences := env.Capture.Totals().Minus(before).Offences()
	r := scenario.Result{
		OK:    event != nil && len(got) == 0 && offences == 0,
		Value: "no event; ",
		Want:  fmt.Sprintf("event %s within %s; it has nothing; 0 clear packets", c.Event, c.Within),
	}
	if event != nil {
		r.Value = fmt.Sprintf("event %s of %s after %.1f s; ", event.Name, event.Peer, took.Seconds())
		r.Message = event.Node + ": " + event.Text
	}
	if len(got) == 0 {
		r.Value += "it has nothing; "
	} else {
		r.Value += "it has " + strings.Join(got, ", ") + "; "
	}
	r.Value += fmt.Sprintf("%d clear packets", offences)
	return []scenario.Result{r}
}

// awaitEvent looks for the refusal in the journals of the key servers.
func (c *strangerRefused) awaitEvent(ctx context.Context, env *Env, since map[string]uint64, address string) (*control.Event, time.Duration) {
	start := env.now()
	for env.since(start) < c.Within {
		for _, ks := range sortedKeys(since) {
			events, err := env.Lab.Control(ks).Events(ctx, since[ks])
			if err != nil {
				continue
			}
			for _, e := range events {
				if e.Name == c.Event && strings.Contains(e.Peer, address) {
					return &e, env.since(start)
				}
			}
		}
		if env.sleep(ctx, 200*time.Millisecond) != nil {
			break
		}
	}
	return nil, 0
}

// possessions are what a member must not have that was refused.
func possessions(snap *control.Snapshot) (got []string) {
	if snap.GM == nil {
		return []string{"no member's snapshot"}
	}
	for _, g := range snap.GM.Groups {
		if g.KEK != nil {
			got = append(got, "a KEK")
		}
		if len(g.TEKs) > 0 {
			got = append(got, fmt.Sprintf("%d TEKs", len(g.TEKs)))
		}
		if g.State == control.StateRegistered {
			got = append(got, "a registration")
		}
	}
	return got
}

func listed(snap *control.Snapshot, address string) bool {
	if snap.KS == nil {
		return false
	}
	for _, g := range snap.KS.Groups {
		for _, m := range g.Members {
			if strings.HasPrefix(m.Address, address) {
				return true
			}
		}
	}
	return false
}

// talks tries both directions for a moment.
func (c *strangerRefused) talks(ctx context.Context, env *Env) (bool, error) {
	t, err := StartTraffic(ctx, env, bothWays(env, []Pair{{c.Host, c.To}}), 50)
	if err != nil {
		return false, err
	}
	defer t.Stop()
	if err := env.sleep(ctx, 2*time.Second); err != nil {
		return false, err
	}
	t.Stop()
	for _, f := range t.Flows {
		if f.LastReceived() > 0 {
			return true, nil
		}
	}
	return false, nil
}
