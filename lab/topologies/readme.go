package topologies

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/getvpn/getvpn/lab/scenario"
)

// Readme gives what teaches a scenario: the README.md of a built-in one, or the one beside a file.
func Readme(name string) (string, bool) {
	read, path := files.ReadFile, name+"/README.md"
	if isFile(name) {
		read, path = os.ReadFile, filepath.Join(filepath.Dir(name), "README.md")
	}
	text, err := read(path)
	return string(text), err == nil
}

// The sections of a README.md, in their order.
const (
	secIdea      = "**The idea.**"
	secLook      = "## What to look at"
	secExercises = "## Exercises"
	secBroken    = "## Broken on purpose"
)

var (
	fold     = regexp.MustCompile(`(?ms)^([ \t]*)<details>\s*<summary>(.*?)</summary>(.*?)</details>[ \t]*\n?`)
	exercise = regexp.MustCompile(`(?m)^(?:[-*]|\d+\.) `)
)

// Unfold gives a README.md for a terminal: what is folded away in it, which are the solutions of its exercises, in place or, as long as
// nobody asks for it, one line that says how.
func Unfold(text, how string, solutions bool) string {
	return fold.ReplaceAllStringFunc(text, func(m string) string {
		p := fold.FindStringSubmatch(m)
		if !solutions {
			return fmt.Sprintf("%s(%s: %s)\n", p[1], p[2], how)
		}
		return fmt.Sprintf("%s%s: %s\n", p[1], p[2], strings.TrimSpace(p[3]))
	})
}

// Lint says what a scenario lacks for a course: its README.md, and that its checks are seen to fail.
func Lint(s *scenario.Scenario, name string) (out []*scenario.Error) {
	warn := func(file, text string) { out = append(out, &scenario.Error{File: file, Text: text}) }
	text, ok := Readme(name)
	if !ok {
		warn(s.File, "there is no README.md beside it, which teaches what it is about")
	} else {
		for _, lack := range lintReadme(s, text) {
			warn(filepath.Join(filepath.Dir(s.File), "README.md"), "it "+lack)
		}
	}
	if s.Sabotage == nil && len(s.Tasks) == 0 {
		warn(s.File, "sabotage: is missing; nothing shows that the checks notice when what it teaches is broken")
	}
	return out
}

// lintReadme says what the README.md of a scenario lacks to teach it: an idea, something to look at, exercises, each with its solution
// folded away, and what breaks it. That of an exercise is another matter: its scenario has the hints and solutions.
func lintReadme(s *scenario.Scenario, text string) (out []string) {
	if len(s.Tasks) > 0 {
		return nil
	}
	if !strings.HasPrefix(text, "# "+s.Name+": ") {
		out = append(out, fmt.Sprintf("does not begin with \"# %s: \" and a title", s.Name))
	}
	at, rest := "", text
	for _, section := range []string{secIdea, secLook, secExercises, secBroken} {
		_, behind, found := strings.Cut(rest, "\n"+section)
		if !found {
			out = append(out, fmt.Sprintf("has no %q behind %q", section, at))
			continue
		}
		if at, rest = section, behind; section == secExercises {
			out = append(out, lintExercises(behind)...)
		}
	}
	return out
}

// lintExercises looks at the exercises, which are the items of a list.
func lintExercises(text string) (out []string) {
	text, _, _ = strings.Cut(text, "\n## ")
	items := exercise.FindAllStringIndex(text, -1)
	if len(items) == 0 {
		out = append(out, "has no exercise: they are the items of a list")
	}
	for i, at := range items {
		item := text[at[0]:]
		if i+1 < len(items) {
			item = text[at[0]:items[i+1][0]]
		}
		if !fold.MatchString(item) {
			line, _, _ := strings.Cut(item, "\n")
			out = append(out, fmt.Sprintf("has an exercise without its solution in <details><summary>Solution</summary> ... </details>: %s", line))
		}
	}
	return out
}
