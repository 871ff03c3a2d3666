package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// accessList checks the access list of an SA and notes where its rules stand.
func (d *decoder) accessList(g *KSGroup, v *value, sa string, l policy.List, esp suite.ESP) {
	if len(l) != len(v.items) {
		return // rules are missing because they are wrong: reported
	}
	if err := l.Validate(); err != nil {
		d.fail(v, "%s", strings.TrimPrefix(err.Error(), policy.ErrInvalid.Error()+": "))
		return
	}
	a := AccessList{SA: sa, Rules: l, Suite: esp}
	for _, i := range v.items {
		a.Lines = append(a.Lines, i.line)
	}
	g.Lists = append(g.Lists, a)
	if d.listsAt == nil {
		d.listsAt = map[string][]*value{}
	}
	d.listsAt[g.Name] = append(d.listsAt[g.Name], v)
}

// Sources is the access lists of a group for package policy.
func (g *KSGroup) Sources() []policy.Source {
	var out []policy.Source
	for _, l := range g.Lists {
		out = append(out, policy.Source{Name: l.SA, Rules: l.Rules})
	}
	return out
}

// servers is where the key servers are reached.
func (c *KS) servers() []netip.Addr {
	all := c.own()
	if c.Cooperation != nil {
		for _, p := range c.Cooperation.Peers {
			all = append(all, p.Address.Addr())
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// own are the addresses of this key server.
func (c *KS) own() (out []netip.Addr) {
	all := []netip.Addr{c.Identity.Address, c.Identity.Other}
	for _, e := range c.Listen {
		all = append(all, e.Addr())
	}
	slices.SortFunc(all, netip.Addr.Compare)
	for _, a := range slices.Compact(all) {
		if a.IsValid() && !a.IsUnspecified() {
			out = append(out, a)
		}
	}
	return out
}

// Lint is what there is to say about the policy of each group, those of the others in mind; by index of the group.
func (c *KS) Lint() [][]policy.Finding {
	var all []policy.GroupPolicy
	for i := range c.Groups {
		g := &c.Groups[i]
		all = append(all, policy.GroupPolicy{Name: g.Name, Authorise: g.Authorise, Lists: g.Sources()})
	}
	out := policy.LintGroups(all)
	for i := range all {
		out[i] = append(policy.Lint(all[i].Lists, policy.Surroundings{Servers: c.servers()}), out[i]...)
	}
	return out
}

// lint reports findings at their places.
func (d *decoder) lint(c *KS) {
	for i, findings := range c.Lint() {
		at := d.listsAt[c.Groups[i].Name]
		for _, f := range findings {
			if f.List >= len(at) {
				continue // two groups of one name: reported
			}
			v := at[f.List]
			if f.Index >= 0 {
				v = v.items[f.Index]
			}
			if f.Level == policy.Warning {
				d.warn(v, "%s", f.Text)
			} else {
				d.hints = append(d.hints, fmt.Sprintf("%s:%d:%d: %s", d.file, v.line, v.col, f.Text))
			}
		}
	}
}
