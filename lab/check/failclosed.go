package check

import (
	"context"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// failClosed: a member is killed under traffic. Nothing of the protected range leaves it in clear, nothing of it passes
// at all, the others notice nothing, and after a new start it comes back by itself.
type failClosed struct {
	Member  string        `yaml:"member"`
	For     time.Duration `yaml:"for"`
	Rate    int           `yaml:"rate"`
	Recover time.Duration `yaml:"recover"`
}

// What its results are called, beside that of its step.
const (
	failClosedOthers = "fail-closed-others"
	memberStart      = "member-start-recovery"
)

func (c *failClosed) Validate(s *scenario.Scenario) error {
	if err := exist(s, c.Member); err != nil {
		return err
	}
	if c.For < time.Second {
		return fmt.Errorf("for: at least 1s, or nothing is seen")
	}
	return nil
}

func (c *failClosed) Run(ctx context.Context, env *Env) []scenario.Result {
	flows := bothWays(env, Pairs{All: true}.of(env.Scenario))
	var mine, others []*Flow
	for _, f := range flows {
		if env.Scenario.MemberOf(f.From) == c.Member || env.Scenario.MemberOf(f.To) == c.Member {
			mine = append(mine, f)
		} else {
			others = append(others, f)
		}
	}
	// The member's own traffic must not leak either.
	hosts := env.Scenario.Named(scenario.KindHost)
	for _, h := range hosts {
		if env.Scenario.MemberOf(h) != c.Member {
			own := &Flow{From: c.Member, To: h, Src: env.Scenario.LANAddress(c.Member), Dst: env.Scenario.Address(h)}
			mine, flows = append(mine, own), append(flows, own)
			if a := env.Scenario.LANAddress6(c.Member); a.IsValid() {
				own = &Flow{From: c.Member, To: h, Src: a, Dst: env.Scenario.Address6(h)}
				mine, flows = append(mine, own), append(flows, own)
			}
			break
		}
	}
	before := env.Capture.Totals()
	t, err := StartTraffic(ctx, env, flows, c.Rate)
	if err != nil {
		return failed(err)
	}
	defer t.Stop()
	if err := env.sleep(ctx, time.Second); err != nil {
		return failed(err)
	}
	if err := env.Lab.Kill(c.Member); err != nil {
		return failed(err)
	}
	killed := t.Since()
	if err := env.sleep(ctx, c.For); err != nil {
		return failed(err)
	}
	passed := 0
	for _, f := range mine {
		// By the time of sending: Kill returns when the process is gone, and a late packet of before proves nothing.
		l := f.Between(killed, forever)
		passed += l.Sent - l.Lost
	}
	leaked := env.Capture.Totals().Minus(before).Offences()
	restarted := t.Since()
	if err := env.Lab.Start(ctx, c.Member); err != nil {
		return failed(err)
	}
	back, missing := awaitFlows(ctx, env, t, mine, restarted, c.Recover)
	_ = env.sleep(ctx, time.Second) // a second of whole traffic at the end
	t.Stop()
	sent, lost, _, where := losses(others, 0, forever)
	leakedAll := env.Capture.Totals().Minus(before).Offences()
	dead := scenario.Result{
		OK: leakedAll == 0 && passed == 0,
		Value: fmt.Sprintf("%s killed for %.1f s under %d flows: %d clear packets in the core (%d until its return), %d packets passed", c.Member,
			c.For.Seconds(), len(mine), leakedAll, leakedAll-leaked, passed),
		Want: "0 clear packets, 0 packets through the dead member",
	}
	if leakedAll > 0 {
		dead.Message = env.Capture.Offences()
	}
	rest := scenario.Result{
		Name: failClosedOthers, OK: lost == 0 && sent > 0, Value: fmt.Sprintf("%d lost of %d packets between the others", lost, sent),
		Want: "0 lost", Message: where,
	}
	again := scenario.Result{
		Name: memberStart, OK: missing == 0,
		Value: fmt.Sprintf("all %d flows through %s again after %.1f s", len(mine), c.Member, back.Seconds()),
		Want:  fmt.Sprintf("all within %s of the start", c.Recover), Seconds: back.Seconds(),
	}
	if missing > 0 {
		again.Value = fmt.Sprintf("%d of %d flows through %s did not come back", missing, len(mine), c.Member)
	}
	return []scenario.Result{dead, rest, again}
}

// awaitFlows waits until every flow has delivered a packet that was sent after a moment, and returns how long after it
// the last of them did so, and how many never did.
func awaitFlows(ctx context.Context, env *Env, t *Traffic, flows []*Flow, from, limit time.Duration) (slowest time.Duration, missing int) {
	for {
		slowest, missing = 0, 0
		for _, f := range flows {
			if at := f.FirstReceived(from); at == 0 {
				missing++
			} else {
				slowest = max(slowest, at-from)
			}
		}
		if missing == 0 || t.Since()-from > limit || env.sleep(ctx, 100*time.Millisecond) != nil {
			return slowest, missing
		}
	}
}
