package node

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Reconfigure is an operator's command to a key server: its groups shall be these. Answered by a CommandResult. When
// something of it is not possible, nothing changes.
type Reconfigure struct {
	Groups []keyserver.Config
	// Only limits it to one group, which may be one that is added or removed; empty: all.
	Only string
	// Now ends SAs that the policy no longer has at once, without their grace.
	Now bool
	// Coop, if it is not nil, brings other priorities; what else differs in it takes a restart, and is refused.
	Coop *Coop
	ID   uint64
}

// MachineEvent marks the type.
func (Reconfigure) MachineEvent() {}

// Plan says what Reconfigure would do, group by group: those of the new configuration in its order, then those that go.
// Nothing changes.
func (n *KeyServer) Plan(now machine.Now, c Reconfigure) ([]keyserver.Plan, error) {
	if err := (&KSConfig{Groups: c.Groups}).Validate(); err != nil {
		return nil, err
	}
	if err := n.cooperates(c.Coop); err != nil {
		return nil, err
	}
	var out []keyserver.Plan
	for _, cfg := range c.Groups {
		cfg = n.shared(cfg)
		if c.Only != "" && c.Only != cfg.Name {
			continue
		}
		var p keyserver.Plan
		var err error
		if g := n.group(cfg.Name); g != nil {
			p, err = g.Plan(now, cfg, c.Now)
		} else if p, err = keyserver.PlanNew(cfg); n.byID(cfg.ID, c) != nil {
			p.Refused = fmt.Sprintf("group %s, which stays, has the id %v", n.byID(cfg.ID, c).Name(), cfg.ID)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	for _, g := range n.groups {
		if n.goes(g, c) {
			out = append(out, g.PlanRemoval())
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no group %q, neither here nor in the configuration", c.Only)
	}
	return out, nil
}

// configureCells tells the cooperation of what has changed.
func (n *KeyServer) configureCells(now machine.Now, c Reconfigure, out machine.Effects) machine.Effects {
	for _, k := range n.cells {
		i := slices.IndexFunc(c.Groups, func(cfg keyserver.Config) bool { return cfg.Name == k.group.Name() })
		if i >= 0 && (c.Only == "" || c.Only == k.group.Name()) {
			out = k.Configure(now, n.cfg.Coop.priority(k.group.Name()), k.group.AnnouncedKey(), c.Groups[i].Transport, out)
		}
	}
	return out
}

// goes says whether a group is removed.
func (n *KeyServer) goes(g *keyserver.Group, c Reconfigure) bool {
	if c.Only != "" && c.Only != g.Name() {
		return false
	}
	return !slices.ContainsFunc(c.Groups, func(cfg keyserver.Config) bool { return cfg.Name == g.Name() })
}

// byID finds a group with this id that stays.
func (n *KeyServer) byID(id gdoi.GroupID, c Reconfigure) *keyserver.Group {
	for _, g := range n.groups {
		if g.ID() == id && !n.goes(g, c) {
			return g
		}
	}
	return nil
}

// reconfigure carries a Reconfigure out.
func (n *KeyServer) reconfigure(now machine.Now, c Reconfigure, out machine.Effects) machine.Effects {
	plans, err := n.Plan(now, c)
	if err != nil {
		return append(out, gdoi.CommandResult{ID: c.ID, Err: err.Error()})
	}
	for _, p := range plans {
		if p.Refused != "" {
			return append(out, gdoi.CommandResult{ID: c.ID, Err: fmt.Sprintf("group %s: %s; nothing has changed", p.Group, p.Refused)})
		}
	}
	n.prioritise(c.Coop)
	var said, failed []string
	for _, p := range plans {
		i := slices.IndexFunc(c.Groups, func(cfg keyserver.Config) bool { return cfg.Name == p.Group })
		switch p.Action {
		case keyserver.Removed:
			out = n.removeGroup(now, n.group(p.Group), out)
		case keyserver.Added:
			out, err = n.addGroup(now, c.Groups[i], out)
		case keyserver.Changed:
			_, out, err = n.group(p.Group).Reconfigure(now, n.shared(c.Groups[i]), c.Now, out)
		default:
			continue
		}
		if err != nil {
			failed = append(failed, err.Error())
			continue
		}
		said = append(said, fmt.Sprintf("group %s: %s", p.Group, strings.Join(p.Text, "; ")))
		out = append(out, applied(p))
	}
	n.sortGroups(c.Groups)
	out = n.configureCells(now, c, out)
	if len(failed) > 0 {
		return append(out, gdoi.CommandResult{ID: c.ID, Err: strings.Join(append(failed, said...), "; ")})
	}
	if len(said) == 0 {
		said = append(said, "nothing changes")
	}
	return append(out, gdoi.CommandResult{ID: c.ID, Text: strings.Join(said, "; ")})
}

func applied(p keyserver.Plan) machine.Note {
	return machine.Note{
		Name: gdoi.NotePolicyApplied, Severity: machine.Info, Group: p.Group, Text: strings.Join(p.Text, "; "),
		Fields: []machine.Field{machine.F("was", p.Was), machine.F("digest", p.Is), machine.F("rekeys", fmt.Sprint(p.Rekeys))},
	}
}

// addGroup takes up a group. What an earlier life of it has left in the store is deleted: its keys are unknown to members
// by now, or will be.
func (n *KeyServer) addGroup(now machine.Now, cfg keyserver.Config, out machine.Effects) (machine.Effects, error) {
	cfg = n.shared(cfg)
	g, err := keyserver.New(n.env, cfg, n.cfg.locals())
	if err != nil {
		return out, err
	}
	if dead := n.orphans[keyserver.Bucket(cfg.Name)]; len(dead) > 0 {
		out = append(out, machine.Persist{ID: n.env.NextPersist(), Records: dead})
		delete(n.orphans, keyserver.Bucket(cfg.Name))
	}
	n.groups = append(n.groups, g)
	out = g.CustodyState(now, machine.CustodyState{Problem: n.custody}, out)
	return n.newCell(now, g, &cfg, nil, g.Start(now, nil, out)), nil
}

// removeGroup ends a group: its members are told, and it lingers until they have been.
func (n *KeyServer) removeGroup(now machine.Now, g *keyserver.Group, out machine.Effects) machine.Effects {
	for _, s := range n.sessions {
		s.endExchanges(func(x *exchange) bool { return x.group == g })
	}
	n.groups = slices.DeleteFunc(n.groups, func(o *keyserver.Group) bool { return o == g })
	n.leaving = append(n.leaving, g)
	out = n.dropCell(g, out)
	return n.buryGroups(g.Withdraw(now, out))
}

// buryGroups forgets groups that have told everybody.
func (n *KeyServer) buryGroups(out machine.Effects) machine.Effects {
	n.leaving = slices.DeleteFunc(n.leaving, func(g *keyserver.Group) bool {
		if !g.Ended() {
			return false
		}
		g.Stop()
		return true
	})
	return out
}

// sortGroups brings the groups into the order of the configuration; others stay behind them.
func (n *KeyServer) sortGroups(order []keyserver.Config) {
	place := func(g *keyserver.Group) int {
		if i := slices.IndexFunc(order, func(c keyserver.Config) bool { return c.Name == g.Name() }); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(n.groups, func(a, b *keyserver.Group) int { return place(a) - place(b) })
}

// living is all groups that have something to do, those that are leaving included.
func (n *KeyServer) living() []*keyserver.Group {
	if len(n.leaving) == 0 {
		return n.groups
	}
	return slices.Concat(n.groups, n.leaving)
}

// orphaned lists the records of groups that are not configured, by bucket, without what they hold.
func orphaned(stored []machine.Record, groups []keyserver.Config) map[string][]machine.Record {
	known := map[string]bool{}
	for _, c := range groups {
		known[keyserver.Bucket(c.Name)] = true
	}
	out := map[string][]machine.Record{}
	for _, r := range stored {
		if !known[r.Bucket] && strings.HasPrefix(r.Bucket, keyserver.Bucket("")) {
			out[r.Bucket] = append(out[r.Bucket], machine.Record{Bucket: r.Bucket, Key: r.Key})
		}
	}
	return out
}
