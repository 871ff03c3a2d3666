package action

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/tui/source"
)

// Plan asks the key servers of a group what their configuration files would change, or has them change it with apply: all
// that share the group, and the primary last, so that whoever takes over meanwhile has the new policy too. Nothing is
// applied if one of them refuses, or if their files say different things about a group.
func Plan(ctx context.Context, fleet *source.Fleet, group string, now, apply bool) ([]*control.Plan, error) {
	nodes, err := planners(fleet, group)
	if err != nil {
		return nil, err
	}
	return planOf(ctx, nodes, control.PlanRequest{Group: group, Now: now}, apply)
}

// Pending asks the same as Plan, quietly: for those who look again and again.
func Pending(ctx context.Context, fleet *source.Fleet, group string) ([]*control.Plan, error) {
	nodes, err := planners(fleet, group)
	if err != nil {
		return nil, err
	}
	return planOf(ctx, nodes, control.PlanRequest{Group: group, Quiet: true}, false)
}

func planOf(ctx context.Context, nodes []*source.Node, req control.PlanRequest, apply bool) ([]*control.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	each := func(verb func(*client.Client) (control.Reply, error)) (out []*control.Plan, err error) {
		for _, n := range nodes {
			r, err := verb(daemonAt(ctx, n))
			if _, err := told(n.Name, r, err); err != nil {
				return nil, err
			}
			if r.DryRun && r.Unforeseen != "" {
				r.Plan.Warnings = append(r.Plan.Warnings, "not foreseen: "+r.Unforeseen)
			}
			out = append(out, r.Plan)
		}
		return out, nil
	}
	plan := func(c *client.Client) (control.Reply, error) { return c.Plan(ctx, req) }
	do := func(c *client.Client) (control.Reply, error) { return c.Apply(ctx, req) }
	if len(nodes) == 1 && apply {
		return each(do)
	}
	plans, err := each(plan)
	if err != nil {
		return nil, err
	}
	unlike := unlike(plans)
	if !apply {
		last := plans[len(plans)-1]
		last.Warnings = append(last.Warnings, unlike...)
		return plans, nil
	}
	for _, p := range plans {
		if why := p.Refused(); why != "" {
			return nil, fmt.Errorf("%s: %s; nothing was changed anywhere", p.Node, why)
		}
	}
	if unlike != nil {
		return nil, errors.New(strings.Join(unlike, "\n") + "\nnothing was changed; make the files alike, or attach to one key server alone with --socket")
	}
	return each(do)
}

// unlike names the groups whose access list will not be the same on all key servers.
func unlike(plans []*control.Plan) (out []string) {
	for _, g := range plans[0].Groups {
		differs, has := false, []string{}
		for _, p := range plans {
			for _, o := range p.Groups {
				if o.Group == g.Group {
					differs = differs || o.Is != g.Is
					has = append(has, p.Node+" "+o.Is)
				}
			}
		}
		if differs {
			out = append(out, fmt.Sprintf("group %s: the files say different policies (%s)", g.Group, strings.Join(has, ", ")))
		}
	}
	return out
}

// planners are the key servers that a plan is about: those that share the group, the primary last; or the key server of a
// group that is not shared; or, for a group that only the configuration file has, the only key server there is.
func planners(fleet *source.Fleet, group string) ([]*source.Node, error) {
	var all, shared []*source.Node
	primary := map[*source.Node]bool{}
	for i := range fleet.Nodes {
		n := &fleet.Nodes[i]
		if !n.Connected || n.Role != control.RoleKeyServer || n.Snap == nil || n.Snap.KS == nil {
			continue
		}
		all = append(all, n)
		shares := false
		for k := range n.Snap.KS.Groups {
			g := &n.Snap.KS.Groups[k]
			if g.Coop != nil && (group == "" || g.Name == group) {
				shares, primary[n] = true, primary[n] || g.Role == control.RolePrimary
			}
		}
		if shares {
			shared = append(shared, n)
		}
	}
	if n, _ := fleet.KSOf(group); (n == nil || group == "") && len(all) == 1 {
		return all, nil
	}
	if len(shared) > 0 && (group != "" || len(shared) == len(all)) {
		sort.SliceStable(shared, func(i, j int) bool { return !primary[shared[i]] && primary[shared[j]] })
		return shared, nil
	}
	n, err := keyServer(fleet, group)
	return []*source.Node{n}, err
}
