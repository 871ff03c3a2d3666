package view

import (
	"fmt"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Kinds of rows of the lab view.
const (
	kindStory = "story"
	kindTask  = "task"
	kindStep  = "step"
	kindTry   = "try"
)

// labRow is the story, or one of the others; of the pointers one is set.
type labRow struct {
	kind, name string
	course     *source.Course
	asked      *source.CourseTask
	step       *source.CourseStep
	try        *try
}

// labRows lists the story, tasks, steps, and, if there are neither, what can be tried.
func labRows(fleet *source.Fleet) []labRow {
	c := fleet.Course
	if c == nil {
		c = &source.Course{}
	}
	rows := []labRow{{kind: kindStory, name: "story", course: c}}
	for i := range c.Tasks {
		rows = append(rows, labRow{kind: kindTask, name: c.Tasks[i].Name, course: c, asked: &c.Tasks[i]})
	}
	for i := range c.Steps {
		rows = append(rows, labRow{kind: kindStep, name: c.Steps[i].Name, course: c, step: &c.Steps[i]})
	}
	if len(rows) > 1 {
		return rows
	}
	all := tries(fleet)
	for i := range all {
		rows = append(rows, labRow{kind: kindTry, name: all[i].Name, course: c, try: &all[i]})
	}
	return rows
}

// id names a row among all; it is the way to its page, too.
func (r *labRow) id() string {
	if r.kind == kindStory {
		return r.kind
	}
	return r.kind + " " + r.name
}

func (r *labRow) title() string {
	switch {
	case r.asked != nil:
		return r.asked.Title
	case r.step != nil:
		return r.step.What
	case r.try != nil:
		return r.try.Title
	}
	return "what this is about"
}

// text is what filters find a row by, besides its columns.
func (r *labRow) text() string {
	switch {
	case r.asked != nil:
		return r.asked.Text
	case r.step != nil:
		return r.step.Message
	case r.try != nil:
		return r.try.Text
	}
	return r.course.Text
}

// level says how good the state of a task or a step is.
func stateOfTask(state string) theme.Level {
	switch state {
	case source.TaskPassed, source.StepDone:
		return theme.Good
	case source.TaskFailed:
		return theme.Broken
	case source.StepRunning:
		return theme.Caution
	}
	return theme.Neutral
}

func (r *labRow) state() widget.Cell {
	switch {
	case r.asked != nil:
		return widget.State(stateOfTask(r.asked.State), r.asked.State)
	case r.step != nil:
		return widget.State(stateOfTask(r.step.State), r.step.State)
	}
	return widget.None()
}

func (r *labRow) points() widget.Cell {
	if r.asked == nil {
		return widget.None()
	}
	return widget.Num(float64(r.asked.Earned), fmt.Sprintf("%d/%d", r.asked.Earned, r.asked.Points))
}

func (r *labRow) hints() widget.Cell {
	if r.asked == nil || r.asked.Hints == 0 {
		return widget.None()
	}
	return widget.Num(float64(len(r.asked.Taken)), fmt.Sprintf("%d/%d", len(r.asked.Taken), r.asked.Hints))
}

func (r *labRow) value() widget.Cell {
	if r.step == nil || r.step.Value == "" {
		return widget.None()
	}
	return widget.Text(widget.Cut(r.step.Value, 40))
}

func (r *labRow) took() widget.Cell {
	if r.step == nil || r.step.Seconds == 0 {
		return widget.None()
	}
	return widget.Num(r.step.Seconds, seconds(r.step.Seconds)+"s")
}

// how is what to type: here after the colon, or in a shell.
func (r *labRow) how() string {
	switch {
	case r.try == nil:
		return ""
	case r.try.Command != "":
		return ":" + r.try.Command
	}
	return r.try.Shell
}

// command is a line for the palette; empty: there is none.
func (r *labRow) command() string {
	if r.try != nil {
		return r.try.Command
	}
	return ""
}

// task is the task that an action on the row means.
func (r *labRow) task() string {
	if r.asked != nil {
		return r.asked.Name
	}
	return ""
}
