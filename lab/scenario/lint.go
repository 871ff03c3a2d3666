package scenario

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// declared is a name that a file makes known to itself.
type declared struct {
	kind, name string // kind: vars, draw, programs, services or secrets
	at         Pos
}

// declarations are those of one file.
func declarations(root *yaml.Node) (out []declared) {
	for _, kind := range []string{"vars", keyDraw, "programs", "services"} {
		if m := value(root, kind); m != nil && m.Kind == yaml.MappingNode {
			for i := 0; i < len(m.Content); i += 2 {
				for name := range strings.SplitSeq(m.Content[i].Value, ",") {
					out = append(out, declared{kind, strings.TrimSpace(name), posOf(m.Content[i])})
				}
			}
		}
	}
	if l := value(root, "secrets"); l != nil && l.Kind == yaml.SequenceNode {
		for _, n := range l.Content {
			out = append(out, declared{"secrets", n.Value, posOf(n)})
		}
	}
	return out
}

// Lint says what is no mistake and still not right: what is declared and never used, what is done and never checked, and what an
// exercise lacks. Derived are the texts of scenarios that build on this one, which may use what it declares.
func (s *Scenario) Lint(derived ...[]byte) (out []*Error) {
	warn := func(at Pos, format string, args ...any) {
		out = append(out, s.ErrorAt(at, format, args...))
	}
	if s.unnamed && s.base != "" {
		warn(Pos{}, "name: is missing, so the scenario, and its lab, are called %s as its base is", s.Name)
	}
	if s.Title == "" {
		warn(Pos{}, "title: is missing; getvpn-lab list shows it")
	}
	text := string(s.Text)
	for _, d := range derived {
		text += "\n" + string(d)
	}
	for _, d := range s.declared {
		used := false
		switch d.kind {
		case "programs":
			used = s.usesProgram(d.name, text)
		case "services":
			used = slices.ContainsFunc(s.Nodes, func(n Node) bool { return slices.Contains(n.Services, d.name) })
		case "secrets": // a file that some configuration, action or hint names, itself or through a variable of the node
			used = strings.Count(text, d.name) > 1
		default:
			used = strings.Contains(text, "${"+d.name+"}") || d.kind == keyDraw && strings.Contains(text, "${"+d.name+".")
		}
		if !used {
			warn(d.at, "%s: %s is never used", d.kind, d.name)
		}
	}
	if n := len(s.Steps); n > 0 && s.Steps[n-1].Do != "" {
		warn(s.Steps[n-1].At, "do: %s: no check follows, so nothing says whether it did any good", s.Steps[n-1].Do)
	}
	if len(s.Steps) == 0 && len(s.Tasks) == 0 {
		warn(Pos{}, "there are neither steps: nor tasks:, so nothing is ever checked")
	}
	return append(out, s.lintTasks()...)
}

func (s *Scenario) usesProgram(name, text string) bool {
	for _, n := range s.Nodes {
		if n.Program == name {
			return true
		}
	}
	return strings.Contains(text, "program="+name)
}

func (s *Scenario) lintTasks() (out []*Error) {
	warn := func(at Pos, format string, args ...any) {
		out = append(out, s.ErrorAt(at, format, args...))
	}
	if len(s.Tasks) > 0 && s.Story == "" {
		warn(s.Place("tasks"), "story: is missing; the trainee is told nothing")
	}
	for i := range s.Tasks {
		t := &s.Tasks[i]
		switch n := len(t.Hints); {
		case n < 3:
			warn(t.At, "task %s: %d hints; a vague one, a nearer one and the command line make three", t.Name, n)
		case len(Commands(t.Hints[n-1])) == 0:
			warn(t.At, "task %s: the last hint has no command line; begin a line with \"$ \"", t.Name)
		}
		if t.Points%(len(t.Hints)+1) != 0 {
			warn(t.At, "task %s: %d points do not divide by %d, so %d hints do not cost the same as the work", t.Name, t.Points, len(t.Hints)+1, len(t.Hints))
		}
		for k := range t.Checks {
			if t.Checks[k].Message == "" {
				warn(t.Checks[k].At, "task %s: check %s has no message:, which says what it means that it failed", t.Name, t.Checks[k].Name)
			}
		}
	}
	return out
}
