package topologies

import (
	"strings"
	"testing"

	"github.com/getvpn/getvpn/lab/scenario"
)

// TestEveryScenarioTeaches: each has a README.md with an idea, things to look at and exercises whose solutions are folded away, and says
// how what it teaches is broken on purpose. Exercises are broken by their faults.
func TestEveryScenarioTeaches(t *testing.T) {
	for _, name := range Names() {
		s, err := Load(name, scenario.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, lack := range Lint(s, name) {
			t.Error(lack)
		}
	}
}

const teaching = `# two: a title

**The idea.** Why.

## What to look at

1. This.

## Exercises

1. Do it.
   <details><summary>Solution</summary>

   So.

   </details>
2. Do more. <b>Now.</b>

   <details>
   <summary>Solution</summary>
   And so.
   </details>

## Broken on purpose

It is.
`

func TestUnfold(t *testing.T) {
	hidden := Unfold(teaching, "ask", false)
	if strings.Contains(hidden, "So.") || strings.Contains(hidden, "so.") || strings.Count(hidden, "   (Solution: ask)\n") != 2 || !strings.Contains(hidden, "\n2. Do more.") ||
		strings.Contains(hidden, "details") {
		t.Errorf("hidden:\n%s", hidden)
	}
	open := Unfold(teaching, "ask", true)
	if !strings.Contains(open, "1. Do it.\n   Solution: So.\n2. ") || !strings.Contains(open, "   Solution: And so.\n\n## Broken") {
		t.Errorf("open:\n%s", open)
	}
}

func TestLintReadme(t *testing.T) {
	two := &scenario.Scenario{Name: "two"}
	if got := lintReadme(two, teaching); len(got) > 0 {
		t.Errorf("%q", got)
	}
	for _, c := range []struct{ old, new, want string }{
		{"# two:", "# three:", `does not begin with "# two: "`},
		{"**The idea.**", "Idea:", `has no "**The idea.**"`},
		{"## What", "## Where", `has no "## What to look at" behind "**The idea.**"`},
		{"## Broken", "## Whole", `has no "## Broken on purpose" behind "## Exercises"`},
		{"   </details>\n2.", "2.", "without its solution"},
		{"<summary>Solution</summary>\n   And", "And", "without its solution in <details><summary>Solution</summary> ... </details>: 2. Do more"},
		{"1. Do it", "Do it", ""},
	} {
		got := lintReadme(two, strings.Replace(teaching, c.old, c.new, 1))
		if (len(got) == 0) != (c.want == "") || !strings.Contains(strings.Join(got, "\n"), c.want) {
			t.Errorf("%s: %q, want %q", c.old, got, c.want)
		}
	}
	none := strings.NewReplacer("1. Do", "Do", "2. Do", "Do").Replace(teaching)
	if got := lintReadme(two, none); len(got) != 1 || !strings.Contains(got[0], "no exercise") {
		t.Errorf("without a list: %q", got)
	}
	if got := lintReadme(&scenario.Scenario{Name: "x", Tasks: make([]scenario.Task, 1)}, "anything"); len(got) > 0 {
		t.Errorf("an exercise: %q", got)
	}
}
