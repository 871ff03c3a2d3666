package check

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// Validate checks the steps of a scenario: names and parameters of checks, and actions.
func Validate(s *scenario.Scenario) error {
	return validate(s, s.Steps)
}

func validate(s *scenario.Scenario, steps []scenario.Step) error {
	var errs []error
	for i := range steps {
		st := &steps[i]
		var err error
		switch {
		case st.Check != "":
			_, err = decode(s, st)
		case st.Do != "":
			_, err = action(s, st.Line, st.Do)
		default:
			err = validate(s, st.Parallel)
		}
		errs = append(errs, err)
	}
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
		env.last.note(st.Do)
		do, err := action(env.Scenario, st.Line, st.Do)
		if err == nil {
			_, err = do(ctx, env.Lab)
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
