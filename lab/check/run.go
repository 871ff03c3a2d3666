package check

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// Validate checks the steps of a scenario: names and parameters of checks, and actions.
func Validate(s *scenario.Scenario) error {
	var errs []error
	var walk func(steps []scenario.Step)
	walk = func(steps []scenario.Step) {
		for i := range steps {
			st := &steps[i]
			switch {
			case st.Check != "":
				_, err := decode(s, st)
				errs = append(errs, err)
			case st.Do != "":
				_, err := action(s, st)
				errs = append(errs, err)
			default:
				walk(st.Parallel)
			}
		}
	}
	walk(s.Steps)
	return errors.Join(errs...)
}

// Run goes through the steps. A failed check does not end the run, so that one mistake does not hide the next.
func Run(ctx context.Context, env *Env, report func(scenario.Result)) {
	for i := range env.Scenario.Steps {
		if ctx.Err() != nil {
			report(scenario.Result{Name: "run", Value: "interrupted", Want: "all steps", Message: ctx.Err().Error()})
			return
		}
		for _, r := range step(ctx, env, &env.Scenario.Steps[i]) {
			report(r)
		}
	}
}

func step(ctx context.Context, env *Env, st *scenario.Step) []scenario.Result {
	if len(st.Parallel) > 0 {
		all := make([][]scenario.Result, len(st.Parallel))
		var wg sync.WaitGroup
		for i := range st.Parallel {
			wg.Go(func() { all[i] = step(ctx, env, &st.Parallel[i]) })
		}
		wg.Wait()
		var out []scenario.Result
		for _, r := range all {
			out = append(out, r...)
		}
		return out
	}
	start := time.Now()
	if st.Do != "" {
		env.Log("%s", st.Do)
		do, err := action(env.Scenario, st)
		if err == nil {
			err = do(ctx, env.Lab)
		}
		if err != nil {
			return []scenario.Result{{Name: st.Do, Value: "failed", Want: "done", Message: err.Error(), Seconds: time.Since(start).Seconds()}}
		}
		return nil
	}
	env.Log("%s ...", st.Name)
	c, err := decode(env.Scenario, st)
	if err != nil {
		return failed(err)
	}
	results := c.Run(ctx, env)
	for i := range results {
		if results[i].Name == "" {
			results[i].Name = st.Name
		}
		if results[i].Seconds == 0 {
			results[i].Seconds = time.Since(start).Seconds()
		}
	}
	return results
}

type act func(ctx context.Context, l Lab) error

// action parses "kill NODE", "start NODE", "stop NODE", "partition A,B/C [for 30s]", "heal" and "wait 5s".
func action(s *scenario.Scenario, st *scenario.Step) (act, error) {
	f := strings.Fields(st.Do)
	bad := func() (act, error) {
		return nil, s.ErrorAt(st.Line, "do: %q; write kill NODE, start NODE, stop NODE, partition A,B/C [for 30s], heal or wait 5s", st.Do)
	}
	if len(f) == 2 && (f[0] == "kill" || f[0] == "start" || f[0] == "stop") {
		if n := s.Node(f[1]); n == nil || n.Program == "" {
			return nil, s.ErrorAt(st.Line, "do: %s: there is no node %q with a daemon", st.Do, f[1])
		}
	}
	switch {
	case len(f) == 2 && f[0] == "kill":
		return func(_ context.Context, l Lab) error { return l.Kill(f[1]) }, nil
	case len(f) == 2 && f[0] == "start":
		return func(ctx context.Context, l Lab) error { return l.Start(ctx, f[1]) }, nil
	case len(f) == 2 && f[0] == "stop":
		return func(_ context.Context, l Lab) error { return l.Stop(f[1]) }, nil
	case len(f) == 1 && f[0] == "heal":
		return func(_ context.Context, l Lab) error { return l.Heal() }, nil
	case len(f) == 2 && f[0] == "wait":
		d, err := time.ParseDuration(f[1])
		if err != nil {
			return bad()
		}
		return func(ctx context.Context, _ Lab) error { return sleep(ctx, d) }, nil
	case (len(f) == 2 || len(f) == 4 && f[2] == "for") && f[0] == "partition":
		p, err := s.ParsePartition(f[1])
		if err != nil {
			return nil, s.ErrorAt(st.Line, "do: %v", err)
		}
		var d time.Duration
		if len(f) == 4 {
			if d, err = time.ParseDuration(f[3]); err != nil {
				return bad()
			}
		}
		return func(_ context.Context, l Lab) error { return l.Partition(p, d) }, nil
	}
	return bad()
}
