package app

import (
	"fmt"
	"sort"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/tui/action"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/view"
)

// word is a command after the `:` that is not a verb.
type word struct {
	name, usage, short string
	complete           func(m *Model, before []string) []string
	run                func(m *Model, args []string) tea.Cmd
}

// completion is what the last word can become.
type completion struct{ text, short string }

func groupsOf(m *Model, _ []string) []string { return m.fleet.Groups() }

// palette lists the commands: views, then what is about the screen. Verbs come from package action.
func palette(views []view.View) []word {
	var out []word
	for _, v := range views {
		out = append(out, word{v.Name(), v.Name() + " [GROUP]", "show " + v.Name() + ", of a group", groupsOf, func(m *Model, args []string) tea.Cmd {
			p := view.Place{View: v.Name()}
			if len(args) > 0 {
				p.Group = args[0]
			}
			m.show(p)
			return nil
		}})
	}
	nodeNames := func(m *Model, _ []string) (out []string) {
		for i := range m.fleet.Nodes {
			out = append(out, m.fleet.Nodes[i].Name)
		}
		return out
	}
	return append(out,
		word{"node", "node NAME", "open a node", nodeNames, func(m *Model, args []string) tea.Cmd {
			if len(args) == 1 {
				m.enter(view.Place{View: view.Node{}.Name(), Node: args[0]})
			}
			return nil
		}},
		word{"filter", "filter TEXT", "show the rows that fit: text !text state=down drops>10", nil, func(m *Model, args []string) tea.Cmd {
			m.filter(strings.Join(args, " "))
			return nil
		}},
		word{"sort", "sort COLUMN [desc]", "sort by a column", func(m *Model, before []string) []string {
			if t, _ := m.table(); t != nil && len(before) == 0 {
				return t.Keys()
			}
			return []string{"desc"}
		}, (*Model).sortCommand},
		word{"columns", "columns [NAME,NAME,-NAME,+NAME | all]", "choose columns and their order: those named, or the present ones without -NAME and with +NAME", func(m *Model, _ []string) []string {
			return m.completeColumns()
		}, (*Model).columnsCommand},
		word{"export", "export FILE", "write all of this page: .txt, .csv, .json or .svg", func(m *Model, _ []string) []string {
			name := strings.TrimSuffix(m.exportName(), ".txt")
			return []string{name + ".txt", name + ".csv", name + ".json", name + ".svg"}
		}, (*Model).export},
		word{"theme", "theme NAME", "colours", func(*Model, []string) []string { return theme.Names() }, func(m *Model, args []string) tea.Cmd {
			if len(args) == 1 {
				m.setTheme(args[0])
			}
			return nil
		}},
		word{"help", "help", "all keys and commands", nil, func(m *Model, _ []string) tea.Cmd { m.help = newHelp(); return nil }},
		word{"quit", "quit", "leave; what is watched goes on", nil, func(*Model, []string) tea.Cmd { return tea.Quit }},
	)
}

// words are the commands that there are here.
func (m *Model) words() []word {
	if m.player != nil {
		return append(palette(m.views), playWords()...)
	}
	return append(palette(m.views), recordWord())
}

func (m *Model) sortCommand(args []string) tea.Cmd {
	t, look := m.table()
	if t == nil {
		return nil
	}
	look.Sort, look.Desc = "", len(args) > 1 && args[1] == "desc"
	for _, k := range t.Keys() {
		if len(args) > 0 && k == args[0] {
			look.Sort = k
		}
	}
	if look.Sort == "" && len(args) > 0 {
		m.say("", errNothing(fmt.Sprintf("no column %q here: %s", args[0], strings.Join(t.Keys(), " "))))
	}
	return nil
}

// completions lists what the last word of a line can become.
func (m *Model) completions(line string) (out []completion) {
	words := strings.Split(strings.TrimLeft(line, " "), " ")
	last := words[len(words)-1]
	if len(words) == 1 {
		for _, w := range m.words() {
			if strings.HasPrefix(w.name, last) {
				out = append(out, completion{w.name, w.short})
			}
		}
		for _, v := range action.Verbs() {
			if strings.HasPrefix(v.Name, last) && m.offers(&v) {
				out = append(out, completion{v.Name, v.Short})
			}
		}
		return out
	}
	var all []string
	if v := action.Find(words[0]); v != nil {
		all = v.Complete(m.fleet, words[1:])
	}
	for _, w := range m.words() {
		if w.name == words[0] && w.complete != nil {
			all = w.complete(m, words[1:len(words)-1])
			sort.Strings(all)
		}
	}
	for _, c := range all {
		if strings.HasPrefix(c, last) {
			out = append(out, completion{text: c})
		}
	}
	return out
}

// offers says whether a verb is worth naming here.
func (m *Model) offers(v *action.Verb) bool {
	return m.player == nil && (m.write || v.Look) && (!v.Lab || m.fleet.Lab != "")
}

// execute runs a line.
func (m *Model) execute(line string) tea.Cmd {
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil
	}
	name, args := words[0], words[1:]
	if action.Find(name) != nil {
		return m.perform(name, args...)
	}
	var found []word
	for _, w := range m.words() {
		if w.name == name {
			return w.run(m, args)
		}
		if strings.HasPrefix(w.name, name) {
			found = append(found, w)
		}
	}
	if len(found) == 1 { // a beginning that no other has
		return found[0].run(m, args)
	}
	m.say("", errNothing(fmt.Sprintf("there is no command %q; tab lists what there is, ? explains it", name)))
	return nil
}
