package app

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/action"
	"github.com/getvpn/getvpn/tui/view"
)

// actOnGroup does something to the group of the row under the cursor.
func (m *Model) actOnGroup(verb string, flags ...string) tea.Cmd {
	s := m.subject()
	if s.Group == "" {
		m.say("", errNothing("no group is attached"))
		return nil
	}
	return m.perform(verb, append([]string{s.Group}, flags...)...)
}

// marked lists the marked rows' subjects, or that of the row under the cursor.
func (m *Model) marked() (nodes []string) {
	t, look := m.table()
	if t != nil && len(look.Marks) > 0 && m.current().Subject != nil {
		return m.nodesOf(look.Marked(t))
	}
	if n := m.subject().Node; n != "" {
		return []string{n}
	}
	return nil
}

// nodesOf are the subjects of rows.
func (m *Model) nodesOf(rows []int) (nodes []string) {
	for _, i := range rows {
		nodes = append(nodes, m.current().Subject(i).Node)
	}
	return nodes
}

// actOnMember does something to the member under the cursor, or to those that are marked.
func (m *Model) actOnMember(verb string, many bool) tea.Cmd {
	s, nodes := m.subject(), m.marked()
	if n := m.fleet.Node(s.Node); s.Node == "" || s.Group == "" || n != nil && n.Role == control.RoleKeyServer {
		m.say("", errNothing("choose a member first, in the members view"))
		return nil
	}
	if !many {
		nodes = []string{s.Node}
	}
	return m.perform(verb, append([]string{s.Group}, nodes...)...)
}

// actOnNodes does something to nodes of the lab.
func (m *Model) actOnNodes(verb string) tea.Cmd {
	nodes := m.marked()
	if len(nodes) == 0 {
		m.say("", errNothing("choose a node first"))
		return nil
	}
	return m.perform(verb, nodes...)
}

// pause stops nodes where they stand. If the one under the cursor was stopped, it goes on, and so do all that are marked if
// all of them were.
func (m *Model) pause() tea.Cmd {
	runs := func(name string) bool {
		n := m.fleet.State.Node(name)
		return n == nil || !n.Paused()
	}
	nodes, here := m.marked(), m.subject().Node
	switch {
	case len(nodes) > 0 && !slices.ContainsFunc(nodes, runs):
		return m.perform("resume", nodes...)
	case here != "" && !runs(here):
		return m.perform("resume", here)
	}
	return m.actOnNodes("pause")
}

// token pulls the HSM token of a node out, or puts it back if it is lost.
func (m *Model) token() tea.Cmd {
	name := m.subject().Node
	if name == "" {
		m.say("", errNothing("choose a key of a node first, in the custody view"))
		return nil
	}
	if m.fleet.State.TokenLost(name, m.fleet.Time) {
		return m.perform("token-return", name)
	}
	return m.perform("token-lose", name)
}

// hint asks for the next hint of the task that is chosen.
func (m *Model) hint() tea.Cmd {
	task := m.subject().Task
	if task == "" {
		m.say("", errNothing("choose a task first, in the lab view"))
		return nil
	}
	return m.perform("hint", task)
}

// rowCommand is the line for the palette that goes with the row under the cursor, or with the page.
func (m *Model) rowCommand() string {
	if p := m.current(); p.Command != nil {
		return p.Command(m.row())
	}
	return ""
}

// cut divides the network between the two sides that are marked. With one it is divided between that and all other daemons;
// the other routers, too, if a router is marked.
func (m *Model) cut() tea.Cmd {
	nodes := m.marked()
	if t, look := m.table(); t != nil {
		if far := m.nodesOf(look.MarkedFar(t)); len(far) > 0 {
			if len(look.Marked(t)) == 0 {
				m.say("", errNothing("mark the nodes of the first side as well (v)"))
				return nil
			}
			return m.perform("partition", strings.Join(nodes, ",")+"/"+strings.Join(far, ","))
		}
	}
	in, core := map[string]bool{}, false
	for _, n := range nodes {
		in[n] = true
		l := m.fleet.State.Node(n)
		core = core || l != nil && l.Kind == "core"
	}
	var rest []string
	for i := range m.fleet.Nodes {
		if n := m.fleet.Nodes[i].Name; !in[n] {
			rest = append(rest, n)
		}
	}
	if core {
		for _, n := range m.fleet.State.Nodes {
			if n.Kind == "core" && !in[n.Name] {
				rest = append(rest, n.Name)
			}
		}
	}
	if len(nodes) == 0 || len(rest) == 0 {
		m.say("", errNothing("mark the nodes of one side first (v)"))
		return nil
	}
	return m.perform("partition", strings.Join(nodes, ",")+"/"+strings.Join(rest, ","))
}

// handover asks whether the key server under the cursor shall be primary.
func (m *Model) handover() tea.Cmd {
	s := m.subject()
	if n := m.fleet.Node(s.Node); n == nil || n.Role != control.RoleKeyServer {
		m.say("", errNothing("choose a key server first, in the coop view"))
		return nil
	}
	return m.perform("handover", s.Group, "--to", s.Node)
}

// rotate replaces the signature key of the key server that is chosen.
func (m *Model) rotate() tea.Cmd {
	s := m.subject()
	n := m.fleet.Node(s.Node)
	if n == nil || n.Role != control.RoleKeyServer || s.Group == "" {
		m.say("", errNothing("choose a key of a key server first, in the custody view"))
		return nil
	}
	return m.perform("rotate", s.Group, "--at", s.Node)
}

// perform does a verb after its question. It says what is wrong before it asks.
func (m *Model) perform(name string, words ...string) tea.Cmd {
	v := action.Find(name)
	if v == nil {
		m.say("", errNothing("there is no command "+name))
		return nil
	}
	c, err := v.Parse(words)
	if err == nil || m.player != nil { // what cannot be done at all need not be put right
		err = m.allowed(v, c)
	}
	if err != nil {
		m.say("", err)
		return nil
	}
	fleet := m.fleet
	run := func(ctx context.Context) (action.Result, error) { return v.Run(ctx, fleet, c) }
	if v.Ask == nil || v.Looks(c) {
		return m.run(v.Name, run)
	}
	text, typed := v.Ask(c)
	m.ask = newQuestion(v.Name, text, typed, run)
	return nil
}

// allowed says why a verb cannot be done from here.
func (m *Model) allowed(v *action.Verb, c action.Call) error {
	switch {
	case m.player != nil:
		return errPast
	case v.Lab && m.fleet.Lab == "":
		return action.ErrNoLab
	case !v.Looks(c) && !m.write:
		return errNothing("this console is read-only: start it with --write to act")
	case v.Lab || len(v.Args) == 0:
		return nil
	}
	if n, _ := m.fleet.KSOf(c.Arg(0)); n != nil && n.Connected && !n.Operator && !v.Look {
		return errNothing(n.Name + " takes no commands from this user: root and the daemon's own user may command")
	}
	return nil
}

// run does a verb without holding up the screen. What is more than a sentence is shown to be read.
func (m *Model) run(name string, do func(context.Context) (action.Result, error)) tea.Cmd {
	m.say("working…", nil)
	m.flash.until = m.now().Add(time.Hour) // until it has ended
	var then func(*Model)
	if name == "partition" {
		then = (*Model).clearSides
	}
	return func() tea.Msg {
		r, err := do(m.ctx)
		text := strings.TrimSpace(r.Text)
		if r.Brief != "" {
			return doneMsg{r.Brief, err, then}
		}
		if lines := strings.Split(text, "\n"); len(lines) > 1 {
			return doneMsg{lines[0], err, func(m *Model) { m.read(name, planLines(m.theme, lines)) }}
		}
		return doneMsg{text, err, then}
	}
}

// clearSides takes away the marks of a cut that has been made: the next one begins anew.
func (m *Model) clearSides() {
	name := view.Topology{}.Name()
	for _, l := range m.stack {
		if l.place.View == name {
			l.look.Marks, l.look.Far = nil, nil
		}
	}
	if l := m.roots[name]; l != nil {
		l.look.Marks, l.look.Far = nil, nil
	}
}
