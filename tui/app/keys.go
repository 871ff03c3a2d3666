package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/view"
)

// command is what a key does. The list of them is the one place where keys are named; the footer and the help are made
// from it, so they cannot lie.
type command struct {
	key.Binding
	block string // of the help
	foot  string // its word in the footer; empty: it is not there
	act   bool   // it changes something
	lab   bool   // only in a lab
	live  bool   // not while a recording is played
	here  func(m *Model) bool
	run   func(m *Model) tea.Cmd
}

// Blocks of the help.
const (
	playing = "Play the recording"
	moving  = "Move"
	finding = "Find"
	looking = "Look"
	acting  = "Act (each asks first)"
)

// bind names keys: help shows the first, or name.
func bind(name, help string, keys ...string) key.Binding {
	if name == "" {
		name = keys[0]
	}
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(name, help))
}

// do makes a command of what needs no answer.
func do(f func(m *Model)) func(m *Model) tea.Cmd {
	return func(m *Model) tea.Cmd { f(m); return nil }
}

func page(m *Model) int { return max(m.bodyHeight()-3, 1) }

const far = 1 << 30

// Where a key is worth a place in the footer.
func hasTable(m *Model) bool { t, _ := m.table(); return t != nil }
func isDeep(m *Model) bool {
	return len(m.stack) > 1 || m.top().look.Filter != "" || m.top().place.Group != ""
}
func leads(m *Model) bool   { i := m.row(); return i >= 0 && m.current().Place(i).View != "" }
func hasNode(m *Model) bool { return m.subject().Node != "" }
func hasTask(m *Model) bool { return m.subject().Task != "" }
func hasCourse(m *Model) bool {
	return inView("lab", "task")(m) && m.fleet.Course != nil && len(m.fleet.Course.Tasks) > 0
}
func hasCommand(m *Model) bool { return m.rowCommand() != "" }

// hasMark says whether a side of a cut has been begun.
func hasMark(m *Model) bool {
	return inView("topology")(m) && len(m.top().look.Marks) > 0
}
func inView(names ...string) func(m *Model) bool {
	return func(m *Model) bool {
		return strings.Contains(" "+strings.Join(names, " ")+" ", " "+m.top().place.View+" ")
	}
}

// keyMap lists all keys. The order is that of the help, and of the footer.
func keyMap(views []view.View, replay bool) []command {
	var all []command
	if replay {
		all = playKeys()
	}
	all = append(append(all, moveKeys()...), lookKeys()...)
	if replay {
		all = slices.DeleteFunc(all, func(c command) bool { return c.live })
		if i := slices.IndexFunc(all, func(c command) bool { return c.foot == "open" }); i >= 0 {
			all[i].SetHelp("enter", "open what is chosen; an event: go to its moment")
		}
	}
	all = append(all, actKeys()...)
	for i, v := range views {
		name := v.Name()
		all = append(all, command{Binding: bind("", "view "+name, fmt.Sprint((i+1)%10)), block: "Views", run: do(func(m *Model) { m.visit(name) })})
	}
	return all
}

func moveKeys() []command {
	return []command{
		{Binding: bind("", "next view", "tab", "right", "l"), block: moving, foot: "view", run: do(func(m *Model) { m.turn(1) })},
		{Binding: bind("", "previous view", "shift+tab", "left", "h"), block: moving, run: do(func(m *Model) { m.turn(-1) })},
		{Binding: bind("", "open what is chosen", "enter"), block: moving, foot: "open", here: leads, run: do((*Model).open)},
		{Binding: bind("", "back; clears a filter first", "esc", "backspace"), block: moving, foot: "back", here: isDeep, run: do((*Model).back)},
		{Binding: bind("↑ ↓", "up and down; k and j too", "up", "k"), block: moving, run: do(func(m *Model) { m.move(-1) })},
		{Binding: bind("", "", "down", "j"), run: do(func(m *Model) { m.move(1) })},
		{Binding: bind("pgup pgdn", "a page up and down", "pgup", "ctrl+b"), block: moving, run: do(func(m *Model) { m.move(-page(m)) })},
		{Binding: bind("", "", "pgdown", "ctrl+f"), run: do(func(m *Model) { m.move(page(m)) })},
		{Binding: bind("home end", "first and last; g and G too", "home", "g"), block: moving, run: do(func(m *Model) { m.move(-far) })},
		{Binding: bind("", "", "end", "G"), run: do(func(m *Model) { m.move(far) })},
	}
}

func lookKeys() []command {
	return []command{
		{Binding: bind("", "filter: text !text state=down drops>10", "/"), block: finding, foot: "filter", here: func(m *Model) bool { return hasTable(m) && !hasMark(m) }, run: func(m *Model) tea.Cmd { return m.openPrompt(filterPrompt, m.top().look.Filter) }},
		{Binding: bind("", "command; tab completes", ":"), block: finding, foot: "command", run: func(m *Model) tea.Cmd { return m.openPrompt(commandPrompt, "") }},
		{Binding: bind("< >", "sort by the column left and right", ">"), block: finding, here: hasTable, run: do(func(m *Model) { m.sortBy(1) })},
		{Binding: bind("", "", "<"), run: do(func(m *Model) { m.sortBy(-1) })},
		{Binding: bind("", "sort the other way round", "o"), block: finding, here: hasTable, run: do(func(m *Model) {
			if _, look := m.table(); look != nil && look.Sort != "" {
				look.Desc = !look.Desc
			}
		})},
		{Binding: bind("", "mark, for remove, kill and cut", "v"), block: finding, foot: "mark", live: true, here: inView("topology"), run: do(func(m *Model) {
			if t, look := m.table(); t != nil {
				look.Mark(t)
				look.Move(t, 1)
			}
		})},
		{Binding: bind("", "mark for the other side of a cut", "b"), block: finding, foot: "other side", lab: true, live: true, here: inView("topology"), run: do(func(m *Model) {
			if t, look := m.table(); t != nil && inView("topology")(m) {
				look.MarkFar(t)
				look.Move(t, 1)
			}
		})},
		{Binding: bind("", "write the command that goes with this row", "t"), block: finding, foot: "try it", live: true, here: hasCommand, run: func(m *Model) tea.Cmd {
			if line := m.rowCommand(); line != "" {
				return m.openPrompt(commandPrompt, line)
			}
			return nil
		}},
		{Binding: bind("space", "freeze the screen", " "), block: looking, foot: "freeze", live: true, run: do(func(m *Model) {
			if m.frozen == nil {
				m.frozen = m.fleet
			} else {
				m.frozen = nil
			}
		})},
		{Binding: bind("", "choose and move columns", "f"), block: looking, here: hasTable, run: do((*Model).chooseColumns)},
		{Binding: bind("", "wide: all columns, beyond the screen", "w"), block: looking, here: hasTable, run: do(func(m *Model) {
			if t, look := m.table(); t != nil {
				look.Wide, look.Side = !look.Wide, 0
			}
		})},
		{Binding: bind("{ }", "move a wide table sideways", "}"), block: looking, here: hasTable, run: do(func(m *Model) { m.sideways(1) })},
		{Binding: bind("", "", "{"), run: do(func(m *Model) { m.sideways(-1) })},
		{Binding: bind("", "export this page", "ctrl+s", "e"), block: looking, run: func(m *Model) tea.Cmd { return m.openPrompt(commandPrompt, "export "+m.exportName()) }},
		{Binding: bind("", "next theme", "T"), block: looking, run: do((*Model).nextTheme)},
		{Binding: bind("", "mouse on and off", "m"), block: looking, run: (*Model).toggleMouse},
		{Binding: bind("", "help", "?"), block: looking, foot: "help", run: do(func(m *Model) { m.help = newHelp() })},
		{Binding: bind("", "quit", "q", "ctrl+c"), block: looking, foot: "quit", run: func(*Model) tea.Cmd { return tea.Quit }},
	}
}

func actKeys() []command {
	return []command{
		{Binding: bind("", "new TEK", "r"), block: acting, foot: "rekey", act: true, here: inView("pulse", "members", "rekey", "coop", "sas", "node"), run: func(m *Model) tea.Cmd { return m.actOnGroup("rekey") }},
		{Binding: bind("", "new TEK and KEK", "R"), block: acting, act: true, run: func(m *Model) tea.Cmd { return m.actOnGroup("rekey", "--kek") }},
		{Binding: bind("", "clear member", "C"), block: acting, foot: "clear", act: true, here: inView("members", "rekey"), run: func(m *Model) tea.Cmd { return m.actOnMember("clear-member", false) }},
		{Binding: bind("", "remove member, or those marked", "X"), block: acting, foot: "remove", act: true, here: inView("members", "rekey"), run: func(m *Model) tea.Cmd { return m.actOnMember("remove-member", true) }},
		{Binding: bind("", "make it primary", "H"), block: acting, foot: "primary", act: true, here: inView("coop"), run: (*Model).handover},
		{Binding: bind("", "new signature key", "W"), block: acting, foot: "rotate", act: true, here: inView("custody"), run: (*Model).rotate},
		{Binding: bind("", "plan: what configuration files would change", "p"), block: acting, foot: "plan", here: inView("policy"), run: func(m *Model) tea.Cmd { return m.actOnGroup("plan") }},
		{Binding: bind("", "apply the plan", "A"), block: acting, foot: "apply", act: true, here: inView("policy"), run: func(m *Model) tea.Cmd { return m.actOnGroup("apply") }},
		{Binding: bind("", "check the tasks of the lab", "c"), block: acting, foot: "check", act: true, lab: true, here: hasCourse, run: func(m *Model) tea.Cmd { return m.perform("grade") }},
		{Binding: bind("", "hint for a task of the lab", "i"), block: acting, foot: "hint", act: true, lab: true, here: hasTask, run: (*Model).hint},
		{Binding: bind("", "solution of the lab's tasks", "Y"), block: acting, foot: "solution", act: true, lab: true, here: hasCourse, run: func(m *Model) tea.Cmd { return m.perform("solution") }},
		{Binding: bind("", "begin the lab again", "B"), block: acting, foot: "again", act: true, lab: true, here: hasCourse, run: func(m *Model) tea.Cmd { return m.perform("reset") }},
		{Binding: bind("", "pull the HSM token of a node out; L again returns it", "L"), block: acting, foot: "token", act: true, lab: true, here: inView("custody"), run: (*Model).token},
		{Binding: bind("", "cut the marked nodes off from the other side, or from all others", "D"), block: acting, foot: "cut", here: inView("topology"), act: true, lab: true, run: (*Model).cut},
		{Binding: bind("", "heal all cuts", "U"), block: acting, foot: "heal", here: inView("topology"), act: true, lab: true, run: func(m *Model) tea.Cmd { return m.perform("heal") }},
		{Binding: bind("", "kill node, or those marked", "K"), block: acting, foot: "kill", act: true, lab: true, here: hasNode, run: func(m *Model) tea.Cmd { return m.actOnNodes("kill") }},
		{Binding: bind("", "start node", "S"), block: acting, foot: "start", act: true, lab: true, here: hasNode, run: func(m *Model) tea.Cmd { return m.actOnNodes("start") }},
		{Binding: bind("", "pause node; P again lets it go on", "P"), block: acting, act: true, lab: true, here: hasNode, run: (*Model).pause},
	}
}

// command finds what a key does here.
func (m *Model) command(msg tea.KeyMsg) *command {
	for i := range m.keys {
		if key.Matches(msg, m.keys[i].Binding) {
			return &m.keys[i]
		}
	}
	return nil
}

// may says why a command cannot be done; empty: it can.
func (m *Model) may(c *command) string {
	switch {
	case c.block == acting && m.player != nil:
		return string(errPast)
	case c.act && !m.write:
		return "this console is read-only: start it with --write to act"
	case c.lab && m.fleet.Lab == "":
		return "only the nodes of a lab can be handled so: attach with --lab NAME"
	case c.act && m.frozen != nil:
		return "the screen is frozen: space lets it go on, then act"
	}
	return ""
}

func (m *Model) do(c *command) tea.Cmd {
	if why := m.may(c); why != "" {
		m.say("", errNothing(why))
		return nil
	}
	if m.flash.bad { // the next key has been pressed: the failure has been read
		m.flash = flash{}
	}
	return c.run(m)
}

func (m *Model) sortBy(step int) {
	if t, look := m.table(); t != nil {
		look.SortBy(t, step)
	}
}

// nextTheme goes through the themes.
func (m *Model) nextTheme() {
	names := theme.Names()
	for i, n := range names {
		if n == m.theme.Name {
			m.setTheme(names[(i+1)%len(names)])
			return
		}
	}
}

func (m *Model) setTheme(name string) {
	th, err := theme.New(name)
	if err != nil {
		m.say("", err)
		return
	}
	m.theme = th
	m.say("theme "+th.Name, nil)
}
