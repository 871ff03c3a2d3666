package check

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

func basic(t *testing.T) *scenario.Scenario {
	t.Helper()
	s, err := topologies.Load("basic", scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestActionsAreChecked(t *testing.T) {
	s := basic(t)
	for text, want := range map[string]string{
		"kill gm1": "", "wait 3s": "", "partition ks1/gm1 for 3s": "", "configure ks1 program=ks tek_lifetime=30s": "",
		"operator ks1 rekey blue": "", `exec h1 sh -c "true && true"`: "", "reload ks1": "", "heal": "",
		"pause ks1": "", "resume ks1": "", "wipe ks1": "", "wipe ks1 state.db": "", "partition ks1/gm1 only control": "", "partition ks1/gm1 only control for 3s": "",
		"token lose ks1":             "node ks1 has no hsm",
		"token lose":                 "write token lose|return NODE",
		"token eject ks1":            "write token lose|return NODE",
		"token return ks9":           `no node "ks9"`,
		"":                           "empty",
		"explode ks1":                "there are: configure, exec",
		"kill h1":                    `no node "h1" with a daemon`,
		"kill":                       "write kill NODE",
		"wait long":                  "write wait 5s",
		"configure ks1":              "write configure NODE",
		"configure ks1 a":            "write configure NODE",
		"configure gm1 program=none": `no program "none"`,
		"operator h1 show":           "with a daemon",
		"exec h9 true":               `no node "h9"`,
		`exec h1 "true`:              "double quote",
		"partition gm1":              "two sides",
		"partition ks1/gm1 only ks1": "write partition",
		"partition ks1/gm1 for":      "write partition",
		"wipe":                       "write wipe",
		"heal all":                   "write heal",
	} {
		_, err := action(s, scenario.Pos{Line: 7}, text)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ":7:")) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

func TestWords(t *testing.T) {
	got, err := words(`a  "b c" d="e f" "" g`)
	if want := []string{"a", "b c", "d=e f", "", "g"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q %v; want %q", got, err, want)
	}
}

func TestFollow(t *testing.T) {
	var v any
	text := `{"gm":{"groups":[{"name":"red","state":"registered","teks":[],"n":3},{"name":"blue.x","state":"expired","teks":[{"spi":"1"},{"spi":"2"}],"on":true}],"none":null}}`
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"gm.groups[0].state": "registered", "gm.groups[name=blue.x].state": "expired", "gm.groups.count": "2",
		"gm.groups[0].teks.count": "0", "gm.groups[name=blue.x].teks[-1].spi": "2", "gm.groups[0].n": "3", "gm.groups[1].on": "true",
		"gm.none.count": "0", "gm.groups[1].teks[spi=1].spi": "1",
		"gm.none": "-", "gm.groups[2].state": "-", "gm.groups[name=green]": "-", "gm.x.y": "-", "gm.groups[x]": "-", "gm[0]": "-", "a b": "-",
	} {
		got, ok := follow(v, path)
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%s: %q; want %q", path, got, want)
		}
	}
	two := 2.0
	for _, c := range []struct {
		s    state
		v    string
		want bool
	}{
		{state{Equals: "a"}, "a", true}, {state{Equals: "a"}, "b", false}, {state{Not: "a"}, "b", true}, {state{Not: "a"}, "a", false},
		{state{AtLeast: &two}, "2", true}, {state{AtLeast: &two}, "1", false}, {state{AtMost: &two}, "3", false}, {state{AtMost: &two}, "x", false},
		{state{Matches: "^a.c$"}, "abc", true}, {state{Matches: "^a$"}, "abc", false}, {state{Missing: true}, "a", false},
	} {
		if got := c.s.holds(c.v); got != c.want {
			t.Errorf("%+v of %q: %v", c.s, c.v, got)
		}
	}
}
