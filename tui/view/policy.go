package view

import (
	"fmt"
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
	Rules  []Rule   `json:"rules"`
}

// Holder is a node and the digest of the access list that it has.
type Holder struct {
	Node   string `json:"node"`
	Digest string `json:"digest"` // empty: it has none
}

// Rule is one line of an access list, and what it means.
type Rule struct {
	control.Rule
	Encrypted bool `json:"encrypted"`
}

// Name implements View.
func (Policy) Name() string { return "policy" }

// policies sums the hits of all members for each rule; rules that only one member has (its local ones) are listed too.
func policies(fleet *source.Fleet, group string) []GroupPolicy {
	out := []GroupPolicy{}
	for _, name := range limited(fleet, group) {
		p := GroupPolicy{Group: name, Rules: []Rule{}, Others: []Holder{}}
		add := func(from, digest string, rules []control.Rule) {
			if p.From == "" {
				p.From, p.Digest = from, digest
			}
			if digest != p.Digest {
				p.Others = append(p.Others, Holder{from, digest})
			}
		next:
			for _, r := range rules {
				for i := range p.Rules {
					if p.Rules[i].Text == r.Text && p.Rules[i].Owner == r.Owner {
						p.Rules[i].Hits += r.Hits
						continue next
					}
				}
				p.Rules = append(p.Rules, Rule{r, strings.HasPrefix(r.Text, "permit")})
			}
		}
		if n, g := fleet.KSOf(name); g != nil {
			add(n.Name, g.PolicyDigest, g.Policy)
		}
		for _, n := range fleet.Members() {
			if n.Snap == nil {
				continue
			}
			for _, g := range n.Snap.GM.Groups {
				if g.Name == name {
					add(n.Name, g.PolicyDigest, g.Policy)
				}
			}
		}
		out = append(out, p)
	}
	return out
}

// Page implements View.
func (Policy) Page(f *Frame) *Page {
	if len(f.Fleet.Nodes) == 0 {
		return nothing(f)
	}
	type row struct {
		group string
		n     int
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
			rows = append(rows, row{g.Group, i + 1, &g.Rules[i]})
		}
	}
	notes := false
	for i := range rows {
		notes = notes || len(rows[i].Findings) > 0
	}
	t := &widget.Table{Len: len(rows), ID: func(i int) string { return rows[i].group + "/" + rows[i].Owner + "/" + rows[i].Text }}
	column := columns(t, rows)
	column(widget.Column{Title: "   #", Key: "n", Right: true}, func(r *row) widget.Cell { return widget.Int(r.n) })
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
	column(widget.Column{Title: "OWNER", Drop: 2}, func(r *row) widget.Cell { return widget.Text(r.Owner) })
	column(widget.Column{Title: "HITS", Right: true}, func(r *row) widget.Cell { return widget.Short(r.Hits) })
	if notes {
		column(widget.Column{Title: "NOTE", Drop: 1}, func(r *row) widget.Cell { return r.note() })
	}
	p.Table = t
	p.Subject = func(i int) Subject { return Subject{Group: rows[i].group} }
	p.Want, p.Foot = 6, func(i, room int) (out []string) {
		if i >= 0 {
			out = f.ruleNotes(rows[i].n, rows[i].Rule)
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
