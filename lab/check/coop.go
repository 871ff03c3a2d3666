package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/scenario"
)

// coopPoll is how exactly the moment is known at which key servers and members agree.
const coopPoll = 25 * time.Millisecond

// unanswered is the error of a look at a daemon that gives no answer, so that nothing was measured.
type unanswered struct{ error }

func (u unanswered) Unwrap() error { return u.error }

// await looks until a condition holds, and measures from the last action. look says what is there, and whether that is it; or why that
// cannot be said. A daemon that does not answer at the last look was not measured.
func await(ctx context.Context, env *Env, within time.Duration, want string, look func(ctx context.Context) (string, bool, error)) []scenario.Result {
	what, since := env.last.get(env.now())
	begun := env.now()
	for {
		at := env.now()
		got, ok, err := look(ctx)
		took := at.Sub(since)
		r := scenario.Result{Value: got, Want: want, OK: ok, Seconds: took.Seconds()}
		switch {
		case errors.As(err, new(unanswered)):
			r.Value, r.Message = scenario.NotMeasured, err.Error()
		case err != nil:
			r.Value = err.Error()
		case ok:
			r.Value = fmt.Sprintf("%s, %.2f s after %s", got, took.Seconds(), what)
			return []scenario.Result{r}
		}
		if env.since(begun) > within || env.sleep(ctx, coopPoll) != nil {
			return []scenario.Result{r}
		}
	}
}

// primary: these key servers agree on one primary, and so does it. Without is: any of them, or another that is named.
type primary struct {
	Group  string        `yaml:"group"`
	Is     string        `yaml:"is"`
	Not    string        `yaml:"not"`
	At     []string      `yaml:"at"` // who must agree; default: all
	Ready  bool          `yaml:"ready"`
	Within time.Duration `yaml:"within"`
	For    time.Duration `yaml:"for"` // and it stays so for this time
}

func (c *primary) Validate(s *scenario.Scenario) error {
	if c.Group == "" {
		return fmt.Errorf("group: is missing")
	}
	if len(c.At) == 0 {
		c.At = s.Named(scenario.KindKeyServer)
	}
	for _, n := range append(slices.Clone(c.At), c.Is, c.Not) {
		if n == "" {
			continue
		}
		if err := hasDaemon(s, n); err != nil {
			return err
		}
	}
	return nil
}

func (c *primary) Run(ctx context.Context, env *Env) []scenario.Result {
	want := fmt.Sprintf("one primary for %s within %s", strings.Join(c.At, ", "), c.Within)
	if c.Is != "" {
		want = fmt.Sprintf("%s primary for %s within %s", c.Is, strings.Join(c.At, ", "), c.Within)
	}
	out := await(ctx, env, c.Within, want, func(ctx context.Context) (string, bool, error) { return c.look(ctx, env) })
	if !out[0].OK || c.For == 0 {
		return out
	}
	for end := env.now().Add(c.For); env.now().Before(end); {
		if env.sleep(ctx, 4*coopPoll) != nil {
			break
		}
		got, ok, err := c.look(ctx, env)
		if ok {
			continue
		}
		if errors.As(err, new(unanswered)) {
			out[0].Value = scenario.NotMeasured
		}
		if err != nil {
			got = err.Error()
		}
		out[0].OK, out[0].Message = false, fmt.Sprintf("then, %.2f s before its time was over: %s", end.Sub(env.now()).Seconds(), got)
		break
	}
	return out
}

// look reads who is primary at each of the key servers.
func (c *primary) look(ctx context.Context, env *Env) (string, bool, error) {
	var says []string
	follow, primaries, ready := map[int]bool{}, []string{}, true
	for _, n := range c.At {
		g, err := env.ksGroup(ctx, n, c.Group)
		if err != nil {
			return "", false, err
		}
		if g.Coop == nil {
			return n + " has no cooperation", false, nil
		}
		follow[g.Coop.Primary] = true
		if g.Coop.Role == control.RolePrimary {
			primaries = append(primaries, n)
		}
		ready = ready && g.Coop.Ready
		text := fmt.Sprintf("%s is %s, term %d, follows %d", n, g.Coop.Role, g.Coop.Term, g.Coop.Primary)
		if !g.Coop.Ready {
			text += ", not ready: " + g.Coop.Why
		}
		says = append(says, text)
	}
	good := len(primaries) == 1 && len(follow) == 1 && !follow[0] && (c.Is == "" || primaries[0] == c.Is) && (c.Not == "" || primaries[0] != c.Not) &&
		(ready || !c.Ready)
	if !good {
		return strings.Join(says, "; "), false, nil
	}
	return fmt.Sprintf("%s is primary for %s", primaries[0], strings.Join(c.At, ", ")), true, nil
}

// ksGroup is a group as a key server sees it.
func (e *Env) ksGroup(ctx context.Context, node, group string) (*control.KSGroup, error) {
	snap, err := e.snapshot(ctx, node)
	if err != nil {
		return nil, unanswered{fmt.Errorf("%s: %w", node, err)}
	}
	if snap.KS != nil {
		for i := range snap.KS.Groups {
			if snap.KS.Groups[i].Name == group {
				return &snap.KS.Groups[i], nil
			}
		}
	}
	return nil, fmt.Errorf("%s has no group %s", node, group)
}

// gmGroup is a group as a member sees it.
func (e *Env) gmGroup(ctx context.Context, node, group string) (*control.GMGroup, error) {
	snap, err := e.snapshot(ctx, node)
	if err != nil {
		return nil, unanswered{fmt.Errorf("%s: %w", node, err)}
	}
	if snap.GM != nil {
		for i := range snap.GM.Groups {
			if snap.GM.Groups[i].Name == group {
				return &snap.GM.Groups[i], nil
			}
		}
	}
	return nil, fmt.Errorf("%s has no group %s", node, group)
}
