package check

import (
	"context"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// recovers: traffic runs both ways between the pairs while something is broken on purpose. Every flow passes again within a
// time of the last action, and nothing was clear in between; what is lost meanwhile is told, and may be lost.
type recovers struct {
	Pairs  Pairs         `yaml:"pairs"`
	Rate   int           `yaml:"rate"`
	Do     actions       `yaml:"do"`
	Within time.Duration `yaml:"within"`
}

func (c *recovers) Validate(s *scenario.Scenario) error {
	if c.Rate < 1 || c.Rate > 10000 {
		return fmt.Errorf("rate %d is outside 1..10000", c.Rate)
	}
	if len(c.Do) == 0 {
		return fmt.Errorf("do: lists what is broken")
	}
	if err := c.Do.validate(s); err != nil {
		return err
	}
	return c.Pairs.validate(s)
}

func (c *recovers) Run(ctx context.Context, env *Env) []scenario.Result {
	before := env.Capture.Totals()
	flows := bothWays(env, c.Pairs.of(env.Scenario))
	t, err := StartTraffic(ctx, env, flows, c.Rate)
	if err != nil {
		return failed(err)
	}
	defer t.Stop()
	if err := env.sleep(ctx, 500*time.Millisecond); err != nil {
		return failed(err)
	}
	broken := t.Since()
	if _, err := c.Do.run(ctx, env); err != nil {
		return notDone(err, "the fault")
	}
	done := t.Since()
	back, missing := awaitFlows(ctx, env, t, flows, done, c.Within)
	_ = env.sleep(ctx, 500*time.Millisecond) // whole traffic at the end
	t.Stop()
	_, lost, _, where := losses(flows, 0, forever)
	offences := env.Capture.Totals().Minus(before).Offences()
	r := scenario.Result{
		OK: missing == 0 && offences == 0,
		Value: fmt.Sprintf("all %d flows again %.1f s after the last action (%.1f s after the first), %d packets lost, %d clear", len(flows),
			back.Seconds(), (done - broken + back).Seconds(), lost, offences),
		Want: fmt.Sprintf("all within %s, 0 clear", c.Within), Message: where, Seconds: back.Seconds(),
	}
	if missing > 0 {
		r.Value = fmt.Sprintf("%d of %d flows did not come back, %d clear", missing, len(flows), offences)
	}
	if offences > 0 {
		r.Message = env.Capture.Offences()
	}
	return []scenario.Result{r}
}
