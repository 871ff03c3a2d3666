package course

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/getvpn/getvpn/lab/check"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Measure looks at the lab as it is now: the checks of all tasks, with a capture of their own.
func Measure(ctx context.Context, l check.Lab, log func(string, ...any)) (map[string][]scenario.Result, error) {
	capture, err := check.StartCapture(l)
	if err != nil {
		return nil, err
	}
	defer capture.Close()
	s := l.Scenario()
	env := &check.Env{Lab: l, Scenario: s, Capture: capture, Log: log}
	found := map[string][]scenario.Result{}
	for i := range s.Tasks {
		found[s.Tasks[i].Name] = discreet(check.Measure(ctx, env, s.Tasks[i].Checks))
	}
	if ctx.Err() != nil {
		return nil, errors.New("interrupted; nothing was graded")
	}
	return found, nil
}

// most is how much of a message without a meaning a grading shows.
const most = 120

// discreet leaves out of failed checks what their packets looked like: which site it is, is what the trainee is to find out. It gives
// what the exercise says that the failure means, in one line.
func discreet(found []scenario.Result) []scenario.Result {
	for i := range found {
		r := &found[i]
		if !r.Failed() {
			continue
		}
		if r.Meaning != "" && !r.Unmeasured() {
			r.Message = r.Meaning
		}
		r.Message, _, _ = strings.Cut(r.Message, "\n")
		if text := []rune(r.Message); r.Meaning == "" && len(text) > most {
			r.Message = string(text[:most]) + " ..."
		}
	}
	return found
}

// Grade notes what Measure has found.
func (c *Course) Grade(found map[string][]scenario.Result, now time.Time) {
	for i := range c.Tasks {
		c.Judge(c.Tasks[i].Name, found[c.Tasks[i].Name], now)
	}
	c.Sum(now)
}

// Break carries out the faults of an exercise.
func Break(ctx context.Context, l check.Lab) error {
	s := l.Scenario()
	return check.Do(ctx, &check.Env{Lab: l, Scenario: s, Log: func(string, ...any) {}}, s.Faults)
}

// Solve carries out the solutions of all tasks.
func Solve(ctx context.Context, l check.Lab, log func(string, ...any)) error {
	s := l.Scenario()
	env := &check.Env{Lab: l, Scenario: s, Log: log}
	for _, t := range s.Tasks {
		if err := check.Do(ctx, env, t.Solution.Do); err != nil {
			return err
		}
	}
	return nil
}
