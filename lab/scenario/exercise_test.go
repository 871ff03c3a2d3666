package scenario

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

const exercise = `name: ex
title: An exercise
story: A site is silent.
vars: {life: 100s}
draw:
  site: 20..99
  word: [red, green]
  victim, witness:
    - {gm: gm1, lan: "10.${site}.1.0/24"}
    - {gm: gm2, lan: "10.${site}.2.0/24"}
    - {gm: gm3, lan: "10.${site}.3.0/24"}
programs:
  gm: {binary: getvpn-gm, config: "site: ${site}\nlife: ${life}\n"}
nodes:
  - {name: gm1, kind: gm, program: gm}
  - {name: p1, kind: core}
links:
  - {ends: ["gm1 wan0 10.${site}.0.1/30", "p1 gm1 10.${site}.0.2/30"]}
faults: ["stop ${victim.gm}"]
tasks:
  - name: back
    title: Bring ${victim.gm} back
    points: 12
    checks: [{check: reach, pairs: all, message: "cut off: ${witness.lan}"}]
    hints: [look, "it is ${victim.gm}", "type this\n$ getvpn-lab start ${victim.gm}\n"]
    solution: {text: start it, do: ["start ${victim.gm}"]}
`

func TestDraw(t *testing.T) {
	seen := map[string]bool{}
	var first map[string]string
	for seed := range uint64(60) {
		s, err := Parse("ex.yaml", []byte(exercise), Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		d := s.Drawn
		if seed <= 1 { // no seed is 1
			if first == nil {
				first = d
			} else if !maps.Equal(first, d) {
				t.Errorf("without a seed %v, with 1 %v", first, d)
			}
		}
		again, err := Parse("ex.yaml", s.Text, Options{Seed: s.Seed})
		if err != nil || !maps.Equal(d, again.Drawn) {
			t.Fatalf("seed %d: %v, then %v, %v", seed, d, again.Drawn, err)
		}
		if d["victim.gm"] == d["witness.gm"] || d["victim.lan"] != fmt.Sprintf("10.%s.%c.0/24", d["site"], d["victim.gm"][2]) {
			t.Errorf("seed %d: %v", seed, d)
		}
		if len(d["site"]) != 2 || d["site"] < "20" {
			t.Errorf("seed %d: site %s", seed, d["site"])
		}
		if s.Faults[0] != "stop "+d["victim.gm"] || s.Tasks[0].Title != "Bring "+d["victim.gm"]+" back" || !strings.Contains(s.Tasks[0].Checks[0].Message, d["witness.lan"]) {
			t.Errorf("seed %d: not replaced: %v %+v", seed, s.Faults, s.Tasks[0])
		}
		if got := s.Address("gm1").String(); got != "10."+d["site"]+".0.1" {
			t.Errorf("seed %d: gm1 has %s", seed, got)
		}
		if got, err := s.Render(s.Node("gm1"), Places{}); err != nil || got != "site: "+d["site"]+"\nlife: 100s\n" {
			t.Errorf("seed %d: %q, %v", seed, got, err)
		}
		if len(s.Vars) != 1 {
			t.Errorf("what was drawn is among the variables, which reports show: %v", s.Vars)
		}
		seen[d["victim.gm"]], seen[d["word"]], seen[d["site"]] = true, true, true
	}
	if !seen["gm1"] || !seen["gm2"] || !seen["gm3"] || !seen["red"] || !seen["green"] || len(seen) < 25 {
		t.Errorf("60 seeds drew only %v", seen)
	}
	// A line more leaves the others as they were.
	s, err := Parse("ex.yaml", []byte(strings.Replace(exercise, "  word:", "  more: 1..9\n  word:", 1)), Options{Seed: 7})
	before, _ := Parse("ex.yaml", []byte(exercise), Options{Seed: 7})
	if err != nil || s.Drawn["victim.gm"] != before.Drawn["victim.gm"] || s.Drawn["site"] != before.Drawn["site"] {
		t.Errorf("%v, %v", s.Drawn, err)
	}
}

func TestTask(t *testing.T) {
	s, err := Parse("ex.yaml", []byte(exercise), Options{})
	if err != nil {
		t.Fatal(err)
	}
	task := s.Task("back")
	if task == nil || s.Task("nothing") != nil || task.Price() != 3 || s.Points() != 12 {
		t.Fatalf("%+v", task)
	}
	cmd := Commands(task.Hints[2])
	if len(cmd) != 1 || cmd[0] != "getvpn-lab start "+s.Drawn["victim.gm"] {
		t.Errorf("commands %q", cmd)
	}
	for _, w := range s.Lint() {
		if !strings.Contains(w.Error(), "draw: word is never used") {
			t.Error(w)
		}
	}
}

func TestExerciseMistakes(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"points", "points: 12", "points: 0", "ex.yaml:21:5: task back: points: 0 is outside"},
		{"no checks", `checks: [{check: reach, pairs: all, message: "cut off: ${witness.lan}"}]`, "checks: []", "nothing decides"},
		{"an action decides", "{check: reach, pairs: all, message: \"cut off: ${witness.lan}\"}", "{do: heal}", "ex.yaml:24:14: task back: checks: holds checks only"},
		{"no solution", "solution: {text: start it, do: [\"start ${victim.gm}\"]}", "solution: {text: start it}", "solution: wants"},
		{"no title", "title: Bring ${victim.gm} back", "title: ''", "title: is missing"},
		{"unknown key of a task", "points: 12", "score: 12", `ex.yaml:23:5: unknown key "score"`},
		{"unknown value", "${witness.lan}", "${witness.net}", "ex.yaml:24:50: ${witness.net} is not declared in vars, nor drawn"},
		{"numbers", "site: 20..99", "site: 99..20", "ex.yaml:6:9: draw: 99..20 has not enough"},
		{"too few choices", "victim, witness:", "victim, witness, other, more:", "ex.yaml:9:5: draw: write numbers"},
		{"a name", "word: [", "Word: [", `draw: "Word" is no name`},
		{"declared twice", "word: [", "life: [", "ex.yaml:7:3: draw: ${life} is declared already"},
		{"used before", "site: 20..99", "late: [\"${word}\", x]", "is neither in vars nor drawn above"},
		{"a list in a choice", "gm: gm1, lan", "gm: [gm1], lan", "plain values only"},
		{"faults alone", exercise[strings.Index(exercise, "tasks:"):], "", "ex.yaml:19:9: faults: break something"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(exercise, c.old, c.new, 1)
			if text == exercise {
				t.Fatal("the row changes nothing")
			}
			if _, err := Parse("ex.yaml", []byte(text), Options{Seed: 3}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestLint(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"variable", "vars: {life: 100s}", "vars: {life: 100s, rest: 1s}", "ex.yaml:4:20: vars: rest is never used"},
		{"draw", "", "", "ex.yaml:7:3: draw: word is never used"},
		{"program", "programs:", "programs:\n  ks: {binary: getvpn-ks, config: ''}", "programs: ks is never used"},
		{"secret", "programs:", "secrets: [psk]\nprograms:", "ex.yaml:12:11: secrets: psk is never used"},
		{"title", "title: An exercise\n", "", "title: is missing"},
		{"story", "story: A site is silent.\n", "", "story: is missing"},
		{"hints", `look, "it is ${victim.gm}", `, "", "1 hints"},
		{"command", "$ getvpn-lab", "getvpn-lab", "the last hint has no command line"},
		{"price", "points: 12", "points: 10", "10 points do not divide by 4"},
		{"message", `, message: "cut off: ${witness.lan}"`, "", "check reach has no message"},
		{"unchecked", "tasks:", "steps: [{do: heal}]\ntasks:", "no check follows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Parse("ex.yaml", []byte(strings.Replace(exercise, c.old, c.new, 1)), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range s.Lint() {
				if strings.Contains(w.Error(), c.want) {
					return
				}
			}
			t.Errorf("%v; want %s", s.Lint(), c.want)
		})
	}
}
