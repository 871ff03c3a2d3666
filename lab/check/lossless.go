package check

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// lossless: traffic runs both ways between the pairs while something is changed on purpose; nothing is lost. The traffic
// begins Before the first action and ends After the last one is done.
type lossless struct {
	Pairs  Pairs         `yaml:"pairs"`
	Rate   int           `yaml:"rate"`
	Before time.Duration `yaml:"before"`
	Do     actions       `yaml:"do"`
	After  time.Duration `yaml:"after"`
	// Multicast makes the members of each pair send to this group, which the others have joined. What is sent Before does
	// not count: the branches of the tree are still growing.
	Multicast netip.Addr `yaml:"multicast"`
	// Beside are pairs whose members send to each other, not to Multicast, at the same time.
	Beside Pairs `yaml:"beside"`
	// Clear allows clear packets in the core; otherwise one is a failure.
	Clear bool `yaml:"clear"`
	// Readable allows ESP that is not encrypted, as some suites make it; nothing else.
	Readable bool `yaml:"readable"`
}

func (c *lossless) Validate(s *scenario.Scenario) error {
	if c.Rate < 1 || c.Rate > 10000 {
		return fmt.Errorf("rate %d is outside 1..10000", c.Rate)
	}
	if len(c.Do) == 0 {
		return fmt.Errorf("do: lists what is changed under the traffic")
	}
	if c.Multicast.IsValid() && (!c.Multicast.Is4() || !c.Multicast.IsMulticast() || !s.Multicast) {
		return fmt.Errorf("multicast: %v is no IPv4 multicast group, or the core does not route multicast (multicast: true)", c.Multicast)
	}
	if err := c.Do.validate(s); err != nil {
		return err
	}
	if c.Beside.All || len(c.Beside.List) > 0 {
		if err := c.Beside.validate(s); err != nil {
			return fmt.Errorf("beside: %w", err)
		}
	}
	return c.Pairs.validate(s)
}

func (c *lossless) Run(ctx context.Context, env *Env) []scenario.Result {
	before := env.Capture.Totals()
	flows, from := bothWays(env, c.Pairs.of(env.Scenario)), time.Duration(0)
	if c.Multicast.IsValid() {
		from = c.Before
		for _, f := range flows {
			f.Dst = c.Multicast
		}
	}
	flows = append(flows, bothWays(env, c.Beside.of(env.Scenario))...)
	t, err := StartTraffic(ctx, env, flows, c.Rate)
	if err != nil {
		return failed(err)
	}
	defer t.Stop()
	members := membersOf(env.Scenario, nil)
	dropped := env.discarded(ctx, members)
	err = env.sleep(ctx, c.Before)
	if err == nil {
		_, err = c.Do.run(ctx, env)
	}
	if err == nil {
		err = env.sleep(ctx, c.After)
	}
	if err != nil {
		return notDone(err, "the change")
	}
	took := t.Since()
	t.Stop()
	sent, lost, duplicates, where := losses(t.Flows, from, forever)
	seen := env.Capture.Totals().Minus(before)
	offences := seen.Offences()
	if c.Readable {
		offences -= seen[PlaintextESP]
	}
	r := scenario.Result{
		OK: lost == 0 && duplicates == 0 && sent > 0 && (c.Clear || offences == 0),
		Value: fmt.Sprintf("%d lost of %d packets (%d flows at %d/s for %.0f s), %d twice, %d clear", lost, sent, len(t.Flows), c.Rate,
			took.Seconds(), duplicates, offences),
		Want: "0 lost, 0 twice, 0 clear", Message: where,
	}
	if lost > 0 {
		if text := env.discarded(ctx, members).since(dropped); text != "" {
			r.Message += "; dropped meanwhile: " + text
		}
	}
	if c.Clear {
		r.Want = "0 lost, 0 twice"
	} else if offences > 0 && where == "" {
		r.Message = env.Capture.Offences()
	}
	return []scenario.Result{r}
}

// blocked: nothing passes between the pairs, and nothing of it is seen in clear.
type blocked struct {
	Pairs Pairs         `yaml:"pairs"`
	For   time.Duration `yaml:"for"`
	Rate  int           `yaml:"rate"`
}

func (c *blocked) Validate(s *scenario.Scenario) error {
	if c.Rate < 1 || c.Rate > 10000 {
		return fmt.Errorf("rate %d is outside 1..10000", c.Rate)
	}
	return c.Pairs.validate(s)
}

func (c *blocked) Run(ctx context.Context, env *Env) []scenario.Result {
	before := env.Capture.Totals()
	t, err := StartTraffic(ctx, env, bothWays(env, c.Pairs.of(env.Scenario)), c.Rate)
	if err != nil {
		return failed(err)
	}
	defer t.Stop()
	if err := env.sleep(ctx, c.For); err != nil {
		return failed(err)
	}
	t.Stop()
	sent, lost, _, _ := losses(t.Flows, 0, forever)
	offences := env.Capture.Totals().Minus(before).Offences()
	r := scenario.Result{
		OK:    sent > 0 && lost == sent && offences == 0,
		Value: fmt.Sprintf("%d of %d packets passed, %d clear in the core", sent-lost, sent, offences),
		Want:  "0 passed, 0 clear",
	}
	if offences > 0 {
		r.Message = env.Capture.Offences()
	}
	return []scenario.Result{r}
}
