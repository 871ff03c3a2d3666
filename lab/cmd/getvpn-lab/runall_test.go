package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

// TestPlanOfAll: every scenario once, in each of its profiles for tests, and no two labs of one name.
func TestPlanOfAll(t *testing.T) {
	for _, f := range []fleet{{}, {runner: runner{choice: choice{Options: scenario.Options{Profile: "quick"}}}},
		{runner: runner{choice: choice{Options: scenario.Options{Profile: "quick"}, name: "gvl1"}}}} {
		list, err := f.plan()
		if err != nil {
			t.Fatal(err)
		}
		labs, seen := map[string]bool{}, map[string]bool{}
		for _, o := range list {
			if labs[o.lab] || !scenario.ValidName(o.lab) {
				t.Errorf("%s: lab %s", o, o.lab)
			}
			labs[o.lab], seen[o.scenario] = true, true
		}
		if len(seen) != len(topologies.Names()) {
			t.Errorf("%d of %d scenarios", len(seen), len(topologies.Names()))
		}
		fork := slices.ContainsFunc(list, func(o *one) bool { return o.String() == "coop-partition quick-fork" })
		if fork != (f.Profile == "quick") {
			t.Errorf("profile %q: coop-partition quick-fork is there: %t", f.Profile, fork)
		}
	}
	broken := fleet{runner: runner{choice: choice{Options: scenario.Options{Profile: "quick", Sabotage: true}}}}
	list, err := broken.plan()
	if err != nil || !slices.ContainsFunc(list, func(o *one) bool { return o.String() == "basic" }) ||
		slices.ContainsFunc(list, func(o *one) bool { return strings.HasPrefix(o.scenario, "break-fix") }) {
		t.Errorf("broken on purpose: %v, %v", list, err)
	}
	for _, sabotage := range []bool{false, true} {
		f := fleet{runner: runner{choice: choice{Options: scenario.Options{Profile: "no-such", Sabotage: sabotage}}}}
		if _, err := f.plan(); err == nil || !strings.Contains(err.Error(), `profile "no-such"`) {
			t.Errorf("a profile that nobody has, sabotage %t: %v", sabotage, err)
		}
	}
}

// TestSummaryOfAll: one that failed, or could not begin, fails all.
func TestSummaryOfAll(t *testing.T) {
	good := &scenario.Report{Scenario: "a", Started: time.Now(), Checks: []scenario.Result{{OK: true}, {OK: true}}}
	bad := &scenario.Report{Scenario: "b", Started: time.Now(), Checks: []scenario.Result{{OK: true}, {}}}
	good.Finish(time.Now())
	bad.Finish(time.Now())
	ended := &scenario.Report{Scenario: "b", Started: time.Now(), Error: scenario.Interrupted}
	ended.Finish(time.Now())
	none := &scenario.Report{Scenario: "d", Driver: "sim", Started: time.Now(), Checks: []scenario.Result{{Skipped: true}, {Name: scenario.Invariants, OK: true}}}
	none.Finish(time.Now())
	left := &scenario.Report{Scenario: "d", Started: time.Now(), Skipped: "needs netns", Error: "a namespace is left"}
	left.Finish(time.Now())
	for _, row := range []struct {
		list []*one
		want string
		err  error
	}{
		{[]*one{{scenario: "a", report: good}}, "1 runs, 0 failed", nil},
		{[]*one{{scenario: "a", report: good}, {scenario: "b", report: bad}}, "2 runs, 1 failed", errChecks},
		{[]*one{{scenario: "a", report: good}, {scenario: "c", err: errChecks}}, "2 runs, 1 failed", errChecks},
		{[]*one{{scenario: "a", report: good}, {scenario: "d", report: none}}, "2 runs, 0 failed", nil},
		{[]*one{{scenario: "d", report: none}}, "1 runs, 0 failed", errNothing},
		{[]*one{{scenario: "a", report: good}, {scenario: "d", report: left}}, "2 runs, 1 failed", errChecks},
		{[]*one{{scenario: "a", report: good}, {scenario: "b", report: ended}, {scenario: "c", err: errInterrupted}, {scenario: "d", err: errNotRun}},
			"interrupted: of 4 runs 0 failed, 2 were interrupted, and 1 were not begun", errInterrupted},
	} {
		var out bytes.Buffer
		reports, err := summary(&out, "sim", row.list, 2, time.Second)
		if err != row.err || !strings.Contains(out.String(), row.want) || len(reports) != len(row.list) { //nolint:errorlint // as it is
			t.Errorf("%v: %d reports, %s", err, len(reports), &out)
		}
		for i, o := range row.list { // also of one that could not begin
			if o.err != nil && (reports[i].Error != o.err.Error() || reports[i].Scenario != o.scenario) {
				t.Errorf("%+v: %+v", o, reports[i])
			}
		}
	}
}
