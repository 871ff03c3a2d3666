package course

import (
	"fmt"
	"io"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// Report is the outcome of a grading, for people and programs.
type Report struct {
	Lab      string       `json:"lab"`
	Scenario string       `json:"scenario"`
	Title    string       `json:"title"`
	Seed     uint64       `json:"seed,omitempty"`
	OK       bool         `json:"ok"` // every task passed
	Earned   int          `json:"earned"`
	Most     int          `json:"most"`
	Seconds  float64      `json:"seconds"` // from the beginning to the end, or to now
	Hints    int          `json:"hints"`   // taken
	Over     string       `json:"over,omitempty"`
	Begun    time.Time    `json:"begun"`
	Graded   time.Time    `json:"graded"`
	Tasks    []TaskReport `json:"tasks"`
}

// TaskReport is the outcome of one task.
type TaskReport struct {
	Name   string            `json:"name"`
	Title  string            `json:"title"`
	State  string            `json:"state"`
	Points int               `json:"points"`
	Earned int               `json:"earned"`
	Hints  int               `json:"hints"` // taken
	Left   int               `json:"hints_left"`
	Checks []scenario.Result `json:"checks"` // up to the first that failed
}

// Report is that of the grading that was just done, with what it found.
func (c *Course) Report(lab string, found map[string][]scenario.Result) *Report {
	end := c.Graded
	if !c.Finished.IsZero() {
		end = c.Finished
	}
	r := &Report{Lab: lab, Scenario: c.Scenario, Title: c.Title, Seed: c.Seed, OK: c.AllPassed(), Earned: c.Earned, Most: c.Most,
		Seconds: end.Sub(c.Begun).Seconds(), Over: c.Over, Begun: c.Begun, Graded: c.Graded}
	for _, t := range c.Tasks {
		r.Hints += len(t.Taken)
		r.Tasks = append(r.Tasks, TaskReport{t.Name, t.Title, t.State, t.Points, t.Earned, len(t.Taken), t.Hints - len(t.Taken), found[t.Name]})
	}
	return r
}

// Print writes the report as text; its last line is the sum.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s", r.Scenario, r.Title)
	if r.Seed != 0 {
		fmt.Fprintf(w, " (seed %d)", r.Seed)
	}
	fmt.Fprintln(w)
	passed := 0
	for _, t := range r.Tasks {
		word := "not yet"
		if t.State == Passed {
			word = "passed"
			passed++
		}
		fmt.Fprintf(w, "\n%s  %s: %s, %d of %d points%s\n", t.Name, t.Title, word, t.Earned, t.Points, taken(t.Hints))
		for _, c := range t.Checks {
			fmt.Fprintln(w, " ", c)
		}
		if t.State != Passed && t.Left > 0 && r.Over == "" {
			fmt.Fprintf(w, "  stuck? getvpn-lab hint %s\n", t.Name)
		}
	}
	how := ""
	if r.Over == OverSolution {
		how = "; the solution was shown, and the points are those of then"
	}
	fmt.Fprintf(w, "\n%d of %d tasks, %d of %d points, %s%s%s\n", passed, len(r.Tasks), r.Earned, r.Most,
		(time.Duration(r.Seconds) * time.Second).String(), taken(r.Hints), how)
}

func taken(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return ", 1 hint"
	}
	return fmt.Sprintf(", %d hints", n)
}
