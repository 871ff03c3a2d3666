package check

import (
	"context"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// keyServerLoss: the key server is killed under traffic and stays away. Traffic goes on until the TEK ends, then the
// members fail closed; the key server is started, and they recover by themselves.
type keyServerLoss struct {
	Node    string        `yaml:"node"`
	Rate    int           `yaml:"rate"`
	Recover time.Duration `yaml:"recover"`
}

// What its results are called.
const (
	ksKillGoesOn = "ks-kill-traffic-continues"
	ksKillCloses = "ks-kill-fails-closed"
	ksStart      = "ks-start-recovery"
)

func (c *keyServerLoss) Validate(s *scenario.Scenario) error {
	if len(s.Named(scenario.KindKeyServer)) != 1 {
		return fmt.Errorf("with more than one key server the group survives the loss of one")
	}
	return exist(s, c.Node)
}

// Lifetimes travel as whole seconds, so members may differ by one from each other.
const lifetimeSlack = 1500 * time.Millisecond

// ends returns when the last TEK of the first and of the last member ends, if no new one comes.
func ends(ctx context.Context, env *Env) (first, last time.Time, err error) {
	for _, gm := range env.Scenario.Named(scenario.KindMember) {
		snap, err := env.snapshot(ctx, gm)
		if err != nil {
			return first, last, err
		}
		var own time.Time
		if snap.GM != nil {
			for _, g := range snap.GM.Groups {
				for _, k := range g.TEKs {
					if k.Expires.After(own) {
						own = k.Expires
					}
				}
			}
		}
		if own.IsZero() {
			return first, last, fmt.Errorf("%s has no TEK", gm)
		}
		if first.IsZero() || own.Before(first) {
			first = own
		}
		if own.After(last) {
			last = own
		}
	}
	return first, last, nil
}

func (c *keyServerLoss) Run(ctx context.Context, env *Env) []scenario.Result {
	flows := bothWays(env, Pairs{All: true}.of(env.Scenario))
	before := env.Capture.Totals()
	t, err := StartTraffic(ctx, env, flows, c.Rate)
	if err != nil {
		return failed(err)
	}
	defer t.Stop()
	if err := env.sleep(ctx, time.Second); err != nil {
		return failed(err)
	}
	if err := env.Lab.Kill(c.Node); err != nil {
		return failed(err)
	}
	killed := t.Since()
	first, last, err := ends(ctx, env) // after the kill: nothing can move them any more
	if err != nil {
		return failed(err)
	}
	life := first.Sub(env.now())
	firstEnd, lastEnd := first.Sub(t.Start), last.Sub(t.Start)
	env.Log("%s is dead; the TEK lives for another %.1f s", c.Node, life.Seconds())
	const watch = 5 * time.Second // how long failing closed is looked at
	if err := env.sleep(ctx, last.Sub(env.now())+watch); err != nil {
		return failed(err)
	}
	lastPacket := time.Duration(0)
	passed := 0
	for _, f := range flows {
		lastPacket = max(lastPacket, f.LastReceived())
		passed += f.ReceivedAfter(lastEnd + lifetimeSlack)
	}
	leaked := env.Capture.Totals().Minus(before).Offences()
	sent, lost, _, where := losses(flows, 0, firstEnd-lifetimeSlack)

	restarted := t.Since()
	if err := env.Lab.Start(ctx, c.Node); err != nil {
		return failed(err)
	}
	env.Log("%s is back; waiting for the members", c.Node)
	back, missing := awaitFlows(ctx, env, t, flows, restarted, c.Recover)
	_ = env.sleep(ctx, time.Second)
	t.Stop()
	leakedAll := env.Capture.Totals().Minus(before).Offences()
	goesOn := scenario.Result{
		Name: ksKillGoesOn, OK: lost == 0 && sent > 0 && lastPacket > firstEnd-lifetimeSlack,
		Value: fmt.Sprintf("traffic went on for %.1f s of the TEK's remaining %.1f s; %d lost of %d packets until then", (lastPacket - killed).Seconds(),
			life.Seconds(), lost, sent),
		Want: "0 lost until the TEK ends", Message: where, Seconds: (lastPacket - killed).Seconds(),
	}
	closed := scenario.Result{
		Name: ksKillCloses, OK: passed == 0 && leakedAll == 0,
		Value: fmt.Sprintf("%d packets passed after the TEK's end, %d clear packets in the core (%d while the key server was away)", passed,
			leakedAll, leaked),
		Want: "0 passed, 0 clear",
	}
	if leakedAll > 0 {
		closed.Message = env.Capture.Offences()
	}
	again := scenario.Result{
		Name: ksStart, OK: missing == 0, Value: fmt.Sprintf("all %d flows again %.1f s after the start of %s", len(flows), back.Seconds(), c.Node),
		Want: fmt.Sprintf("all within %s", c.Recover), Seconds: back.Seconds(),
	}
	if missing > 0 {
		again.Value = fmt.Sprintf("%d of %d flows did not come back", missing, len(flows))
	}
	return []scenario.Result{goesOn, closed, again}
}
