package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/lab/scenario"
)

const timeline = small + `steps:
  - {check: reach, pairs: all}
  - {do: heal}
  - {check: throughout, name: all-along, pairs: all, steps: [{do: heal}, {check: own-traffic, member: gm1, to: h2}]}
  - parallel: [{check: fail-closed, name: dies, member: gm1}]
  - {check: core-only-esp}
`

// The names that a sabotage may give are those of results, at any depth; a run goes up to the last of them, or through what it names.
func TestSabotageNames(t *testing.T) {
	for _, c := range []struct {
		section string
		steps   string // of the run
		wrong   string
	}{
		{"fails: [reach]", "reach", ""},
		{"fails: [own-traffic, reach]", "reach,heal,all-along", ""},
		{"fails: [fail-closed-others]", "reach,heal,all-along,,", ""},
		{"fails: [dies]", "reach,heal,all-along,,", ""},
		{"only: [core-only-esp, reach], fails: [core-only-esp]", "reach,core-only-esp", ""},
		{"only: [throughout], fails: [own-traffic, all-along]", "all-along", ""},
		{"only: [reach], fails: [dies]", "reach", `small.yaml:29:63: sabotage: fails: no step of the run gives a result "dies"; there are: reach`},
		{"only: [reaches, reach], fails: [reach]", "reach", `sabotage: only: there is no step "reaches"`},
		{"fails: [ks-start-recovery]", "reach,heal,all-along,,core-only-esp", `gives a result "ks-start-recovery"`},
		{"fails: [reach], do: [explode gm1]", "reach", `do: "explode gm1"`},
	} {
		s, err := scenario.Parse("small.yaml", []byte(timeline+"sabotage: {text: x, set: {rate: fast}, "+c.section+"}\nvars: {rate: slow}\n"), scenario.Options{})
		if err == nil && s.Sabotage.Do == nil {
			s.Sabotage.Do = []string{"heal"}
		}
		if err != nil {
			t.Fatal(err)
		}
		err = Validate(s)
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, want %q", c.section, err, c.wrong)
		}
		var steps []string
		for _, st := range SabotageSteps(s) {
			steps = append(steps, slices.MaxFunc([]string{st.Name, st.Do}, strings.Compare))
		}
		if got := strings.Join(steps, ","); got != strings.TrimSuffix(c.steps, ",") {
			t.Errorf("%s: the run goes through %s, want %s", c.section, got, c.steps)
		}
	}
}

// Under traffic a broken scenario goes on until all that must fail there has failed, and what could not measure has not.
func TestSabotageIsCaught(t *testing.T) {
	s, err := scenario.Parse("small.yaml", []byte(timeline+"sabotage: {text: x, do: [heal], fails: [own-traffic, all-along, core-only-esp]}\n"), scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := decode(s, &s.Steps[2])
	if err != nil {
		t.Fatal(err)
	}
	steps := c.(*throughout).Steps
	for _, c := range []struct {
		broken  bool
		results []scenario.Result
		want    bool
	}{
		{true, []scenario.Result{{Name: "own-traffic", Value: "clear"}}, true},
		{true, []scenario.Result{{Name: "own-traffic", Value: scenario.NotMeasured}}, false},
		{true, []scenario.Result{{Name: "own-traffic", Value: scenario.NotDone}}, false},
		{true, []scenario.Result{{Name: "own-traffic", Skipped: true}}, false},
		{true, []scenario.Result{{Name: "own-traffic", OK: true}, {Name: "reach"}}, false},
		{false, []scenario.Result{{Name: "own-traffic", Value: "clear"}}, false},
	} {
		s.Sabotaged = c.broken
		if got := caught(s, steps, c.results); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if s.Sabotaged = true; caught(s, steps[:1], []scenario.Result{{Name: "reach"}}) {
		t.Error("all is caught where nothing is broken")
	}
}

// A daemon that has no part in a soak is not measured, so that its result is none that could fail.
func TestSoakNames(t *testing.T) {
	s := parse(t, strings.Replace(small, "programs:", "  - {name: gm3, kind: gm, program: d}\nprograms:", 1)+"steps: [{check: soak, pair: h2-h1}]\n")
	want := "soak-rekeys soak-traffic soak-memory-gm2 soak-memory-gm1 soak-memory-ks1"
	if got := strings.Join(resultsOf(s, s.Steps), " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
