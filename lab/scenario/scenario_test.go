package scenario

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

const good = `name: two
vars: {life: 100s, n: "3"}
profiles:
  quick: {life: 10s}
protected: [10.1.0.0/16]
policy: ["permit ip 10.1.0.0/16 10.1.0.0/16"]
secrets: [gm1]
programs:
  gm: {binary: getvpn-gm, config: "name: ${node}\naddress: ${addr.wan0}\nnet: ${net.lan0}\nlife: ${life}\nwho: ${who}\nrules: ${policy}\nraw: $${x}\n"}
nodes:
  - {name: gm1, kind: gm, program: gm, vars: {who: me}, routes: [default via 172.16.1.2]}
  - {name: p1, kind: core}
  - {name: h1, kind: host}
  - {name: hx, kind: host, outsider: true}
links:
  - {ends: [gm1 wan0 172.16.1.1/30, p1 gm1 172.16.1.2/30]}
  - {ends: [gm1 lan0 10.1.1.1/24, h1 eth0 10.1.1.10/24], mtu: 1400}
steps:
  - {check: reach, pairs: all, tries: "${n}"}
  - do: kill gm1
`

func TestParse(t *testing.T) {
	s, err := Parse("two.yaml", []byte(good), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Address("gm1").String(); got != "172.16.1.1" {
		t.Errorf("address of gm1: %s", got)
	}
	if got := s.LANAddress("gm1").String(); got != "10.1.1.1" {
		t.Errorf("LAN address of gm1: %s", got)
	}
	if got := s.MemberOf("h1"); got != "gm1" {
		t.Errorf("member of h1: %q", got)
	}
	if got := s.Named(KindHost); !slices.Equal(got, []string{"h1"}) {
		t.Errorf("hosts: %v; outsiders do not count", got)
	}
	if got := s.Territory("gm1"); len(got) != 2 || got[0].String() != "172.16.1.1/32" || got[1].String() != "10.1.1.0/24" {
		t.Errorf("territory of gm1: %v", got)
	}
	if s.Links[1].MTU != 1400 || s.Steps[1].Do != "kill gm1" || s.Steps[0].Name != "reach" {
		t.Errorf("parsed %+v %+v", s.Links[1], s.Steps)
	}
	var params struct {
		Pairs string `yaml:"pairs"`
		Tries int    `yaml:"tries"` // the variable became a number
	}
	if err := s.DecodeParams(&s.Steps[0], &params); err != nil || params.Tries != 3 || params.Pairs != "all" {
		t.Errorf("parameters %+v, %v", params, err)
	}
	var none struct{}
	err = s.DecodeParams(&s.Steps[0], &none)
	if err == nil || !strings.Contains(err.Error(), "two.yaml:19:") {
		t.Errorf("an unknown parameter: %v", err)
	}
}

func TestRender(t *testing.T) {
	s, err := Parse("two.yaml", []byte(good), Options{Profile: "quick"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Render(s.Node("gm1"), Places{})
	want := "name: gm1\naddress: 172.16.1.1\nnet: 10.1.1.0/24\nlife: 10s\nwho: me\n" +
		"rules: [\"permit ip 10.1.0.0/16 10.1.0.0/16\"]\nraw: ${x}\n"
	if err != nil || got != want {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown key", "kind: core", "kind: core, colour: red", "two.yaml:12:28: unknown key \"colour\""},
		{"unknown top key", "secrets: [gm1]", "secret: [gm1]", "two.yaml:7:1: unknown key \"secret\""},
		{"duplicate key", "secrets: [gm1]", "name: three", "two.yaml:7:1: "},
		{"no YAML", "secrets: [gm1]", "secrets: [gm1", "two.yaml:"},
		{"kind", "kind: core", "kind: router", "two.yaml:12:5: node p1: kind \"router\""},
		{"node twice", "name: h1,", "name: p1,", "two.yaml:13:5: node p1 is already defined on line 12"},
		{"program", "program: gm,", "program: ks,", "two.yaml:11:5: node gm1: there is no program"},
		{"binary that is YAML", "binary: getvpn-gm", "binary: 'gm], privileged: true'", "plain name of a program"},
		{"title of two lines", "name: t", "title: \"a\\nprivileged: true\"\nname: t", "a title is one line"},
		{"path as binary", "binary: getvpn-gm", "binary: ../gm", "plain name of a program"},
		{"route", "default via 172.16.1.2", "default 172.16.1.2", "two.yaml:11:66: a route is written"},
		{"next hop", "default via 172.16.1.2", "default via 172.16.9.2", "two.yaml:11:66: node gm1: next hop 172.16.9.2"},
		{"host bits", "default via", "10.1.1.1/24 via", "two.yaml:11:66: destination 10.1.1.1/24 has host bits"},
		{"end of a link", "p1 gm1 172.16.1.2/30", "p1 172.16.1.2/30", "two.yaml:16:37: a link's end is written"},
		{"other network", "p1 gm1 172.16.1.2/30", "p1 gm1 172.16.2.2/30", "two.yaml:16:5: 172.16.1.1/30 and 172.16.2.2/30"},
		{"no such node", "h1 eth0", "h9 eth0", "two.yaml:17:35: there is no node \"h9\""},
		{"interface twice", "gm1 lan0", "gm1 wan0", "two.yaml:17:13: interface wan0 of gm1 is already used on line 16"},
		{"long interface", "gm1 lan0", "gm1 interface-of-gm1", "two.yaml:17:13: interface"},
		{"mtu", "mtu: 1400", "mtu: 99", "two.yaml:17:5: mtu 99"},
		{"variable", `"${n}"`, `"${m}"`, "two.yaml:19:39: ${m} is not declared"},
		{"variable of a node", "${who}", "${whom}", "two.yaml:9:7: program gm on node gm1: ${whom} is not known"},
		{"step", "do: kill gm1", "wait: 5s", "two.yaml:20:5: a step has exactly one of"},
		{"two in a step", "do: kill gm1", "{do: heal, check: reach}", "two.yaml:20:5: a step has exactly one of"},
		{"policy", "permit ip 10.1.0.0/16 10", "permit ip 10.1.0.0/16 x", "two.yaml:6:10: policy, rule 1"},
		{"lab name", "name: two", "name: Two_labs", "two.yaml:1:7: name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(good, c.old, c.new, 1)
			if text == good {
				t.Fatal("the row changes nothing")
			}
			_, err := Parse("two.yaml", []byte(text), Options{})
			if !errors.Is(err, ErrScenario) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	for _, c := range []struct {
		name, want, fails string
		opt               Options
	}{
		{"default", "100s", "", Options{}},
		{"profile", "10s", "", Options{Profile: "quick"}},
		{"set beats profile", "5s", "", Options{Profile: "quick", Set: map[string]string{"life": "5s"}}},
		{"unknown profile", "", "no profile", Options{Profile: "slow"}},
		{"unknown variable", "", "does not declare; it knows life, n", Options{Set: map[string]string{"lief": "5s"}}},
	} {
		s, err := Parse("two.yaml", []byte(good), c.opt)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: got %v", c.name, err)
			}
		} else if err != nil || s.Vars["life"] != c.want {
			t.Errorf("%s: got %v, %v", c.name, s, err)
		}
	}
	broken := strings.Replace(good, "quick: {life: 10s}", "quick: {lief: 10s}", 1)
	if _, err := Parse("two.yaml", []byte(broken), Options{}); err == nil || !strings.Contains(err.Error(), "profile quick") {
		t.Errorf("a profile with an unknown variable: %v", err)
	}
}

func TestParsePartition(t *testing.T) {
	s, err := Parse("two.yaml", []byte(good), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want, fails string }{
		{"gm1/p1", "gm1/p1", ""},
		{"gm1, h1/p1", "gm1,h1/p1", ""},
		{"gm1/p1 only control", "gm1/p1 only control", ""},
		{"gm1/p1 only data", "", `no node "p1 only data"`},
		{"gm1", "", "exactly two sides"},
		{"gm1/p1/h1", "", "exactly two sides"},
		{"gm1/", "", "empty name"},
		{"gm1,/p1", "", "empty name"},
		{"gm1/gm1", "", "names gm1 twice"},
		{"gm1/ks9", "", `no node "ks9"`},
	} {
		p, err := s.ParsePartition(c.text)
		switch {
		case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
			t.Errorf("%q: got %v; want an error with %q", c.text, err, c.fails)
		case c.fails == "" && (err != nil || p.String() != c.want):
			t.Errorf("%q: got %v, %v", c.text, p, err)
		}
	}
}

func TestReport(t *testing.T) {
	start := time.Unix(0, 0)
	for _, c := range []struct {
		name string
		r    Report
		ok   bool
		text string
	}{
		{"passed", Report{Checks: []Result{{Name: "a", OK: true}}}, true, "x: all 1 checks passed (5 s)"},
		{"one failed", Report{Checks: []Result{{Name: "a", OK: true}, {Name: "b"}}}, false, "x: FAILED: 1 of 2 checks: [b] (5 s)"},
		{"nothing checked", Report{}, false, "x: FAILED: nothing was checked"},
		{"no lab", Report{Error: "no root", Checks: []Result{{OK: true}}}, false, "x: FAILED: no root"},
	} {
		c.r.Scenario, c.r.Started = "x", start
		c.r.Finish(start.Add(5 * time.Second))
		var b strings.Builder
		c.r.Print(&b)
		if c.r.OK != c.ok || !strings.Contains(b.String(), c.text) {
			t.Errorf("%s: ok %v, %q", c.name, c.r.OK, b.String())
		}
	}
	got := Result{Name: "reach", Value: "11 of 12", Want: "12", Message: "no answer: h1>h2", Seconds: 2}.String()
	if !strings.HasPrefix(got, "FAIL  reach") || !strings.Contains(got, "want 12") || !strings.Contains(got, "h1>h2") {
		t.Errorf("line of a failed check: %q", got)
	}
}
