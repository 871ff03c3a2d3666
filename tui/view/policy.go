package view

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
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

// Rows implements View.
func (Policy) Rows(*Frame) []string { return nil }

// policies sums the hits of all members for each rule; rules that only one member has (its local ones) are listed too.
func policies(fleet *source.Fleet) []GroupPolicy {
	out := []GroupPolicy{}
	for _, name := range fleet.Groups() {
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

// Draw implements View.
func (Policy) Draw(f *Frame) []string {
	if len(f.Fleet.Nodes) == 0 {
		return nothing(f)
	}
	var out []string
	for _, p := range policies(f.Fleet) {
		out = append(out, f.section("POLICY of group "+p.Group, f.Theme.Dim.Render(strings.TrimSpace(p.Digest+" from "+p.From))))
		for _, o := range p.Others {
			text := fmt.Sprintf("  %s has another one, %s", o.Node, o.Digest)
			if o.Digest == "" {
				text = fmt.Sprintf("  %s has none", o.Node)
			}
			out = append(out, f.Theme.Warn.Render(ansi.Truncate(text, f.Width, "…")))
		}
		t := &widget.Table{Cursor: -1, Columns: []widget.Column{{Title: "  #", Right: true}, {Title: "RULE", Flex: true, Min: 40}, {Title: "TRAFFIC"}, {Title: "OWNER", Drop: 1}, {Title: "HITS", Right: true}}}
		for i, r := range p.Rules {
			if !f.match(r.Text + " " + r.Owner) {
				continue
			}
			what := f.Theme.OK.Render("encrypted")
			if !r.Encrypted {
				what = f.Theme.Warn.Render("in clear")
			}
			t.Rows = append(t.Rows, []string{fmt.Sprintf("  %d", i+1), r.Text, what, r.Owner, widget.Count(float64(r.Hits))})
		}
		out = append(out, t.View(f.Theme, f.Width, len(t.Rows)+1)...)
		out = append(out, f.Theme.Faint.Render(ansi.Truncate("  the first rule that fits decides; what no rule names is in clear", f.Width, "…")), "")
	}
	return f.clip(out)
}

// Data implements View.
func (Policy) Data(fleet *source.Fleet) any { return map[string]any{"policies": policies(fleet)} }
