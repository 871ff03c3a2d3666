package translate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// Plan is what a key server's configuration file would change, that is the one now and has been was: what the machine says of its
// groups, and what takes a restart.
func Plan(was, is *config.KS, r control.PlanRequest, plans []keyserver.Plan) *control.Plan {
	out := &control.Plan{Node: was.Name, File: was.File, Now: r.Now, Groups: []control.GroupPlan{}, Warnings: is.Warnings}
	for _, p := range plans {
		g := groupPlan(p)
		if before, now := GroupNamed(was, p.Group).Priority, GroupNamed(is, p.Group).Priority; before != now && before != 0 && now != 0 {
			if g.Action == control.PlanUnchanged {
				g.Action = control.PlanChange
			}
			g.Consequences = append(g.Consequences, fmt.Sprintf("priority %d, now %d: it counts at the next election; a primary that lives stays", before, now))
		}
		out.Groups = append(out.Groups, g)
	}
	if r.Group == "" {
		out.Restart = Restarts(was, is)
	}
	return out
}

// Restarts lists what a running key server cannot change.
func Restarts(was, is *config.KS) (out []string) {
	fresh, gone := config.Differences(was.Fixed(), is.Fixed())
	for _, l := range fresh {
		key, _, _ := strings.Cut(l, ":")
		i := slices.IndexFunc(gone, func(g string) bool { return strings.HasPrefix(g, key+":") })
		if i < 0 {
			out = append(out, l)
			continue
		}
		out = append(out, fmt.Sprintf("%s, now %s", l, strings.TrimSpace(strings.TrimPrefix(gone[i], key+":"))))
		gone = slices.Delete(gone, i, i+1)
	}
	for _, g := range gone {
		out = append(out, "no longer "+g)
	}
	return out
}

// Merged is the configuration in force after one was applied: what cannot change stays. only limits it to a group.
func Merged(was, is *config.KS, only string) *config.KS {
	c := *was
	c.Warnings, c.Hints, c.PSKs, c.Faults = is.Warnings, is.Hints, is.PSKs, is.Faults
	if only == "" {
		c.Groups = is.Groups
		return &c
	}
	c.PSKs, c.Faults, c.Groups = was.PSKs, was.Faults, slices.Clone(was.Groups)
	at := slices.IndexFunc(c.Groups, func(g config.KSGroup) bool { return g.Name == only })
	from := slices.IndexFunc(is.Groups, func(g config.KSGroup) bool { return g.Name == only })
	switch {
	case from < 0:
		c.Groups = slices.Delete(c.Groups, at, at+1)
	case at < 0:
		c.Groups = append(c.Groups, is.Groups[from])
	default:
		c.Groups[at] = is.Groups[from]
	}
	return &c
}

// groupPlan translates for consoles.
func groupPlan(p keyserver.Plan) control.GroupPlan {
	g := control.GroupPlan{
		Group: p.Group, Action: string(p.Action), Rekeys: p.Rekeys, Was: p.Was, Is: p.Is,
		Consequences: append([]string{}, p.Text...), Refused: p.Refused,
	}
	for _, l := range p.Lists {
		g.Lists = append(g.Lists, control.ListDiff{SA: l.SA, Lines: diffLines(l.Lines)})
	}
	return g
}

func diffLines(in []policy.DiffLine) []control.DiffLine {
	out := make([]control.DiffLine, len(in))
	for i, l := range in {
		out[i] = control.DiffLine(l)
	}
	return out
}
