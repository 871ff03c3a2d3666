package control

import (
	"fmt"
	"strings"
)

// PlanRequest asks a key server to read its configuration file again. Group limits it to one group; empty: all of them.
type PlanRequest struct {
	Group string `json:"group,omitempty"`
	Now   bool   `json:"now,omitempty"` // old SAs end at once, without their grace: traffic is lost
	// Quiet is for consoles that look again and again: the journal does not hear of a plan, nor of a file that is not valid.
	Quiet bool `json:"quiet,omitempty"`
}

// What a change does to a group.
const (
	PlanUnchanged = "unchanged"
	PlanChange    = "change"
	PlanAdd       = "add"
	PlanRemove    = "remove"
)

// Plan is what a configuration file would change, or has changed.
type Plan struct {
	Node     string      `json:"node"`
	File     string      `json:"file"`
	Applied  bool        `json:"applied"`
	Now      bool        `json:"now"`
	Groups   []GroupPlan `json:"groups"`
	Restart  []string    `json:"restart,omitempty"`  // what only a restart changes
	Warnings []string    `json:"warnings,omitempty"` // about the file, with places
}

// GroupPlan is a Plan's part for one group.
type GroupPlan struct {
	Group        string     `json:"group"`
	Action       string     `json:"action"` // unchanged, change, add or remove
	Rekeys       bool       `json:"rekeys"` // keys are made at once
	Was          string     `json:"was"`    // digest of the access list in force; empty: none
	Is           string     `json:"is"`     // digest of the file's; empty: none
	Consequences []string   `json:"consequences"`
	Lists        []ListDiff `json:"lists,omitempty"`
	Refused      string     `json:"refused,omitempty"` // why nothing at all can be applied
}

// ListDiff compares the access list of one SA.
type ListDiff struct {
	SA    string     `json:"sa,omitempty"`
	Lines []DiffLine `json:"lines"`
}

// DiffLine is one rule: "+" is new, "-" goes, "=" stays.
type DiffLine struct {
	Op   string `json:"op"`
	Text string `json:"text"`
}

// Changes says whether there is anything to apply.
func (p *Plan) Changes() bool {
	for i := range p.Groups {
		if p.Groups[i].Action != PlanUnchanged {
			return true
		}
	}
	return false
}

// Refused says why nothing of the plan can be applied; empty: it can.
func (p *Plan) Refused() string {
	var why []string
	for i := range p.Groups {
		if g := &p.Groups[i]; g.Refused != "" {
			why = append(why, fmt.Sprintf("group %s: %s", g.Group, g.Refused))
		}
	}
	return strings.Join(why, "; ")
}

// Summary is one sentence.
func (p *Plan) Summary() string {
	var parts []string
	for i := range p.Groups {
		g := &p.Groups[i]
		switch {
		case g.Refused != "":
			parts = append(parts, fmt.Sprintf("group %s cannot change while it runs", g.Group))
		case g.Action == PlanAdd:
			parts = append(parts, fmt.Sprintf("group %s is added", g.Group))
		case g.Action == PlanRemove:
			parts = append(parts, fmt.Sprintf("group %s is removed", g.Group))
		case g.Action == PlanChange && g.Rekeys:
			parts = append(parts, fmt.Sprintf("group %s changes, with new keys", g.Group))
		case g.Action == PlanChange:
			parts = append(parts, fmt.Sprintf("group %s changes, without new keys", g.Group))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing changes")
	}
	if n := len(p.Restart); n > 0 {
		parts = append(parts, fmt.Sprintf("needs a restart: %d of the settings", n))
	}
	verb := "planned"
	if p.Applied {
		verb = "applied"
	}
	return verb + ": " + strings.Join(parts, "; ")
}

// String is the whole plan for a person.
func (p *Plan) String() string {
	var b strings.Builder
	verb := "plan"
	if p.Applied {
		verb = "applied"
	}
	fmt.Fprintf(&b, "%s: %s, from %s\n", p.Node, verb, p.File)
	for i := range p.Groups {
		g := &p.Groups[i]
		fmt.Fprintf(&b, "group %s: %s", g.Group, g.Action)
		switch {
		case g.Was != "" && g.Is != "" && g.Was != g.Is:
			fmt.Fprintf(&b, ", policy %s -> %s", g.Was, g.Is)
		case g.Is != "":
			fmt.Fprintf(&b, ", policy %s", g.Is)
		}
		b.WriteByte('\n')
		for _, c := range g.Consequences {
			fmt.Fprintf(&b, "  %s\n", c)
		}
		if g.Refused != "" {
			fmt.Fprintf(&b, "  refused: %s\n", g.Refused)
		}
		for _, l := range g.Lists {
			if l.SA != "" {
				fmt.Fprintf(&b, "  access list of %s\n", l.SA)
			}
			for _, d := range l.Lines {
				fmt.Fprintf(&b, "    %s %s\n", d.Op, d.Text)
			}
		}
	}
	for _, r := range p.Restart {
		fmt.Fprintf(&b, "needs a restart: %s\n", r)
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}
