package course

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// Course is course.json; the package comment documents it.
type Course struct {
	Scenario string    `json:"scenario"`
	Title    string    `json:"title"`
	Text     string    `json:"text"`
	Seed     uint64    `json:"seed,omitempty"`
	Tasks    []Task    `json:"tasks"`
	Steps    []Step    `json:"steps"`
	Earned   int       `json:"earned"`
	Most     int       `json:"most"`
	Begun    time.Time `json:"begun,omitzero"` // when everything was broken, and the clock began
	Graded   time.Time `json:"graded,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	Over     string    `json:"over,omitempty"`
	Solution string    `json:"solution,omitempty"`
}

// Task is what a trainee has to do, and how far it is.
type Task struct {
	Name    string    `json:"name"`
	Title   string    `json:"title"`
	Text    string    `json:"text"`
	Points  int       `json:"points"`
	Earned  int       `json:"earned"`
	State   string    `json:"state"`
	Value   string    `json:"value"`
	Want    string    `json:"want"`
	Message string    `json:"message"`
	Hints   int       `json:"hints"` // how many there are
	Taken   []string  `json:"taken"`
	Checked time.Time `json:"checked,omitzero"`
}

// The states of tasks, and OverSolution, beside Passed an end of an exercise.
const (
	Open         = "open" // nobody has looked yet
	Passed       = "passed"
	Failed       = "failed"
	OverSolution = "solution"
)

// New is the course of a lab that was just brought up.
func New(s *scenario.Scenario, now time.Time) *Course {
	c := &Course{Scenario: s.Name, Title: s.Title, Text: s.Story, Seed: s.Seed, Tasks: []Task{}, Steps: []Step{}, Most: s.Points()}
	if c.Text == "" {
		c.Text = s.Description
	}
	c.Text = strings.TrimSpace(c.Text)
	for _, t := range s.Tasks {
		c.Tasks = append(c.Tasks, Task{Name: t.Name, Title: t.Title, Text: t.Text, Points: t.Points, State: Open, Hints: len(t.Hints), Taken: []string{}})
	}
	if len(c.Tasks) > 0 {
		c.Begun = now.UTC()
	}
	return c
}

// Again is the course of a lab that was put back to its beginning: the clock goes on, hints stay taken and a solution stays known.
func (c *Course) Again(s *scenario.Scenario, now time.Time) *Course {
	again := New(s, now)
	again.Begun = c.Begun
	for i := range again.Tasks {
		if t := c.Task(again.Tasks[i].Name); t != nil {
			again.Tasks[i].Taken = t.Taken
		}
	}
	if c.Over == OverSolution {
		again.Over, again.Solution, again.Finished = c.Over, c.Solution, c.Finished
	}
	return again
}

// Task finds one, or nil.
func (c *Course) Task(name string) *Task {
	if i := slices.IndexFunc(c.Tasks, func(t Task) bool { return t.Name == name }); i >= 0 {
		return &c.Tasks[i]
	}
	return nil
}

// ErrNoTasks says that a lab is no exercise.
var ErrNoTasks = errors.New("this lab has no tasks")

func (c *Course) find(name string) (*Task, error) {
	if len(c.Tasks) == 0 {
		return nil, fmt.Errorf("%w: %s is no exercise; getvpn-lab list shows which are", ErrNoTasks, c.Scenario)
	}
	t := c.Task(name)
	if t == nil {
		var names []string
		for _, t := range c.Tasks {
			names = append(names, t.Name)
		}
		return nil, fmt.Errorf("there is no task %q; there are: %s", name, strings.Join(names, ", "))
	}
	return t, nil
}

// Hint takes the next hint of a task and gives it with what it cost. Nothing is asked, because who types it wants it; when the
// exercise is over hints cost nothing.
func (c *Course) Hint(s *scenario.Scenario, task string) (hint string, price int, err error) {
	t, err := c.find(task)
	if err != nil {
		return "", 0, err
	}
	of := s.Task(task)
	if of == nil || len(t.Taken) >= len(of.Hints) {
		return "", 0, fmt.Errorf("task %s: all %d hints are taken; getvpn-lab solution shows how it is done, and ends the exercise", task, len(t.Taken))
	}
	hint = of.Hints[len(t.Taken)]
	t.Taken = append(t.Taken, hint)
	if c.Over == "" && t.State != Passed {
		price = of.Price()
	}
	return hint, price, nil
}

// Price is what the next hint costs; 0: there is none, or the task is done.
func (t *Task) Price() int {
	if len(t.Taken) >= t.Hints || t.State == Passed {
		return 0
	}
	return t.Points / (t.Hints + 1)
}

// Worth is what a task would still earn, with the hints taken so far.
func (t *Task) Worth() int { return t.Points - len(t.Taken)*(t.Points/(t.Hints+1)) }

// Judge notes what the checks of a task have found, and what it earns.
func (c *Course) Judge(task string, found []scenario.Result, now time.Time) {
	t := c.Task(task)
	if t == nil || len(found) == 0 {
		return
	}
	last := found[len(found)-1] // the one that failed, or the last that passed
	was := t.State
	t.State, t.Value, t.Want, t.Message, t.Checked = Passed, last.Value, last.Want, last.Message, now.UTC()
	if !last.OK {
		t.State = Failed
	}
	if c.Over == OverSolution {
		return
	}
	switch {
	case t.State != Passed:
		t.Earned = 0
	case was != Passed: // a hint taken afterwards is for the curious
		t.Earned = t.Worth()
	}
}

// Sum closes a look at all tasks: the points, and whether that was the last of them.
func (c *Course) Sum(now time.Time) {
	c.Earned, c.Graded = 0, now.UTC()
	for _, t := range c.Tasks {
		c.Earned += t.Earned
	}
	switch {
	case c.Over == OverSolution:
	case !c.AllPassed(): // also when something was broken again
		c.Over, c.Finished = "", time.Time{}
	case c.Over == "":
		c.Over, c.Finished = Passed, now.UTC()
	}
}

// AllPassed says whether the lab is as it should be.
func (c *Course) AllPassed() bool {
	return len(c.Tasks) > 0 && !slices.ContainsFunc(c.Tasks, func(t Task) bool { return t.State != Passed })
}

// Reveal ends the exercise, with the points so far, and gives the solution.
func (c *Course) Reveal(s *scenario.Scenario, now time.Time) (string, error) {
	if len(c.Tasks) == 0 {
		return "", fmt.Errorf("%w: %s is no exercise; getvpn-lab list shows which are", ErrNoTasks, c.Scenario)
	}
	var b strings.Builder
	for i, t := range s.Tasks {
		if i > 0 {
			b.WriteString("\n\n")
		}
		fmt.Fprintf(&b, "%s\n\n%s", t.Title, t.Solution.Text)
		if n := len(t.Hints); n > 0 {
			for _, cmd := range scenario.Commands(t.Hints[n-1]) {
				fmt.Fprintf(&b, "\n\n$ %s", cmd)
			}
		}
	}
	c.Solution = b.String()
	if c.Over == "" {
		c.Over, c.Finished = OverSolution, now.UTC()
	}
	return c.Solution, nil
}
