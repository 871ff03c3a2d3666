package course

import (
	"strings"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// Step is a step of a run.
type Step struct {
	Name    string  `json:"name"`
	What    string  `json:"what"` // the check or the action in words
	State   string  `json:"state"`
	Value   string  `json:"value"`
	Want    string  `json:"want"`
	Message string  `json:"message"`
	Seconds float64 `json:"seconds"`

	of *scenario.Step
}

// The states of steps, beside Passed and Failed, which checks come to.
const (
	Waiting = "waiting"
	Running = "running"
	Done    = "done" // an action
)

// Plan lists the steps of a run, those that run in parallel one by one.
func (c *Course) Plan(steps []scenario.Step) {
	for i := range steps {
		st := &steps[i]
		if len(st.Parallel) > 0 {
			c.Plan(st.Parallel)
			continue
		}
		name := st.Name
		if name == "" {
			name = st.Do
		}
		c.Steps = append(c.Steps, Step{Name: name, What: describe(st), State: Waiting, of: st})
	}
}

func describe(st *scenario.Step) string {
	if st.Text != "" {
		return st.Text
	}
	return st.What()
}

// Watch notes that a step begins, or ends with its results; steps that are not planned are passed over.
func (c *Course) Watch(st *scenario.Step, results []scenario.Result, took time.Duration, done bool) {
	for i := range c.Steps {
		if s := &c.Steps[i]; s.of == st {
			s.note(results, took, done)
		}
	}
}

func (s *Step) note(results []scenario.Result, took time.Duration, done bool) {
	s.State, s.Seconds = Running, took.Seconds()
	if !done {
		return
	}
	s.State = Passed
	if s.of.Do != "" {
		s.State = Done
	}
	var values []string
	for _, r := range results {
		if r.Failed() {
			s.State, s.Value, s.Want, s.Message = Failed, r.Value, r.Want, r.Message
			return
		}
		if r.Skipped {
			s.State = Done
		}
		values = append(values, r.Value)
		s.Want, s.Message = r.Want, r.Message
	}
	s.Value = strings.Join(values, "; ")
}
