package course

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/getvpn/getvpn/lab/check"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Follow writes the course of a run: its steps, each time that one begins or ends.
func Follow(dir string, env *check.Env) error {
	c := New(env.Scenario, time.Now())
	c.Plan(env.Scenario.Steps)
	var mu sync.Mutex
	env.Watch = func(st *scenario.Step, results []scenario.Result, took time.Duration, done bool) {
		mu.Lock()
		defer mu.Unlock()
		c.Watch(st, results, took, done)
		if err := c.Write(dir); err != nil { // the run is worth more than what shows it
			env.Log("%v", err)
		}
	}
	return c.Write(dir)
}

// Prove plays an exercise through, as its run does: what is broken is found by the checks of each task, and the solutions mend it.
func Prove(ctx context.Context, env *check.Env, report func(scenario.Result)) error {
	s := env.Scenario
	watch := env.Watch
	env.Watch = nil
	defer func() { env.Watch = watch }()
	env.Log("the exercise begins")
	if err := check.Do(ctx, env, s.Faults); err != nil {
		return err
	}
	for i := range s.Tasks {
		start := time.Now()
		found := check.Measure(ctx, env, s.Tasks[i].Checks)
		last := found[len(found)-1]
		report(scenario.Result{Name: "broken: " + s.Tasks[i].Name, OK: !last.OK, Value: last.Name + ": " + last.Value, Want: "a failed check", Message: last.Message,
			Seconds: time.Since(start).Seconds()})
	}
	for _, t := range s.Tasks {
		if err := check.Do(ctx, env, t.Solution.Do); err != nil {
			return err
		}
	}
	for i := range s.Tasks {
		start := time.Now()
		found := check.Measure(ctx, env, s.Tasks[i].Checks)
		var values []string
		for _, r := range found {
			values = append(values, r.Name+": "+r.Value)
		}
		last := found[len(found)-1]
		report(scenario.Result{Name: "mended: " + s.Tasks[i].Name, OK: last.OK, Value: strings.Join(values, "; "), Want: last.Want, Message: last.Message,
			Seconds: time.Since(start).Seconds()})
	}
	return ctx.Err()
}
