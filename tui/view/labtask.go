package view

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Task is a row of the lab view in full: the story, a task with its hints and what was measured, a step, or something to be
// tried.
type Task struct{}

// Name implements View.
func (Task) Name() string { return "task" }

// Page implements View.
func (Task) Page(f *Frame) *Page {
	if f.Fleet.State != nil {
		for _, r := range labRows(f.Fleet) {
			if r.id() == f.Task {
				return &Page{Head: f.labText(&r), Command: func(int) string { return r.command() }}
			}
		}
	}
	return &Page{Head: []string{f.Theme.Warn.Render(" " + f.Task + " is not in this lab any more; esc goes back")}}
}

// Data implements View.
func (Task) Data(fleet *source.Fleet, group string) any { return Lab{}.Data(fleet, group) }

// labText is all that is known of a row.
func (f *Frame) labText(r *labRow) []string {
	switch {
	case r.asked != nil:
		return f.taskText(r.asked)
	case r.step != nil:
		return f.stepText(r.step)
	case r.try != nil:
		return f.tryText(r.try)
	}
	return f.storyText(r.course)
}

func (f *Frame) storyText(c *source.Course) []string {
	out := []string{f.section("STORY", f.Theme.Dim.Render(c.Title))}
	if c.Text == "" {
		out = append(out, f.paragraphs(" ", "This lab has no course: it sets no tasks, and tells no story. 'getvpn-lab list' names those that do, break-fix-1 for one; "+
			"'getvpn-lab run NAME' goes through the checks of a scenario, step by step.")...)
	} else {
		out = append(out, f.paragraphs(" ", c.Text)...)
	}
	if c.Solution != "" {
		out = append(out, "", f.section("SOLUTION", ""))
		out = append(out, f.paragraphs(" ", c.Solution)...)
	}
	return out
}

func (f *Frame) taskText(c *source.CourseTask) []string {
	t := f.Theme
	worth := t.Text.Render(fmt.Sprintf("%d of %d points", c.Earned, c.Points))
	out := []string{f.section("TASK "+c.Name, t.State(stateOfTask(c.State), c.State)+"  "+worth)}
	if c.Title != "" {
		out = append(out, " "+t.Title.Render(c.Title))
	}
	found := f.measured(stateOfTask(c.State), c.Value, c.Want, c.Message)
	if c.Value != "" { // what is wrong is what one wants to know then
		out, found = append(out, found...), nil
	}
	out = append(out, f.paragraphs(" ", c.Text)...)
	out = append(out, found...)
	if !c.Checked.IsZero() {
		out = append(out, " "+f.field("checked ", clock(c.Checked))+t.Dim.Render("   c checks again"))
	} else {
		out = append(out, " "+t.Dim.Render("not checked yet: c does"))
	}
	if c.Hints == 0 {
		return out
	}
	out = append(out, f.section("HINTS", t.Dim.Render(fmt.Sprintf("%d of %d taken", len(c.Taken), c.Hints))))
	for i, h := range c.Taken {
		for k, line := range f.paragraphs("", h) {
			number := "    "
			if k == 0 {
				number = fmt.Sprintf("%3d ", i+1)
			}
			out = append(out, t.Accent.Render(number)+line)
		}
	}
	if n := c.Hints - len(c.Taken); n > 0 {
		out = append(out, " "+t.Dim.Render(fmt.Sprintf("i asks for the next one; each costs a part of the points. %d left", n)))
	}
	return out
}

func (f *Frame) stepText(s *source.CourseStep) []string {
	took := ""
	if s.Seconds > 0 {
		took = f.Theme.Dim.Render("after " + seconds(s.Seconds) + " s  ")
	}
	out := []string{f.section("STEP "+s.Name, took+f.Theme.State(stateOfTask(s.State), s.State))}
	out = append(out, f.paragraphs(" ", s.What)...)
	return append(out, f.measured(stateOfTask(s.State), s.Value, s.Want, s.Message)...)
}

// measured sets what was found against what is wanted.
func (f *Frame) measured(l theme.Level, value, want, message string) []string {
	t := f.Theme
	var out []string
	say := func(name, text string, style lipgloss.Style) {
		if text == "" {
			return
		}
		for i, line := range strings.Split(widget.Wrap(text, f.readable()-10), "\n") {
			if i > 0 {
				name = ""
			}
			out = append(out, " "+t.Dim.Render(widget.Pad(name, 9, false))+style.Render(line))
		}
	}
	say("measured", value, t.Level(l))
	say("wanted", want, t.Text)
	say("", message, t.Text)
	return out
}

func (f *Frame) tryText(x *try) []string {
	t := f.Theme
	out := []string{f.section("TRY "+x.Name, t.Dim.Render(x.Title))}
	out = append(out, f.paragraphs(" ", x.Text)...)
	switch {
	case x.Command != "":
		out = append(out, " "+t.Dim.Render("here     ")+t.Accent.Render(":"+x.Command)+t.Dim.Render("   t types it for you; it asks before it does it"))
	case x.Shell != "":
		out = append(out, " "+t.Dim.Render("a shell  ")+t.Accent.Render(x.Shell))
	}
	if x.Also != "" {
		out = append(out, " "+t.Dim.Render("and      ")+t.Accent.Render(x.Also))
	}
	if x.View != "" {
		out = append(out, " "+t.Dim.Render("look at  ")+t.Text.Render(fmt.Sprintf("view %s (%d)", x.View, viewNumber(x.View))))
	}
	return out
}

// viewNumber is the key of a view.
func viewNumber(name string) int {
	for i, n := range Names() {
		if n == name {
			return (i + 1) % 10
		}
	}
	return 0
}
