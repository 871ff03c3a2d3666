package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Lab is what the lab is for: its story, the tasks with what they are worth, the steps of a run, what is broken on purpose and
// for how long, and, where nothing is asked, what can be tried.
type Lab struct{}

// Name implements View.
func (Lab) Name() string { return "lab" }

// Page implements View. The row that is chosen is told of in full below the table; the first one is the story.
func (Lab) Page(f *Frame) *Page {
	fleet := f.Fleet
	if fleet.Lab == "" {
		return f.empty("No lab is attached here: "+fleet.Title+" is the real thing.",
			"make lab brings up a group in network namespaces, to be looked at and broken.",
			"getvpn-lab list names all labs, those with tasks and hints among them;",
			"getvpn-lab up NAME brings one up, getvpn-tui --lab NAME --write attaches to it.")
	}
	if fleet.State == nil {
		return f.empty("Lab "+fleet.Lab+" is just coming up, or going.", "What is in it is shown here once getvpn-lab has said so.")
	}
	rows := labRows(fleet)
	p := &Page{Head: f.labHead(), Want: max(8, f.Height/3)}
	p.Title, p.Right = labTitle(fleet)
	p.Table = f.labTable(rows)
	p.All = len(f.labText(&rows[0]))
	p.Subject = func(i int) Subject { return Subject{Task: rows[i].task()} }
	p.Enter = func(i int) Place { return Place{View: Task{}.Name(), Task: rows[i].id()} }
	p.Command = func(i int) string { return rows[max(i, 0)].command() }
	p.Foot = func(i, room int) []string {
		if room < 3 {
			return nil
		}
		return f.cutText(f.labText(&rows[max(i, 0)]), room)
	}
	return p
}

// labTitle says what the rows are.
func labTitle(fleet *source.Fleet) (title, right string) {
	c := fleet.Course
	switch {
	case c != nil && len(c.Tasks) > 0 && len(c.Steps) > 0:
		return "TASKS AND STEPS", ""
	case c != nil && len(c.Tasks) > 0:
		return "TASKS", ""
	case c != nil && len(c.Steps) > 0:
		return "STEPS", ""
	}
	return "WHAT CAN BE TRIED HERE", "nothing is asked, nothing can be lost"
}

// labHead is the lab in a few lines: how far one is, and what is broken.
func (f *Frame) labHead() []string {
	t, fleet := f.Theme, f.Fleet
	c := fleet.Course
	scenario := "scenario " + fleet.State.Scenario
	if c != nil && !c.Graded.IsZero() {
		scenario += " · checked " + clock(c.Graded)
	}
	if c == nil || c.Title == "" {
		return append([]string{f.section("LAB "+fleet.Lab, t.Dim.Render(scenario))}, f.faultLines()...)
	}
	out := []string{f.section("LAB "+fleet.Lab, t.Dim.Render(scenario)), " " + t.Title.Render(widget.Cut(c.Title, f.Width-2))}
	if len(c.Tasks) > 0 {
		out = append(out, f.score(c)...)
	}
	if n := len(c.Steps); n > 0 {
		out = append(out, f.progress(c.Steps))
	}
	return append(out, f.faultLines()...)
}

// score says how many points there are, what became of the tasks, and what comes next.
func (f *Frame) score(c *source.Course) []string {
	t := f.Theme
	count, taken := map[string]int{}, 0
	for i := range c.Tasks {
		count[c.Tasks[i].State]++
		taken += len(c.Tasks[i].Taken)
	}
	part := 0.0
	if c.Most > 0 {
		part = float64(c.Earned) / float64(c.Most)
	}
	level := theme.Neutral
	if c.Earned == c.Most && c.Most > 0 {
		level = theme.Good
	}
	bar := widget.Bar(t, level, part, max(8, min(24, f.Width/5)))
	fields := []string{t.Dim.Render("SCORE ") + bar + t.Text.Render(fmt.Sprintf(" %d of %d points", c.Earned, c.Most)),
		f.field("TASKS", fmt.Sprintf("%d of %d passed", count[source.TaskPassed], len(c.Tasks)))}
	if taken > 0 {
		fields = append(fields, f.field("HINTS", fmt.Sprintf("%d taken", taken)))
	}
	out := f.flow(fields...)
	switch {
	case c.Over == source.OverSolution:
		out = append(out, f.sentence(theme.Caution, "the solution was asked for, so this exercise is over; B begins it again"))
	case c.Over != "":
		out = append(out, f.sentence(theme.Good, "all of it is solved; B begins it again, 'getvpn-lab list' names others"))
	case c.Graded.IsZero():
		out = append(out, f.sentence(theme.Neutral, "nobody has looked yet: repair what is wrong, then c checks it; i asks for a hint, which costs points"))
	}
	return out
}

// progress says how far a run is.
func (f *Frame) progress(steps []source.CourseStep) string {
	count := map[string]int{}
	seconds, now := 0.0, ""
	for _, s := range steps {
		count[s.State]++
		seconds += s.Seconds
		if s.State == source.StepRunning {
			now = s.Name
		}
	}
	ended := len(steps) - count[source.StepWaiting] - count[source.StepRunning]
	level, word := theme.Good, fmt.Sprintf("%d of %d steps, no check failed", ended, len(steps))
	if n := count[source.StepFailed]; n > 0 {
		level, word = theme.Broken, fmt.Sprintf("%d of %d steps, %d failed", ended, len(steps), n)
	}
	line := " " + f.Theme.Dim.Render("RUN ") + f.Theme.State(level, word) + "   " + f.field("took", widget.Clock(time.Duration(seconds*float64(time.Second))))
	if now != "" {
		line += "   " + f.field("now", now)
	}
	return line
}

// labTable lists the rows; only columns that some row fills are there.
func (f *Frame) labTable(rows []labRow) *widget.Table {
	t := &widget.Table{Len: len(rows), ID: func(i int) string { return rows[i].id() }, More: func(i int) string { return rows[i].kind + " " + rows[i].text() }}
	column := columns(t, rows)
	has := map[string]bool{}
	for i := range rows {
		has[rows[i].kind] = true
	}
	column(widget.Column{Title: " NAME"}, func(r *labRow) widget.Cell { return widget.Text(" " + r.name) })
	if has[kindTask] && has[kindStep] {
		column(widget.Column{Title: "KIND", Drop: 3}, func(r *labRow) widget.Cell { return widget.Text(r.kind) })
	}
	if has[kindTask] || has[kindStep] {
		column(widget.Column{Title: "STATE"}, func(r *labRow) widget.Cell { return r.state() })
	}
	if has[kindTask] {
		column(widget.Column{Title: "POINTS", Right: true}, func(r *labRow) widget.Cell { return r.points() })
		column(widget.Column{Title: "HINTS", Right: true, Drop: 1}, func(r *labRow) widget.Cell { return r.hints() })
	}
	column(widget.Column{Title: "WHAT", Flex: true, Min: 24}, func(r *labRow) widget.Cell { return widget.Text(r.title()) })
	if has[kindStep] {
		column(widget.Column{Title: "VALUE", Drop: 1}, func(r *labRow) widget.Cell { return r.value() })
		column(widget.Column{Title: "TOOK", Right: true, Drop: 2}, func(r *labRow) widget.Cell { return r.took() })
	}
	if has[kindTry] {
		column(widget.Column{Title: "COMMAND", Drop: 1}, func(r *labRow) widget.Cell { return widget.Text(r.how()) })
	}
	return t
}

// Data implements View.
func (Lab) Data(fleet *source.Fleet, _ string) any {
	type down struct {
		Node   string `json:"node"`
		Wanted string `json:"wanted"` // stopped, killed or paused
	}
	out := struct {
		Lab    string            `json:"lab"` // empty: the console is not attached to one
		Course *source.Course    `json:"course"`
		Faults []source.LabFault `json:"faults"` // that last
		Down   []down            `json:"down"`   // daemons that do not run, because somebody wanted so
		Try    []try             `json:"try"`
	}{fleet.Lab, fleet.Course, []source.LabFault{}, []down{}, []try{}}
	if fleet.State == nil {
		return out
	}
	for _, x := range fleet.State.Faults {
		if x.Lasts(fleet.Time) {
			out.Faults = append(out.Faults, x)
		}
	}
	for i := range fleet.State.Nodes {
		if n := &fleet.State.Nodes[i]; n.Ended() {
			out.Down = append(out.Down, down{n.Name, n.Wanted})
		}
	}
	out.Try = append(out.Try, tries(fleet)...)
	return out
}

// readable is how wide a text may be.
func (f *Frame) readable() int { return max(20, min(f.Width-2, 110)) }

// paragraphs wraps a text; blank lines stay.
func (f *Frame) paragraphs(indent, text string) []string {
	var out []string
	for _, line := range strings.Split(widget.Wrap(strings.TrimSpace(text), f.readable()-4), "\n") {
		out = append(out, indent+f.Theme.Text.Render(line))
	}
	return out
}

// cutText cuts a text to a room, and says that there is more.
func (f *Frame) cutText(lines []string, room int) []string {
	if len(lines) <= room {
		return lines
	}
	return append(lines[:room-1:room-1], " "+f.Theme.Dim.Render("… enter shows all of it"))
}
