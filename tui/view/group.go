package view

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// groupHead draws a group's line and its keys as the key server has them, or a member while no key server was seen.
func (f *Frame) groupHead(group string) []string {
	t := f.Theme
	here, all := 0, 0
	var lender *source.Node
	var lent *control.GMGroup
	for i := range f.Fleet.Nodes {
		n := &f.Fleet.Nodes[i]
		if n.Snap == nil || n.Snap.GM == nil {
			continue
		}
		for k := range n.Snap.GM.Groups {
			if g := &n.Snap.GM.Groups[k]; g.Name == group {
				all++
				if answers(f.Fleet, n) && (g.State == control.StateRegistered || g.State == control.StateReregistering) {
					here++
					lender, lent = n, g
				}
			}
		}
	}
	ks, g := f.Fleet.KSOf(group)
	if g == nil || !ks.Connected {
		right := t.State(theme.Broken, "no key server")
		if ks != nil {
			right = t.State(theme.Broken, ks.Name+" down "+widget.Clock(ks.Age(f.Fleet.Time)))
		}
		out := []string{f.section("GROUP "+group, t.Dim.Render(fmt.Sprintf("%d/%d registered  ", here, all))+right)}
		if lent != nil {
			out = append(out, f.groupKeys(lent.TEKs, lent.KEK, stale(lender, f.Fleet.Time))...)
		}
		return out
	}
	level, word := f.groupHealth(g)
	members := fmt.Sprintf("%d members", g.Present())
	if all > 0 {
		members = fmt.Sprintf("%d/%d registered", here, all)
	}
	rekey := ""
	if g.Transmitting > 0 {
		rekey = t.Warn.Render(fmt.Sprintf("rekey on its way to %d", g.Transmitting)) + "  "
	}
	count := t.Dim.Render(members)
	if here < all {
		count = t.State(theme.Caution, members)
	}
	right := count + t.Dim.Render("  next rekey ") + t.Text.Render(widget.Left(g.NextRekey, f.Fleet.Time).Text)
	if rekey = "  " + strings.TrimSpace(rekey); width(right+rekey)+width(word)+width(group)+12 < f.Width {
		right += rekey
	}
	right = t.State(level, word) + "  " + right // a narrow screen cuts the end
	out := []string{f.section("GROUP "+group, right)}
	return append(out, f.groupKeys(g.TEKs, g.KEK, stale(ks, f.Fleet.Time))...)
}

// groupHealth is what a key server says of its group, with the names of those that it misses instead of their numbers, and
// these first: a narrow screen cuts the end. The sides of a split say more than whom one of them misses.
func (f *Frame) groupHealth(g *control.KSGroup) (theme.Level, string) {
	c := f.Fleet.Cooperation(g.Name)
	if c != nil && len(c.Sides) > 1 {
		word := "SPLIT " + sides(c)
		if g.Health != "OK" && g.Health != "DEGRADED" {
			word += ", " + g.Health
		}
		return theme.Broken, word
	}
	if g.Health == "OK" {
		return theme.Good, g.Health
	}
	var why []string
	if c != nil && g.Coop != nil && len(g.Coop.Unreachable) > 0 {
		var gone []string
		for _, id := range g.Coop.Unreachable {
			gone = append(gone, c.Name(id))
		}
		why = append(why, strings.Join(gone, " ")+" out of reach")
	}
	for _, r := range strings.Split(g.HealthReason, "; ") {
		if r != "" && (len(why) == 0 || !strings.HasPrefix(r, "out of reach: ")) {
			why = append(why, r)
		}
	}
	if len(why) == 0 {
		return theme.Caution, g.Health
	}
	return theme.Caution, g.Health + " (" + strings.Join(why, "; ") + ")"
}
