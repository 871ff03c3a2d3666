package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Policy is the effective access list of every group, in order, with the packets that each rule decided on the
// attached members.
type Policy struct{}

// GroupPolicy is one group's element of `show policy --json`.
type GroupPolicy struct {
	Group  string `json:"group"`
	From   string `json:"from"`   // the node that the list was read from
	Digest string `json:"digest"` // of its group's rules; nodes with the same list have the same
	// Others have another list: a change is under way, or they have missed it.
	Others []Holder `json:"others"`
	Rules  []Rule   `json:"rules"` // in the order in which packets meet them: what members have of their own, then the group's
}

// Holder is a node and the digest of the access list that it has.
type Holder struct {
	Node   string `json:"node"`
	Digest string `json:"digest"` // empty: it has none
}

// Rule is one line of an access list, and what it means.
type Rule struct {
	control.Rule
	Encrypted bool     `json:"encrypted"`
	Members   []string `json:"members,omitempty"` // of a local rule: those that have it, and nobody else
	Number    int      `json:"number,omitempty"`  // in the group's list, from 1; 0: it is a local rule
}

// owner says whose a rule is.
func (r *Rule) owner() string {
	if len(r.Members) == 0 {
		return r.Owner
	}
	return "only " + some(r.Members, 3)
}

// Name implements View.
func (Policy) Name() string { return "policy" }

// ruleOfMember is the owner of a rule that a member's own file has.
const ruleOfMember = "local"

// policies sums the hits of all members for each rule of the group. Rules of a member's own file stand before them, as at that member;
// members with the same ones are told of together.
func policies(fleet *source.Fleet, group string) []GroupPolicy {
	out := []GroupPolicy{}
	for _, name := range limited(fleet, group) {
		p := GroupPolicy{Group: name, Rules: []Rule{}, Others: []Holder{}}
		if n, g := fleet.KSOf(name); g != nil {
			p.add(n.Name, g.PolicyDigest, g.Policy)
		}
		var own [][]Rule
		for _, n := range fleet.Members() {
			g := memberOf(&n, name)
			if g == nil {
				continue
			}
			local := 0
			for local < len(g.Policy) && g.Policy[local].Owner == ruleOfMember {
				local++
			}
			p.add(n.Name, g.PolicyDigest, g.Policy[local:])
			own = addOwn(own, n.Name, g.Policy[:local])
		}
		for i := range p.Rules {
			p.Rules[i].Number = i + 1
		}
		p.Rules = append(slices.Concat(own...), p.Rules...)
		out = append(out, p)
	}
	return out
}

// add counts in what a node says of the group's list.
func (p *GroupPolicy) add(from, digest string, rules []control.Rule) {
	if p.From == "" {
		p.From, p.Digest = from, digest
	}
	if digest != p.Digest {
		p.Others = append(p.Others, Holder{from, digest})
	}
	for _, r := range rules {
		i := slices.IndexFunc(p.Rules, func(x Rule) bool { return x.Text == r.Text })
		if i < 0 {
			p.Rules = append(p.Rules, newRule(r))
		} else {
			p.Rules[i].Hits += r.Hits
		}
	}
}

func newRule(r control.Rule) Rule {
	return Rule{Rule: r, Encrypted: strings.HasPrefix(r.Text, "permit")}
}

// addOwn adds a member's own rules to lists of such, or the member to those that have the same list: its order counts.
func addOwn(lists [][]Rule, member string, rules []control.Rule) [][]Rule {
	if len(rules) == 0 {
		return lists
	}
	same := func(a Rule, b control.Rule) bool { return a.Text == b.Text }
	at := slices.IndexFunc(lists, func(list []Rule) bool { return slices.EqualFunc(list, rules, same) })
	if at < 0 {
		at = len(lists)
		lists = append(lists, make([]Rule, len(rules)))
		for i, r := range rules {
			r.Hits = 0
			lists[at][i] = newRule(r)
		}
	}
	for i := range rules {
		lists[at][i].Hits += rules[i].Hits
		lists[at][i].Members = append(lists[at][i].Members, member)
	}
	return lists
}

// Page implements View.
func (Policy) Page(f *Frame) *Page {
	if len(f.Fleet.Nodes) == 0 {
		return nothing(f)
	}
	type row struct {
		group string
		*Rule
	}
	var rows []row
	p := &Page{Title: "RULES", Right: "the first that fits decides; what none names is in clear"}
	all := policies(f.Fleet, f.Group)
	for k := range all {
		g := &all[k]
		p.Head = append(p.Head, f.section("POLICY of group "+g.Group, f.Theme.Dim.Render(strings.TrimSpace(g.Digest+" from "+g.From))))
		p.Head = append(p.Head, f.pendingLine(g.Group))
		if n := g.unreachable(); n > 0 {
			p.Head = append(p.Head, f.sentence(theme.Caution, fmt.Sprintf("%s never reached, since earlier ones match all of it first", rulesAre(n))))
		}
		for _, o := range g.Others {
			text := fmt.Sprintf("%s has another one, %s", o.Node, o.Digest)
			if o.Digest == "" {
				text = fmt.Sprintf("%s has none", o.Node)
			}
			p.Head = append(p.Head, f.sentence(theme.Caution, text))
		}
		for i := range g.Rules {
			rows = append(rows, row{g.Group, &g.Rules[i]})
		}
	}
	notes, own := false, false
	for i := range rows {
		notes = notes || len(rows[i].Findings) > 0
		own = own || rows[i].Number == 0
	}
	ownerDrop := 2
	if own {
		ownerDrop = 0 // without it they look like rules for all
		p.Head = append(p.Head, f.sentence(theme.Neutral, "rules without a number are members' own: there they come before the group's"))
	}
	t := &widget.Table{Len: len(rows), ID: func(i int) string {
		return rows[i].group + "/" + strings.Join(rows[i].Members, " ") + "/" + rows[i].Text
	}}
	column := columns(t, rows)
	column(widget.Column{Title: "   #", Key: "n", Right: true}, func(r *row) widget.Cell {
		if r.Number == 0 {
			return widget.None()
		}
		return widget.Int(r.Number)
	})
	if len(all) > 1 {
		column(widget.Column{Title: "GROUP"}, func(r *row) widget.Cell { return widget.Text(r.group) })
	}
	column(widget.Column{Title: "RULE", Flex: true, Min: 36}, func(r *row) widget.Cell { return widget.Text(r.Text) })
	column(widget.Column{Title: "TRAFFIC"}, func(r *row) widget.Cell {
		switch {
		case r.hidden():
			return widget.State(theme.Caution, "unreachable")
		case r.Encrypted:
			return widget.State(theme.Good, "encrypted")
		}
		return widget.State(theme.Neutral, "in clear")
	})
	column(widget.Column{Title: "OWNER", Drop: ownerDrop}, func(r *row) widget.Cell { return widget.Text(r.owner()) })
	column(widget.Column{Title: "HITS", Right: true}, func(r *row) widget.Cell { return widget.Short(r.Hits) })
	if notes {
		column(widget.Column{Title: "NOTE", Drop: 1}, func(r *row) widget.Cell { return r.note() })
	}
	p.Table = t
	p.Subject = func(i int) Subject { return Subject{Group: rows[i].group} }
	p.Want, p.Foot = 6, func(i, room int) (out []string) {
		if i >= 0 {
			out = f.ruleNotes(rows[i].Rule)
		}
		for k := range all {
			if diff := f.pendingDiff(all[k].Group); len(diff) > 0 {
				out = append(append(out, ""), diff...)
			}
		}
		return out[:min(len(out), room)]
	}
	return p
}

// Data implements View.
func (Policy) Data(fleet *source.Fleet, group string) any {
	return map[string]any{"policies": policies(fleet, group)}
}
