package control

import (
	"strings"
	"testing"
)

// TestPlanText: a whole plan, as an operator reads it.
func TestPlanText(t *testing.T) {
	p := &Plan{
		Node: "ks1", File: "ks.yml",
		Groups: []GroupPlan{
			{
				Group: "blue", Action: PlanChange, Rekeys: true, Was: "aaaaaaaaaaaa", Is: "bbbbbbbbbbbb", Consequences: []string{"SA voice: its access list changes: new TEK now; the old TEK lives 1m30s"},
				Lists: []ListDiff{{SA: "voice", Lines: []DiffLine{{"=", "deny tcp any any eq 22"}, {"-", "permit udp any any"}, {"+", "permit ip any any"}}}},
			},
			{Group: "red", Action: PlanUnchanged, Was: "cccccccccccc", Is: "cccccccccccc", Consequences: []string{"nothing changes"}},
			{Group: "green", Action: PlanAdd, Is: "dddddddddddd"},
			{Group: "pink", Action: PlanUnchanged, Refused: "its id changes"},
		},
		Restart: []string{"listen: 10.0.0.2:848, now 10.0.0.1:848"}, Warnings: []string{"ks.yml:7:3: careful"},
	}
	const want = `ks1: plan, from ks.yml
group blue: change, policy aaaaaaaaaaaa -> bbbbbbbbbbbb
  SA voice: its access list changes: new TEK now; the old TEK lives 1m30s
  access list of voice
    = deny tcp any any eq 22
    - permit udp any any
    + permit ip any any
group red: unchanged, policy cccccccccccc
  nothing changes
group green: add, policy dddddddddddd
group pink: unchanged
  refused: its id changes
needs a restart: listen: 10.0.0.2:848, now 10.0.0.1:848
warning: ks.yml:7:3: careful
`
	if got := p.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := p.Refused(); got != "group pink: its id changes" {
		t.Errorf("refused: %q", got)
	}
	for _, part := range []string{"planned: ", "group blue changes, with new keys", "group green is added", "group pink cannot change", "needs a restart: 1"} {
		if !strings.Contains(p.Summary(), part) {
			t.Errorf("no %q in %q", part, p.Summary())
		}
	}
	if !p.Changes() || (&Plan{Groups: p.Groups[1:2]}).Changes() {
		t.Error("Changes")
	}
	if got := (&Plan{Applied: true, Groups: p.Groups[1:2]}).Summary(); got != "applied: nothing changes" {
		t.Error(got)
	}
}
