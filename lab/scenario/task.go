package scenario

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// An exercise is a scenario with tasks. Once its members have registered its faults: break something, and somebody finds out what
// and mends it:
//
//	story: |
//	  What the trainee is told.
//	faults: ["configure ${victim.gm} secret=old", "stop ${victim.gm}", "start ${victim.gm}"]
//	tasks:
//	  - name: site-back
//	    title: Bring the site back
//	    text: ...
//	    points: 12
//	    checks: [{check: reach, pairs: all, within: 5s, message: a site is cut off}]     all of them decide
//	    hints: [vague, nearer, "$ the command line"]                                      in this order; each costs its part
//	    solution: {text: why, do: ["configure ${victim.gm}", "reload ${victim.gm}"]}
//
// Nothing shows faults: and solution: before they are asked for; but they are in the scenario file, which root can read.

// Task is something to do in an exercise.
type Task struct {
	Name     string   `yaml:"name"`
	Title    string   `yaml:"title"`
	Text     string   `yaml:"text"`
	Points   int      `yaml:"points"`
	Checks   []Step   `yaml:"checks"`
	Hints    []string `yaml:"hints"` // a line of a hint that begins with "$ " is a command line, as it is typed
	Solution Solution `yaml:"solution"`
	At       Pos      `yaml:"-"`
}

// Solution is how a task is done: in words, and in actions that do it.
type Solution struct {
	Text string   `yaml:"text"`
	Do   []string `yaml:"do"`
}

// UnmarshalYAML decodes a task.
func (t *Task) UnmarshalYAML(n *yaml.Node) error {
	type plain Task
	if err := strictAt(n, (*plain)(t), &t.At); err != nil {
		return err
	}
	t.Text, t.Solution.Text = strings.TrimSpace(t.Text), strings.TrimSpace(t.Solution.Text)
	for i := range t.Hints {
		t.Hints[i] = strings.TrimSpace(t.Hints[i])
	}
	return nil
}

// Task returns the task of that name, or nil.
func (s *Scenario) Task(name string) *Task {
	for i := range s.Tasks {
		if s.Tasks[i].Name == name {
			return &s.Tasks[i]
		}
	}
	return nil
}

// Price is what a hint of the task costs. Who needed all of them still gets a part for the work of his hands.
func (t *Task) Price() int { return t.Points / (len(t.Hints) + 1) }

const mostPoints = 1000 // of one task: a report has room for them

func (s *Scenario) validateTasks(bad func(at Pos, format string, args ...any)) {
	seen := map[string]bool{}
	for i := range s.Tasks {
		t := &s.Tasks[i]
		if !nodeName.MatchString(t.Name) {
			bad(t.At, "task name %q: a letter and up to 15 more letters, digits or hyphens, in lower case", t.Name)
		}
		if seen[t.Name] {
			bad(t.At, "task %s is defined twice", t.Name)
		}
		seen[t.Name] = true
		if t.Title == "" {
			bad(t.At, "task %s: title: is missing", t.Name)
		}
		if t.Points < 1 || t.Points > mostPoints {
			bad(t.At, "task %s: points: %d is outside 1..%d", t.Name, t.Points, mostPoints)
		}
		if len(t.Checks) == 0 {
			bad(t.At, "task %s: checks: is empty, and so nothing decides whether it is done", t.Name)
		}
		for k := range t.Checks {
			if t.Checks[k].Check == "" {
				bad(t.Checks[k].At, "task %s: checks: holds checks only; what must be done before belongs into the do: of a check", t.Name)
			}
		}
		if t.Solution.Text == "" || len(t.Solution.Do) == 0 {
			bad(t.At, "task %s: solution: wants text: and do:", t.Name)
		}
	}
	if len(s.Faults) > 0 && len(s.Tasks) == 0 {
		bad(s.Place("faults"), "faults: break something, and no task of tasks: is about it")
	}
}

// Commands are the command lines in a hint.
func Commands(hint string) (out []string) {
	for line := range strings.Lines(hint) {
		if cmd, ok := strings.CutPrefix(strings.TrimSpace(line), "$ "); ok {
			out = append(out, cmd)
		}
	}
	return out
}

// Points are all that can be earned.
func (s *Scenario) Points() (n int) {
	for _, t := range s.Tasks {
		n += t.Points
	}
	return n
}

// String names the task and what it is worth.
func (t *Task) String() string { return fmt.Sprintf("%s (%d points): %s", t.Name, t.Points, t.Title) }
