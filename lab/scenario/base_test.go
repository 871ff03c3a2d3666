package scenario

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const small = `name: small
title: small
vars: {life: 60s, rate: "10"}
profiles: {quick: {life: 10s}}
protected: [10.1.0.0/16]
policy: ["permit ip 10.1.0.0/16 10.1.0.0/16"]
secrets: [a]
programs:
  ks: {binary: getvpn-ks, config: "name: ${node} ${life}"}
nodes:
  - {name: ks1, kind: ks, program: ks, routes: [default via 10.0.0.2]}
  - {name: p1, kind: core, routes: [10.9.0.0/24 via 10.0.1.1]}
  - {name: x1, kind: gm}
links:
  - {ends: [ks1 wan0 10.0.0.1/30, p1 ks1 10.0.0.2/30]}
  - {ends: [x1 wan0 10.0.1.1/30, p1 x1 10.0.1.2/30]}
steps: [{do: heal}]
`

func withBase(text string, opt Options) (*Scenario, error) {
	opt.Base = func(name string) ([]byte, error) {
		if name != "small" {
			return nil, errors.New("there is no scenario " + name)
		}
		return []byte(small), nil
	}
	return Parse("over.yaml", []byte(text), opt)
}

func TestBase(t *testing.T) {
	s, err := withBase(`name: over-it
base: small
without: [x1]
vars: {more: "1"}
profiles: {quick: {more: "2"}, slow: {life: 99s}}
secrets: [b]
programs:
  gm: {binary: getvpn-gm, config: "name: ${node}"}
nodes:
  - {name: ks1, vars: {who: me}}
  - {name: gm1, kind: gm, program: gm}
links:
  - {ends: [gm1 wan0 10.0.2.1/30, p1 gm1 10.0.2.2/30]}
steps: [{do: "wait ${life}"}]
`, Options{Profile: "quick"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "over-it" || s.LabName() != "over_it" || s.Title != "small" || s.Vars["life"] != "10s" || s.Vars["more"] != "2" || s.Steps[0].Do != "wait 10s" {
		t.Errorf("%+v", s)
	}
	if !slices.Equal(s.Secrets, []string{"a", "b"}) || len(s.Links) != 2 || s.Node("x1") != nil {
		t.Errorf("secrets %v, %d links, x1 %v", s.Secrets, len(s.Links), s.Node("x1"))
	}
	if ks := s.Node("ks1"); ks.Program != "ks" || ks.NodeVars["who"] != "me" || len(ks.Routes) != 1 {
		t.Errorf("ks1 %+v", ks)
	}
	if gm := s.Node("gm1"); gm == nil || gm.Addresses[0].Peer != "p1" {
		t.Errorf("gm1 %+v", gm)
	}
	// What is kept with the lab parses without the base.
	again, err := Parse("kept.yaml", s.Text, Options{Set: s.Vars})
	if err != nil || again.Steps[0].Do != "wait 10s" || len(again.Nodes) != len(s.Nodes) {
		t.Errorf("again: %v", err)
	}
}

func TestBaseMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"name: a\nbase: nothing":                               "over.yaml:2:7: base: there is no scenario nothing",
		"name: a\nwithout: [x1]":                               "over.yaml:2:10: without: leaves out",
		"name: a\nbase: small\nwithout: [x9]":                  `over.yaml:3:10: without: base small has no node "x9"`,
		"name: a\nbase: small\nsteps: [{do: 1, check: reach}]": "exactly one of",
	} {
		if _, err := withBase(text, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
	// What is wrong in the text of the base is told with its place there.
	for text, want := range map[string]string{
		"name: a\nbase: small\nlinks: [{ends: [x9 a 10.8.0.1/30, p1 x9 10.8.0.2/30]}]":                       `over.yaml:3:17: there is no node "x9"`,
		"name: a\nbase: small\nlinks: [{ends: [ks1 wan0 10.8.0.1/30, p1 x9 10.8.0.2/30]}]":                   "interface wan0 of ks1 is already used on line 15 of the base",
		"name: a\nbase: small\nnodes: [{name: ks1, vars: {}}]\nprograms: {ks: {binary: a, config: '${x}'}}":  "${x}",
		"name: a\nbase: small\nprotected: [10.1.0.0/16]\nnodes: [{name: x1, routes: [default via 9.9.9.9]}]": "over.yaml:4:",
	} {
		if _, err := withBase(text, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
	s, err := withBase("name: a\nbase: small\nwithout: [x1]", Options{})
	if err != nil || s.Where(s.Steps[0].At) != "small/small.yaml:17:9" || s.Where(s.Place("name")) != "over.yaml:1:7" || !slices.Equal(s.LeftOut(), []string{"x1"}) {
		t.Errorf("%v: %s %s %v", err, s.Where(s.Steps[0].At), s.Where(s.Place("name")), s.LeftOut())
	}
	s, err = withBase("base: small\n", Options{})
	if err != nil || !slices.ContainsFunc(s.Lint(), func(e *Error) bool { return strings.Contains(e.Text, "are called small") }) {
		t.Errorf("without a name: %v", err)
	}
	if _, err := Parse("a.yaml", []byte("name: a\nbase: small"), Options{}); err == nil {
		t.Error("a base that nobody can find")
	}
}
