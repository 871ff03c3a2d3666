package view

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
)

// Pending is what key servers say that their configuration files would change. It is no part of a Fleet: somebody has to ask.
type Pending struct {
	Group string // that was asked about; empty: all
	Plans []*control.Plan
	Why   string // it is not known; empty: it is
}

// Unknowable says why nobody can tell what is pending; empty: it is worth asking.
func Unknowable(fleet *source.Fleet, group string) string {
	there, may := false, false
	for _, g := range limited(fleet, group) {
		for _, s := range fleet.ServersOf(g) {
			if !s.Node.Connected {
				continue
			}
			if s.Node.Socket == "" {
				return "this is a recording, and nobody can be asked"
			}
			there, may = true, may || s.Node.Operator
		}
	}
	switch {
	case !there:
		return "no key server answers"
	case !may:
		return "only root and a key server's own user may ask it what its configuration file would change"
	}
	return ""
}

// pendingLine says of a group what taking up configuration files would change.
func (f *Frame) pendingLine(group string) string {
	p := f.Pending
	switch {
	case p == nil:
		return f.sentence(theme.Neutral, "pending changes: asking the key servers…")
	case p.Why != "":
		return f.sentence(theme.Neutral, "pending changes are not known: "+p.Why)
	}
	changes, refused, keys := []string{}, "", false
	for _, plan := range p.Plans {
		for i := range plan.Groups {
			g := &plan.Groups[i]
			if g.Group != group {
				continue
			}
			if g.Refused != "" {
				refused = plan.Node + ": " + g.Refused
			}
			if g.Action != control.PlanUnchanged {
				changes, keys = append(changes, plan.Node), keys || g.Rekeys
			}
		}
	}
	switch {
	case refused != "":
		return f.sentence(theme.Broken, "PENDING, but it would be refused: "+refused)
	case len(changes) == 0:
		return f.sentence(theme.Good, "nothing is pending: what the configuration files say is in force")
	}
	what := "without new keys"
	if keys {
		what = "with new keys"
	}
	return f.sentence(theme.Caution, fmt.Sprintf("PENDING in the file of %s: the group changes, %s; A applies it", strings.Join(changes, " "), what))
}

// pendingDiff shows what would change in a group: rules that come and go, and what follows.
func (f *Frame) pendingDiff(group string) (out []string) {
	if f.Pending == nil {
		return nil
	}
	t, last := f.Theme, ""
	for _, plan := range f.Pending.Plans {
		for i := range plan.Groups {
			g := &plan.Groups[i]
			if g.Group != group || g.Action == control.PlanUnchanged {
				continue
			}
			var lines []string
			for _, l := range g.Lists {
				for _, d := range l.Lines {
					switch d.Op {
					case "+":
						lines = append(lines, " "+t.OK.Render("+ "+d.Text))
					case "-":
						lines = append(lines, " "+t.Bad.Render("- "+d.Text))
					}
				}
			}
			for _, c := range g.Consequences {
				for i, l := range f.wrap(c, 4) {
					lines = append(lines, "   "+strings.Repeat(" ", min(i, 1))+t.Text.Render(l))
				}
			}
			text := strings.Join(lines, "\n")
			if text == last { // all key servers of a group should say the same
				continue
			}
			last = text
			out = append(append(out, f.section("PENDING for group "+group+" in "+plan.Node+"'s file", t.Dim.Render(g.Was+" → "+g.Is))), lines...)
		}
	}
	return out
}
