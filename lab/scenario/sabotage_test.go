package scenario

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

const broken = good + `sabotage:
  text: Keys live for a minute.
  set: {life: 60s}
  do: ["kill gm1", "wait ${life}"]
  fails: [reach]
`

// What sabotage sets lies over the profile and below what the user sets, and only when it is asked for.
func TestSabotageSets(t *testing.T) {
	named := strings.Replace(broken, "  fails:", "  profile: other\n  fails:", 1)
	named = strings.Replace(named, "quick: {life: 10s}", "quick: {life: 10s}\n  other: {n: \"7\"}", 1)
	measured := strings.Replace(broken, "  fails:", "  measure: {n: \"9\"}\n  fails:", 1)
	for _, c := range []struct {
		text string
		opt  Options
		life string
		n    string
	}{
		{broken, Options{}, "100s", "3"},
		{broken, Options{Profile: "quick"}, "10s", "3"},
		{broken, Options{Sabotage: true}, "60s", "3"},
		{broken, Options{Sabotage: true, Profile: "quick"}, "60s", "3"},
		{broken, Options{Sabotage: true, Set: map[string]string{"life": "1s"}}, "1s", "3"},
		{measured, Options{}, "100s", "3"},
		{measured, Options{Control: true}, "100s", "3"},
		{measured, Options{Sabotage: true}, "60s", "9"},
		{measured, Options{Sabotage: true, Control: true}, "100s", "9"},
		{named, Options{}, "100s", "3"},
		{named, Options{Sabotage: true}, "60s", "7"},
		{named, Options{Sabotage: true, Profile: "quick"}, "60s", "3"},
	} {
		s, err := Parse("two.yaml", []byte(c.text), c.opt)
		if err != nil {
			t.Fatal(err)
		}
		if s.Vars["life"] != c.life || s.Vars["n"] != c.n || s.Sabotaged != (c.opt.Sabotage && !c.opt.Control) || s.Control != (c.opt.Sabotage && c.opt.Control) || s.Sabotage.Do[1] != "wait "+c.life {
			t.Errorf("%+v: %v, sabotaged %v, %v", c.opt, s.Vars, s.Sabotaged, s.Sabotage.Do)
		}
	}
}

func TestSabotageErrors(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown key", "  set:", "  sets:", `two.yaml:23:3: unknown key "sets"`},
		{"no such variable", "{life: 60s}", "{live: 60s}", `sabotage sets "live", which vars: does not declare; it knows life, n`},
		{"no such profile", "  fails:", "  profile: slow\n  fails:", `two.yaml:25:12: sabotage: there is no profile "slow"`},
		{"no such variable in an action", "wait ${life}", "wait ${live}", "two.yaml:24:20: ${live} is not declared"},
		{"no text", "Keys live for a minute.", `""`, "two.yaml:22:3: sabotage: text: is missing"},
		{"nobody must notice", "fails: [reach]", "fails: []", "two.yaml:22:3: sabotage: fails: is missing"},
		{"nothing is broken", "  set: {life: 60s}\n  do: [\"kill gm1\", \"wait ${life}\"]\n", "", "two.yaml:22:3: sabotage: breaks nothing"},
	} {
		text := strings.Replace(broken, c.old, c.new, 1)
		if text == broken {
			t.Fatalf("%s: the row changes nothing", c.name)
		}
		if _, err := Parse("two.yaml", []byte(text), Options{}); !errors.Is(err, ErrScenario) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got  %v\nwant %s", c.name, err, c.want)
		}
	}
	if _, err := Parse("two.yaml", []byte(good), Options{Sabotage: true}); !errors.Is(err, ErrScenario) || !strings.Contains(err.Error(), "no sabotage: section") {
		t.Errorf("without the section: %v", err)
	}
}

// What breaks a scenario is not inherited by who builds on it.
func TestSabotageIsNotInherited(t *testing.T) {
	base := func(string) ([]byte, error) { return []byte(broken), nil }
	s, err := Parse("three.yaml", []byte("name: three\nbase: two\n"), Options{Base: base})
	if err != nil || s.Sabotage != nil {
		t.Errorf("%v, %+v", err, s)
	}
	own := "name: three\nbase: two\nsabotage: {text: mine, set: {n: \"1\"}, fails: [reach]}\n"
	if s, err = Parse("three.yaml", []byte(own), Options{Base: base, Sabotage: true}); err != nil || s.Sabotage.Text != "mine" || s.Vars["n"] != "1" || s.Vars["life"] != "100s" {
		t.Errorf("%v, %+v", err, s)
	}
}

// A result that passed, that could not measure, or that is not there has caught nothing; one of a name that failed is enough.
func TestVerdict(t *testing.T) {
	b := &Sabotage{Text: "it leaks", Fails: []string{"a", "b"}}
	bad := func(name string) Result { return Result{Name: name, Value: "7 clear", Want: "0 clear"} }
	good := func(name string) Result { return Result{Name: name, OK: true, Value: "0 clear"} }
	none := func(name string) Result {
		return Result{Name: name, Value: NotMeasured, Want: "a measurement", Message: "no socket"}
	}
	for _, c := range []struct {
		name    string
		results []Result
		ok      bool
		says    string
	}{
		{"all caught", []Result{bad("a"), bad("b")}, true, "caught  b                          7 clear"},
		{"others may pass", []Result{good("x"), bad("a"), none("y"), bad("b")}, true, "sabotage: it leaks\ncaught"},
		{"one of two of a name", []Result{good("a"), bad("a"), none("a"), bad("b")}, true, "caught  a"},
		{"one passed", []Result{bad("a"), good("b")}, false, "MISSED  b                          0 clear  (it passed)"},
		{"one not measured", []Result{bad("a"), none("b")}, false, "(it could not measure: no socket)"},
		{"one is not there", []Result{bad("a")}, false, "(there is no result of this name)"},
		{"nothing at all", nil, false, "MISSED  a"},
		{"one passed behind what was not done", []Result{bad("a"), {Name: "exec x", Skipped: true, Value: ActionFailed}, good("b")}, true, "skipped  (it passed, but this was not done, of which it may be a consequence: exec x)"},
	} {
		v := b.Judge(c.results)
		if v.OK() != c.ok || !strings.Contains(v.String(), c.says) {
			t.Errorf("%s: ok %v, want %v\n%s\nwant %q in it", c.name, v.OK(), c.ok, v, c.says)
		}
		r := &Report{Scenario: "two", Checks: c.results, Sabotage: v}
		r.Finish(time.Now())
		var out bytes.Buffer
		r.Print(&out)
		if r.OK != c.ok || !strings.HasPrefix(out.String(), v.String()) || c.ok != !strings.Contains(out.String(), "FAILED") {
			t.Errorf("%s: the report says ok %v:\n%s", c.name, r.OK, &out)
		}
		r.Error = "the lab did not come up"
		if r.Finish(time.Now()); r.OK {
			t.Errorf("%s: a run that broke down has caught it", c.name)
		}
	}
}
