package check

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Lint says what a run would find out late, and what is known without one: operators' verbs that daemons do not have, and groups that
// no configuration has.
func Lint(s *scenario.Scenario) []*scenario.Error {
	l := linter{s: s}
	l.steps(s.Steps)
	for i := range s.Tasks {
		l.steps(s.Tasks[i].Checks)
	}
	for _, d := range beside(s) {
		l.action(d.at, d.text)
	}
	for _, n := range l.named {
		if !l.hasGroup(n.group) {
			l.warn(n.at, "%s: no configuration has a group %q", n.in, n.group)
		}
	}
	return l.out
}

type linter struct {
	s     *scenario.Scenario
	named []groupNamed
	done  []string // all actions: they may write files that have groups
	texts []string // what there is of configuration, once it is asked for
	out   []*scenario.Error
}

// groupNamed is a group that a check is about.
type groupNamed struct {
	at        scenario.Pos
	in, group string
}

func (l *linter) warn(at scenario.Pos, format string, args ...any) {
	l.out = append(l.out, l.s.ErrorAt(at, format, args...))
}

func (l *linter) steps(steps []scenario.Step) {
	for i := range steps {
		st := &steps[i]
		if st.Do != "" {
			l.action(st.At, st.Do)
		}
		if st.Params != nil {
			l.params(st.Params)
		}
		l.steps(st.Parallel)
	}
}

var groupInPath = regexp.MustCompile(`\bgroups\[name=([^\]]*)\]`)

// params looks at those of a check, at any depth: a check may have steps.
func (l *linter) params(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		for _, c := range n.Content {
			l.params(c)
		}
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		val := n.Content[i+1]
		switch key := n.Content[i].Value; {
		case key == "do" && val.Kind == yaml.ScalarNode:
			l.action(scenario.PosOf(val), val.Value)
		case key == "do":
			for _, c := range val.Content {
				l.action(scenario.PosOf(c), c.Value)
			}
		case key == "group" && val.Kind == yaml.ScalarNode && val.Value != "":
			l.named = append(l.named, groupNamed{scenario.PosOf(val), "group", val.Value})
		case key == "path":
			for _, m := range groupInPath.FindAllStringSubmatch(val.Value, -1) {
				l.named = append(l.named, groupNamed{scenario.PosOf(val), "path: " + val.Value, m[1]})
			}
		default:
			l.params(val)
		}
	}
}

// action looks at the verb of an operator.
func (l *linter) action(at scenario.Pos, text string) {
	l.done = append(l.done, text)
	w, err := words(text)
	if err != nil || len(w) < 3 || w[0] != "operator" {
		return
	}
	known := []string{"show"}
	for _, r := range control.Routes() {
		if r.Change || r.Name() == "plan" {
			known = append(known, r.Name())
		}
	}
	if !slices.Contains(known, w[2]) {
		slices.Sort(known)
		l.warn(at, "do: %s: operators have no %q; they have %s", text, w[2], strings.Join(known, ", "))
	}
}

// hasGroup says whether any daemon may have a group of that name: with any program that it can be given, or what an action writes.
func (l *linter) hasGroup(name string) bool {
	if l.texts == nil {
		l.texts = l.done
		for i := range l.s.Nodes {
			for program := range l.s.Programs {
				n := l.s.Nodes[i]
				n.Program = program
				if text, err := l.s.Render(&n, scenario.Places{}); err == nil {
					l.texts = append(l.texts, text)
				}
			}
		}
	}
	word := regexp.MustCompile(`(^|[^a-zA-Z0-9_-])` + regexp.QuoteMeta(name) + `($|[^a-zA-Z0-9_-])`)
	return slices.ContainsFunc(l.texts, word.MatchString)
}
