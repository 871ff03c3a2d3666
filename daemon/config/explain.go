package config

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/gdoi/policy"
)

// What a policy does to a packet.
const (
	Encrypted = "encrypted"
	InClear   = "clear"
	Undecided = "undecided" // the key server's list decides
)

// Explanation is what happens to a packet, group by group.
type Explanation struct {
	Packet string             `json:"packet"`
	Groups []GroupExplanation `json:"groups"`
}

// GroupExplanation is what one group does to a packet.
type GroupExplanation struct {
	Group  string   `json:"group"`
	Action string   `json:"action"`           // encrypted, clear or undecided
	Rule   *RuleAt  `json:"rule,omitempty"`   // the rule that decides; none: nothing matches
	SA     string   `json:"sa,omitempty"`     // whose traffic it is, when the group has several
	Suite  string   `json:"suite,omitempty"`  // that it is encrypted with
	Others []RuleAt `json:"others,omitempty"` // rules that would have matched after it
	Note   string   `json:"note,omitempty"`
}

// RuleAt is a rule and its place.
type RuleAt struct {
	SA     string `json:"sa,omitempty"`
	Number int    `json:"number"` // in its access list, from 1
	Text   string `json:"text"`
	File   string `json:"file"`
	Line   int    `json:"line"`
}

func (r *RuleAt) String() string {
	of := ""
	if r.SA != "" {
		of = " of " + r.SA
	}
	return fmt.Sprintf("rule %d%s: %s  (%s:%d)", r.Number, of, r.Text, r.File, r.Line)
}

// Explain says what each group does to a packet.
func (c *KS) Explain(p policy.Packet) Explanation {
	out := Explanation{Packet: p.String()}
	for i := range c.Groups {
		out.Groups = append(out.Groups, explain(c.File, c.Groups[i].Name, c.Groups[i].Lists, p))
	}
	return out
}

func explain(file, group string, lists []AccessList, p policy.Packet) GroupExplanation {
	e := GroupExplanation{Group: group, Action: InClear}
	for _, l := range lists {
		for _, k := range l.Rules.Matches(p) {
			at := RuleAt{SA: l.SA, Number: k + 1, Text: l.Rules[k].String(), File: file, Line: l.Lines[k]}
			if e.Rule != nil {
				e.Others = append(e.Others, at)
				continue
			}
			e.Rule = &at
			if l.Rules[k].Action == policy.Permit {
				e.Action, e.SA, e.Suite = Encrypted, l.SA, l.Suite.String()
			}
		}
	}
	return e
}

// Explain says what the local rules of each group do to a packet. What they leave open is the key server's to say.
func (c *GM) Explain(p policy.Packet) Explanation {
	out := Explanation{Packet: p.String()}
	for i := range c.Groups {
		g := &c.Groups[i]
		e := explain(c.File, g.Name, []AccessList{{SA: "", Rules: g.Clear, Lines: g.ClearLines}}, p)
		if e.Rule == nil {
			e.Action = Undecided
			e.Note = "no local rule matches: the group's policy decides; ask its key server (getvpn-ks --explain)"
		}
		out.Groups = append(out.Groups, e)
	}
	return out
}

// String is a few lines for a person.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintln(&b, e.Packet)
	for i := range e.Groups {
		g := &e.Groups[i]
		fmt.Fprintf(&b, "group %s: %s", g.Group, g.Action)
		if g.Suite != "" {
			fmt.Fprintf(&b, " with %s", g.Suite)
		}
		if g.SA != "" {
			fmt.Fprintf(&b, ", SA %s", g.SA)
		}
		b.WriteByte('\n')
		switch {
		case g.Rule != nil:
			fmt.Fprintf(&b, "  decided by  %s\n", g.Rule)
		case g.Note != "":
			fmt.Fprintf(&b, "  %s\n", g.Note)
		default:
			fmt.Fprintln(&b, "  no rule matches, and what no rule matches goes in clear")
		}
		for k := range g.Others {
			fmt.Fprintf(&b, "  hidden      %s\n", &g.Others[k])
		}
	}
	return b.String()
}
