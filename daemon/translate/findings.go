package translate

import (
	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// Lint is what there is to say about the policy in force, found once for each configuration: a snapshot comes every second, and a
// long access list takes milliseconds. The zero value is ready; it belongs to one goroutine.
type Lint struct {
	groups   *config.KSGroup // the first of the configuration that it was made for: other groups, another array
	findings map[string][]policy.Finding
}

func (l *Lint) of(c *config.KS) map[string][]policy.Finding {
	if len(c.Groups) == 0 {
		return nil
	}
	if l.groups != &c.Groups[0] {
		l.groups, l.findings = &c.Groups[0], map[string][]policy.Finding{}
		for i, found := range c.Lint() {
			l.findings[c.Groups[i].Name] = found
		}
	}
	return l.findings
}

// Mark puts what lint says of the policies of a configuration at the rules of a snapshot; not while they are being changed.
func (l *Lint) Mark(c *config.KS, k *control.KeyServer) {
	found := l.of(c)
	for i := range k.Groups {
		g := &k.Groups[i]
		list := found[g.Name]
		if len(list) == 0 { // as almost always; a digest is of the whole access list
			continue
		}
		if own := GroupNamed(c, g.Name); g.PolicyDigest == policy.Effective(own.Sources()).Digest() {
			mark(g.Policy, own, list)
		}
	}
}

// mark puts findings at the rules that they are about; rules are the access lists of the group, one after the other.
func mark(rules []control.Rule, c *config.KSGroup, findings []policy.Finding) {
	before := []int{0}
	for _, s := range c.Sources() {
		before = append(before, before[len(before)-1]+len(s.Rules))
	}
	for _, f := range findings {
		if f.Index < 0 || f.List >= len(before) || before[f.List]+f.Index >= len(rules) {
			continue // it is about the group as a whole: a warning of the configuration says it
		}
		out := control.RuleFinding{Level: f.Level.String(), Code: f.Code, Text: f.Text}
		for _, k := range f.By {
			out.By = append(out.By, k+1)
		}
		r := &rules[before[f.List]+f.Index]
		r.Findings = append(r.Findings, out)
	}
}
