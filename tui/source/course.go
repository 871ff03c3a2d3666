package source

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// Course is what a lab is for, as getvpn-lab describes it in the course.json beside its lab.json: the scenario's story, the
// tasks that it sets with what they are worth, and the steps of a run. It is a value: views only read it.
type Course struct {
	Scenario string       `json:"scenario"`
	Title    string       `json:"title"`
	Text     string       `json:"text"` // paragraphs, with blank lines between them
	Tasks    []CourseTask `json:"tasks"`
	Steps    []CourseStep `json:"steps"`
	Earned   int          `json:"earned"` // points
	Most     int          `json:"most"`   // points that can be earned
	Graded   time.Time    `json:"graded"` // when the tasks were looked at last; zero: never
	Solution string       `json:"solution,omitempty"`
	Over     string       `json:"over,omitempty"` // TaskPassed: all are; OverSolution: it was asked for; empty: the exercise goes on

	raw  json.RawMessage // as it was read
	file os.FileInfo
}

// CourseTask is something to be brought about in the lab.
type CourseTask struct {
	Name    string    `json:"name"`
	Title   string    `json:"title"`
	Text    string    `json:"text"`
	Points  int       `json:"points"`
	Earned  int       `json:"earned"`
	State   string    `json:"state"` // TaskOpen, TaskPassed or TaskFailed
	Value   string    `json:"value"` // what was measured
	Want    string    `json:"want"`
	Message string    `json:"message"`
	Hints   int       `json:"hints"` // that there are
	Taken   []string  `json:"taken"` // those that were asked for, in full
	Checked time.Time `json:"checked"`
}

// What has become of a task.
const (
	TaskOpen   = "open" // nobody has looked yet
	TaskPassed = "passed"
	TaskFailed = "failed"
)

// OverSolution is how an exercise ended whose solution was asked for.
const OverSolution = "solution"

// CourseStep is a check or an action of a run.
type CourseStep struct {
	Name    string  `json:"name"`
	What    string  `json:"what"`
	State   string  `json:"state"` // StepWaiting, StepRunning, StepPassed, StepFailed or StepDone
	Value   string  `json:"value"`
	Want    string  `json:"want"`
	Message string  `json:"message"`
	Seconds float64 `json:"seconds"` // that it took
}

// What has become of a step; an action is done, a check has passed or failed.
const (
	StepWaiting = "waiting"
	StepRunning = "running"
	StepPassed  = "passed"
	StepFailed  = "failed"
	StepDone    = "done"
)

// Task finds a task; nil: there is none, or no course.
func (c *Course) Task(name string) *CourseTask {
	if c == nil {
		return nil
	}
	if i := slices.IndexFunc(c.Tasks, func(t CourseTask) bool { return t.Name == name }); i >= 0 {
		return &c.Tasks[i]
	}
	return nil
}

// ParseCourse reads a course.json.
func ParseCourse(text []byte) (*Course, error) {
	c := &Course{raw: text}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("course.json: %w", err)
	}
	return c, nil
}

// readCourse reads what a lab is for.
func readCourse(lab string, older *Course) *Course {
	return reread(lab, "course.json", older, func(c *Course) *os.FileInfo { return &c.file }, ParseCourse)
}
