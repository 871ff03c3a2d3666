package check

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// Validate checks what a scenario does and measures: names and parameters of checks, and actions.
func Validate(s *scenario.Scenario) error {
	errs := []error{validate(s, s.Steps)}
	for i, text := range s.Faults {
		_, err := action(s, s.Place("faults", i), text)
		errs = append(errs, err)
	}
	for i := range s.Tasks {
		t := &s.Tasks[i]
		errs = append(errs, validate(s, t.Checks))
		for k, text := range t.Solution.Do {
			_, err := action(s, s.Place("tasks", i, "solution", "do", k), text)
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, validateSabotage(s))...)
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
			_, err = action(s, st.At, st.Do)
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

// Measure goes through the checks of a task, up to the first that fails: what comes behind it has nothing to build on.
func Measure(ctx context.Context, env *Env, checks []scenario.Step) (out []scenario.Result) {
	for i := range checks {
		for _, r := range step(ctx, env, &checks[i]) {
			out = append(out, r)
			if !r.OK {
				return out
			}
		}
	}
	return out
}

// Do carries out actions, up to the first that fails.
func Do(ctx context.Context, env *Env, list []string) error {
	_, err := actions(list).run(ctx, env)
	return err
}

// step carries out one step, and tells who watches when it begins and ends.
func step(ctx context.Context, env *Env, st *scenario.Step) []scenario.Result {
	if env.Watch == nil {
		return carryOut(ctx, env, st)
	}
	start := time.Now()
	env.Watch(st, nil, 0, false)
	results := carryOut(ctx, env, st)
	env.Watch(st, results, time.Since(start), true)
	return results
}

func carryOut(ctx context.Context, env *Env, st *scenario.Step) []scenario.Result {
	if st.Text != "" {
		env.Log("%s", st.Text)
	}
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
		do, err := action(env.Scenario, st.At, st.Do)
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
		if !results[i].OK {
			results[i].Message, results[i].Hint = explain(st.Message, results[i].Message), st.Hint
		}
	}
	return results
}

// explain puts what a failure means, as the scenario has it, before what was measured.
func explain(meaning, measured string) string {
	if meaning == "" || measured == "" {
		return meaning + measured
	}
	return meaning + " (" + measured + ")"
}
