package sourcetest

import (
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// Linted returns the fleet of Fleet with an access list of which not every rule is reached.
func Linted() *source.Fleet {
	f := Fleet()
	list := append([]control.Rule(nil), rules...)
	list = append(list,
		control.Rule{Text: "permit tcp 10.1.2.0/24 10.1.0.0/16", Owner: "group", Findings: []control.RuleFinding{{
			Level: "warning", Code: control.FindingUnreachable, By: []int{3},
			Text: "permit tcp 10.1.2.0/24 10.1.0.0/16 is never reached: rule 3 (permit ip 10.1.0.0/16 10.1.0.0/16) matches all of it first; remove it",
		}}},
		control.Rule{Text: "permit ip 10.1.0.0/16 10.9.0.0/16", Owner: "group", Findings: []control.RuleFinding{{
			Level: "warning", Code: "asymmetric",
			Text: "permit ip 10.1.0.0/16 10.9.0.0/16 encrypts one direction only; add permit ip 10.9.0.0/16 10.1.0.0/16",
		}}})
	for i := range f.Nodes {
		s := f.Nodes[i].Snap
		if s.KS != nil {
			s.KS.Groups[0].Policy, s.KS.Groups[0].PolicyDigest = list, "1382a9cfaf01"
		} else {
			s.GM.Groups[0].Policy, s.GM.Groups[0].PolicyDigest = append([]control.Rule(nil), rules...), "1382a9cfaf01"
			for _, r := range list[len(rules):] {
				r.Findings = nil
				s.GM.Groups[0].Policy = append(s.GM.Groups[0].Policy, r)
			}
		}
	}
	return f
}

// Unchanged and Changed are what a key server says that its configuration file would change.
func Unchanged() []*control.Plan {
	return []*control.Plan{{Node: "ks1", File: "/etc/getvpn/ks.yml", Groups: []control.GroupPlan{{Group: "blue", Action: control.PlanUnchanged, Was: "1382a9cfaf01", Is: "1382a9cfaf01"}}}}
}

// Changed is a plan with a rule that comes and one that goes.
func Changed() []*control.Plan {
	return []*control.Plan{{Node: "ks1", File: "/etc/getvpn/ks.yml", Groups: []control.GroupPlan{{
		Group: "blue", Action: control.PlanChange, Rekeys: true, Was: "1382a9cfaf01", Is: "30969b261829",
		Consequences: []string{
			"the group's SA: its access list changes: new TEK now, sent with in 30s; the old TEK lives 90s",
			"a rekey message with the new keys goes out now, members act on it in 30s",
		},
		Lists: []control.ListDiff{{Lines: []control.DiffLine{
			{Op: "=", Text: "deny udp any eq 848 any eq 848"}, {Op: "=", Text: "permit ip 10.1.0.0/16 10.1.0.0/16"},
			{Op: "-", Text: "permit tcp 10.1.2.0/24 10.1.0.0/16"}, {Op: "+", Text: "permit ip 172.16.0.0/16 172.16.0.0/16"},
		}}},
	}}}}
}
