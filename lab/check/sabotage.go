package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/lab/scenario"
)

// namer is a check that gives results of other names than its step's.
type namer interface {
	// names lists what its results are called when it has measured; step is the step's name.
	names(s *scenario.Scenario, step string) []string
}

// resultNames lists the results that a step gives, with those of the steps in it.
func resultNames(s *scenario.Scenario, st *scenario.Step) []string {
	if st.Check == "" {
		return resultsOf(s, st.Parallel)
	}
	c, err := decode(s, st)
	if err != nil {
		return nil // which is told at the step
	}
	if n, ok := c.(namer); ok {
		return n.names(s, st.Name)
	}
	return []string{st.Name}
}

func resultsOf(s *scenario.Scenario, steps []scenario.Step) (out []string) {
	for i := range steps {
		out = append(out, resultNames(s, &steps[i])...)
	}
	return out
}

// validateSabotage checks that the names are those of steps that the run goes through.
func validateSabotage(s *scenario.Scenario) error {
	b := s.Sabotage
	if b == nil {
		return nil
	}
	var errs []error
	for i, name := range b.Only {
		if !slices.ContainsFunc(s.Steps, func(st scenario.Step) bool { return is(&st, name) }) {
			errs = append(errs, s.ErrorAt(s.Place("sabotage", "only", i), "sabotage: only: there is no step %q", name))
		}
	}
	known := resultsOf(s, SabotageSteps(s))
	for i, name := range b.Fails {
		if !slices.Contains(known, name) {
			errs = append(errs, s.ErrorAt(s.Place("sabotage", "fails", i), "sabotage: fails: no step of the run gives a result %q; there are: %s", name,
				strings.Join(slices.Compact(known), ", ")))
		}
	}
	return errors.Join(errs...)
}

// Sabotage carries out what breaks the scenario, when it is to be broken.
func Sabotage(ctx context.Context, env *Env) error {
	if !env.Scenario.Sabotaged {
		return nil
	}
	if err := Do(ctx, env, env.Scenario.Sabotage.Do); err != nil {
		return fmt.Errorf("sabotage: %w", err)
	}
	return nil
}

// is says whether a step is meant by a name: its own, or that of its check.
func is(st *scenario.Step, name string) bool {
	return name != "" && (st.Name == name || st.Check == name)
}

// SabotageSteps are the steps that a run of the broken scenario goes through: those of only:, in their order, or all up to the last
// that gives a result of fails:.
func SabotageSteps(s *scenario.Scenario) (out []scenario.Step) {
	b := s.Sabotage
	if len(b.Only) > 0 {
		return slices.DeleteFunc(slices.Clone(s.Steps), func(st scenario.Step) bool {
			return !slices.ContainsFunc(b.Only, func(name string) bool { return is(&st, name) })
		})
	}
	last := len(s.Steps) - 1
	for i := range s.Steps {
		if slices.ContainsFunc(resultNames(s, &s.Steps[i]), func(name string) bool { return slices.Contains(b.Fails, name) }) {
			last = i
		}
	}
	return s.Steps[:last+1]
}

// caught says that all has failed of what a sabotage breaks in these steps: what comes behind them in the broken scenario says no more.
func caught(s *scenario.Scenario, steps []scenario.Step, results []scenario.Result) bool {
	if !s.Sabotaged {
		return false
	}
	names := resultsOf(s, steps)
	here := slices.DeleteFunc(s.Sabotage.Judge(results).Fails, func(c scenario.Catch) bool { return !slices.Contains(names, c.Name) })
	return len(here) > 0 && !slices.ContainsFunc(here, func(c scenario.Catch) bool { return !c.Caught })
}

func (c *failClosed) names(_ *scenario.Scenario, step string) []string {
	return []string{step, failClosedOthers, memberStart}
}

func (c *keyServerLoss) names(*scenario.Scenario, string) []string {
	return []string{ksKillGoesOn, ksKillCloses, ksStart}
}

func (c *soak) names(s *scenario.Scenario, _ string) []string {
	out := []string{soakRekeys, soakTraffic}
	for _, n := range c.daemons(s) {
		out = append(out, soakMemory+n)
	}
	return out
}

func (c *throughout) names(s *scenario.Scenario, step string) []string {
	out := append(resultsOf(s, c.Steps), step)
	if c.Apart != nil {
		out = append(out, betweenSides)
	}
	return out
}
