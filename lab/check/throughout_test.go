package check

import (
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// made is a flow of a packet each 100 ms for ten seconds; lost says which, by their numbers.
func made(from, to string, lost ...int) *Flow {
	f := &Flow{From: from, To: to}
	for i := range 100 {
		at := time.Duration(i) * 100 * time.Millisecond
		f.sent, f.received = append(f.sent, at), append(f.received, at+time.Millisecond)
	}
	for _, i := range lost {
		f.received[i] = 0
	}
	return f
}

// Who is on one side loses nothing, ever; who is not, between two steps only.
func TestThroughoutJudges(t *testing.T) {
	spans := []span{{0, time.Second, ""}, {2 * time.Second, 3 * time.Second, ""}, {3 * time.Second, 5 * time.Second, "gm2 unknown-spi 1"}}
	for _, c := range []struct {
		name            string
		flows           []*Flow
		offences        uint64
		none            bool
		within, between bool
	}{
		{"nothing is lost", []*Flow{made("h1", "h2"), made("h2", "h3")}, 0, true, true, true},
		{"lost on a side", []*Flow{made("h1", "h2", 25), made("h2", "h3")}, 0, false, false, true},
		{"lost between the sides, in time", []*Flow{made("h1", "h2"), made("h2", "h3", 20, 49)}, 0, false, true, true},
		{"lost where nothing may be", []*Flow{made("h1", "h2"), made("h2", "h3", 20)}, 0, true, true, false},
		{"lost too early", []*Flow{made("h1", "h2"), made("h2", "h3", 15)}, 0, false, true, false},
		{"lost too late", []*Flow{made("h1", "h2"), made("h2", "h3", 50)}, 0, false, true, false},
		{"in clear", []*Flow{made("h1", "h2"), made("h2", "h3")}, 1, false, false, true},
	} {
		check := throughout{Rate: 10, Apart: &apart{Sides: [][]string{{"h1", "h2"}}, From: "cut", Until: "whole", None: c.none},
			Steps: []scenario.Step{{Name: "x"}, {Name: "cut"}, {Name: "whole"}}}
		got := check.judge(c.flows, spans, 10*time.Second, c.offences, "clear")
		if len(got) != 2 || got[0].OK != c.within || got[1].OK != c.between {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	// Each lost packet is put down to the step in which it was sent, waits after it included.
	all := throughout{Rate: 10, Steps: []scenario.Step{{Name: "x"}, {Do: "heal"}, {Name: "whole"}}}
	got := all.judge([]*Flow{made("h1", "h2", 15, 20, 80), made("h2", "h1", 0)}, spans, 10*time.Second, 0, "")
	if m := got[0].Message; !strings.HasSuffix(m, "; 2 in x; 1 in heal; 1 in whole (dropped then: gm2 unknown-spi 1)") {
		t.Errorf("which steps: %q", m)
	}
}

func TestThroughoutIsChecked(t *testing.T) {
	s := basic(t)
	wait := []scenario.Step{{Name: "a", Do: "wait 1s"}, {Name: "b", Do: "heal"}}
	for want, c := range map[string]throughout{
		"":                       {Pairs: Pairs{Neighbours: true}, Rate: 1, Steps: wait, Apart: &apart{Sides: [][]string{{"h1"}}, From: "a", Until: "b"}},
		"rate":                   {Pairs: Pairs{All: true}, Steps: wait},
		"steps:":                 {Pairs: Pairs{All: true}, Rate: 1},
		`no node "h9"`:           {Pairs: Pairs{All: true}, Rate: 1, Steps: wait, Apart: &apart{Sides: [][]string{{"h9"}}, From: "a", Until: "b"}},
		"in their order":         {Pairs: Pairs{All: true}, Rate: 1, Steps: wait, Apart: &apart{Sides: [][]string{{"h1"}}, From: "b", Until: "a"}},
		"lists the hosts":        {Pairs: Pairs{All: true}, Rate: 1, Steps: wait, Apart: &apart{From: "a", Until: "b"}},
		"there are: configure":   {Pairs: Pairs{All: true}, Rate: 1, Steps: []scenario.Step{{Do: "nothing"}}},
		`there is no check "no"`: {Pairs: Pairs{All: true}, Rate: 1, Steps: []scenario.Step{{Check: "no"}}},
	} {
		if err := c.Validate(s); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	if p := (Pairs{Neighbours: true}).of(s); len(p) != 4 || p[3].String() != "h4-h1" {
		t.Errorf("neighbours: %v", p)
	}
}
