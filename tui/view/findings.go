package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// hidden says whether earlier rules match all that a rule matches.
func (r *Rule) hidden() bool { return r.hiddenBy() != nil }

func (r *Rule) hiddenBy() *control.RuleFinding {
	i := slices.IndexFunc(r.Findings, func(x control.RuleFinding) bool { return x.Code == control.FindingUnreachable })
	if i < 0 {
		return nil
	}
	return &r.Findings[i]
}

// unreachable is how many rules of a list are never reached.
func (g *GroupPolicy) unreachable() (n int) {
	for i := range g.Rules {
		if g.Rules[i].hidden() {
			n++
		}
	}
	return n
}

func rulesAre(n int) string {
	if n == 1 {
		return "1 rule is"
	}
	return fmt.Sprintf("%d rules are", n)
}

// note is what lint says of a rule, in a word or two.
func (r *Rule) note() widget.Cell {
	if h := r.hiddenBy(); h != nil {
		return widget.State(theme.Caution, "hidden by "+numbers(h.By))
	}
	var words []string
	level := theme.Neutral
	for _, x := range r.Findings {
		if x.Level == "warning" {
			level = theme.Caution
		}
		if !slices.Contains(words, x.Code) {
			words = append(words, x.Code)
		}
	}
	if words == nil {
		return widget.Text("")
	}
	return widget.State(level, strings.Join(words, ", "))
}

func numbers(list []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ", "), "[]")
}

// ruleNotes says all of what lint says of a rule.
func (f *Frame) ruleNotes(r *Rule) (out []string) {
	if len(r.Findings) == 0 {
		return nil
	}
	out = []string{"", f.section(fmt.Sprintf("RULE %d", r.Number), "")}
	for _, x := range r.Findings {
		level := theme.Neutral
		if x.Level == "warning" {
			level = theme.Caution
		}
		for i, l := range f.wrap(x.Text, 4) {
			if i == 0 {
				out = append(out, " "+f.Theme.State(level, l))
			} else {
				out = append(out, "   "+f.Theme.Text.Render(l))
			}
		}
	}
	return out
}
