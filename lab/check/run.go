package check

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Validate checks what a scenario does and measures: names and parameters of checks, and actions.
func Validate(s *scenario.Scenario) error {
	err := validate(s, s.Steps)
	errs := []error{err, needsSteps(s, err)}
	for _, d := range beside(s) {
		_, err := action(s, d.at, d.text)
		errs = append(errs, err)
	}
	for i := range s.Tasks {
		errs = append(errs, validate(s, s.Tasks[i].Checks))
	}
	return errors.Join(append(errs, validateSabotage(s))...)
}

// deed is an action and where the file has it.
type deed struct {
	at   scenario.Pos
	text string
}

// beside are the actions that are in no step: of faults, solutions and sabotage.
func beside(s *scenario.Scenario) (out []deed) {
	add := func(list []string, path ...any) {
		for i, text := range list {
			out = append(out, deed{s.Place(append(path, i)...), text})
		}
	}
	add(s.Faults, "faults")
	for i := range s.Tasks {
		add(s.Tasks[i].Solution.Do, "tasks", i, "solution", "do")
	}
	if s.Sabotage != nil {
		add(s.Sabotage.Do, "sabotage", "do")
	}
	return out
}

// needsSteps says what a scenario lacks that leaves out nodes which the steps of its base name.
func needsSteps(s *scenario.Scenario, err error) error {
	var named []string
	for _, n := range s.LeftOut() {
		if err != nil && strings.Contains(err.Error(), strconv.Quote(n)) {
			named = append(named, n)
		}
	}
	if len(named) == 0 {
		return nil
	}
	return s.ErrorAt(scenario.Pos{}, "without: leaves out %s, and the steps of the base name it: the file needs steps: of its own", strings.Join(named, ", "))
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
			report(scenario.Result{Name: "run", Value: scenario.Interrupted, Want: "all steps", Message: ctx.Err().Error()})
			return
		}
		for _, r := range step(ctx, env, &env.Scenario.Steps[i]) {
			report(r)
		}
	}
	if v, ok := env.virtual(); ok {
		report(invariants(ctx, v))
	}
}

// invariants is what the simulator watches by itself.
func invariants(ctx context.Context, v driver.Virtual) scenario.Result {
	broken, err := v.Broken(ctx)
	r := scenario.Result{Name: scenario.Invariants, OK: len(broken) == 0, Value: fmt.Sprintf("%d of the simulator's invariants broken", len(broken)), Want: "0"}
	if err != nil {
		r = failed(err)[0]
		r.Name = scenario.Invariants
	} else if !r.OK {
		r.Message = strings.Join(broken[:min(len(broken), keptOffences)], "; ")
	}
	return r
}

// Measure goes through the checks of a task, up to the first that fails: what comes behind it has nothing to build on.
func Measure(ctx context.Context, env *Env, checks []scenario.Step) (out []scenario.Result) {
	for i := range checks {
		for _, r := range step(ctx, env, &checks[i]) {
			out = append(out, r)
			if r.Failed() {
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
	start := env.now()
	env.Watch(st, nil, 0, false)
	results := carryOut(ctx, env, st)
	env.Watch(st, results, env.since(start), true)
	return results
}

func carryOut(ctx context.Context, env *Env, st *scenario.Step) []scenario.Result {
	if st.Text != "" {
		env.Log("%s", st.Text)
	}
	if len(st.Parallel) > 0 {
		all := make([][]scenario.Result, len(st.Parallel))
		var steps []func()
		for i := range st.Parallel {
			steps = append(steps, func() { all[i] = step(ctx, env, &st.Parallel[i]) })
		}
		env.clock().together(ctx, steps)
		var out []scenario.Result
		for _, r := range all {
			out = append(out, r...)
		}
		return out
	}
	start := env.now()
	if st.Do != "" {
		env.Log("%s", st.Do)
		if err := doStep(ctx, env, st); err != nil {
			return []scenario.Result{{Name: st.Do, Skipped: errors.Is(err, driver.ErrNoNetwork), Value: scenario.ActionFailed, Want: "done", Message: err.Error(), Seconds: env.since(start).Seconds()}}
		}
		return nil
	}
	if err := env.lacks(st); err != nil {
		return skipped(env, st, err)
	}
	env.Log("%s ...", st.Name)
	c, err := decode(env.Scenario, st)
	if err != nil {
		return failed(err)
	}
	results := c.Run(ctx, env)
	silent := env.answers(ctx)
	for i := range results {
		if r := &results[i]; silent != nil && !r.Skipped {
			r.OK, r.Value, r.Message = false, scenario.NotMeasured, silent.Error()
		}
		if results[i].Name == "" {
			results[i].Name = st.Name
		}
		if results[i].Seconds == 0 {
			results[i].Seconds = env.since(start).Seconds()
		}
		if results[i].Failed() {
			results[i].Meaning, results[i].Message, results[i].Hint = st.Message, explain(st.Message, results[i].Message), st.Hint
		}
	}
	return results
}

// lacks says what a step needs that this lab does not have: an ErrNoNetwork.
func (e *Env) lacks(st *scenario.Step) error {
	if _, virtual := e.virtual(); !virtual {
		return nil
	}
	if st.Needs == scenario.NeedsNetwork {
		return driver.NoNetwork("nothing of what it builds on")
	}
	if what, ok := networked[st.Check]; ok {
		return driver.NoNetwork(what)
	}
	return nil
}

// skipped are all the results of a check that was not made.
func skipped(env *Env, st *scenario.Step, why error) (out []scenario.Result) {
	for _, name := range resultNames(env.Scenario, st) {
		out = append(out, scenario.Result{Name: name, Skipped: true, Message: why.Error()})
	}
	return out
}

// doStep carries out the action of a step.
func doStep(ctx context.Context, env *Env, st *scenario.Step) error {
	env.last.note(st.Do, env.now())
	if err := env.lacks(st); err != nil {
		return err
	}
	do, err := action(env.Scenario, st.At, st.Do)
	if err == nil {
		err = env.refuses(st.Do)
	}
	if err == nil {
		_, err = do(ctx, env)
	}
	return err
}

// explain puts what a failure means, as the scenario has it, before what was measured.
func explain(meaning, measured string) string {
	if meaning == "" || measured == "" {
		return meaning + measured
	}
	return meaning + " (" + measured + ")"
}
