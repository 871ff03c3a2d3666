package check

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/scenario"
)

// keys: what members and key servers have in common.
//
//	rolled      every member sends with a key that it did not have when the check began
//	readable    every member has the key that any of them sends with: everybody can talk to everybody
//	apart       not readable: somebody sends with a key that another has not
//	one-epoch   members and key servers have the same keys, and no key server is still bringing sides together
type keys struct {
	Group      string        `yaml:"group"`
	Are        string        `yaml:"are"`
	Members    []string      `yaml:"members"`     // default: all
	KeyServers []string      `yaml:"key-servers"` // default: all
	Times      int           `yaml:"times"`       // rolled: so often
	Within     time.Duration `yaml:"within"`
}

const (
	keysRolled   = "rolled"
	keysReadable = "readable"
	keysApart    = "apart"
	keysOneEpoch = "one-epoch"
)

func (c *keys) Validate(s *scenario.Scenario) error {
	if c.Group == "" {
		return fmt.Errorf("group: is missing")
	}
	if !slices.Contains([]string{keysRolled, keysReadable, keysApart, keysOneEpoch}, c.Are) {
		return fmt.Errorf("are: %q; write rolled, readable, apart or one-epoch", c.Are)
	}
	c.Members = membersOf(s, c.Members)
	if len(c.KeyServers) == 0 {
		c.KeyServers = s.Named(scenario.KindKeyServer)
	}
	for _, n := range slices.Concat(c.Members, c.KeyServers) {
		if err := hasDaemon(s, n); err != nil {
			return err
		}
	}
	return nil
}

func (c *keys) Run(ctx context.Context, env *Env) []scenario.Result {
	want := fmt.Sprintf("%s within %s", c.Are, c.Within)
	switch c.Are {
	case keysReadable, keysApart:
		return await(ctx, env, c.Within, want, func(ctx context.Context) (string, bool, error) {
			blind, err := c.blind(ctx, env)
			return cmp.Or(blind, fmt.Sprintf("%d members can read each other", len(c.Members))), err == nil && (blind != "") == (c.Are == keysApart), err
		})
	case keysOneEpoch:
		return await(ctx, env, c.Within, want, func(ctx context.Context) (string, bool, error) { return c.oneEpoch(ctx, env) })
	}
	// The highest number of keys that a member has seen in use; the first is the one of the beginning.
	used := map[string]map[string]bool{}
	return await(ctx, env, c.Within, fmt.Sprintf("%d times %s", c.Times, want), func(ctx context.Context) (string, bool, error) {
		least := -1
		for _, m := range c.Members {
			sends, _, err := c.member(ctx, env, m)
			if err != nil {
				return "", false, err
			}
			if used[m] == nil {
				used[m] = map[string]bool{}
			}
			if sends != "" { // no key left is no other key
				used[m][sends] = true
			}
			if n := len(used[m]) - 1; least < 0 || n < least {
				least = n
			}
		}
		return fmt.Sprintf("%d members have changed keys %d times", len(c.Members), least), least >= c.Times, nil
	})
}

// member is the key that a member sends with, and all that it can read.
func (c *keys) member(ctx context.Context, env *Env, node string) (sends string, has []string, err error) {
	g, err := env.gmGroup(ctx, node, c.Group)
	if err != nil {
		return "", nil, err
	}
	for _, t := range g.TEKs {
		if t.Phase == control.PhaseSending {
			sends = t.SPI
		}
		if t.Phase != control.PhaseExpired {
			has = append(has, t.SPI)
		}
	}
	slices.Sort(has)
	return sends, has, nil
}

// blind names one who sends with a key that another has not, or nobody.
func (c *keys) blind(ctx context.Context, env *Env) (string, error) {
	sends, has := map[string]string{}, map[string][]string{}
	for _, m := range c.Members {
		s, all, err := c.member(ctx, env, m)
		if err != nil {
			return "", err
		}
		if s == "" {
			return "", fmt.Errorf("%s has no key to send with", m)
		}
		sends[m], has[m] = s, all
	}
	for _, m := range c.Members {
		for _, from := range c.Members {
			if !slices.Contains(has[m], sends[from]) {
				return fmt.Sprintf("%s sends with %s, and %s has %s", from, sends[from], m, strings.Join(has[m], " ")), nil
			}
		}
	}
	return "", nil
}

// oneEpoch says where something differs.
func (c *keys) oneEpoch(ctx context.Context, env *Env) (string, bool, error) {
	sending, sets := map[string][]string{}, map[string][]string{}
	for _, m := range c.Members {
		s, all, err := c.member(ctx, env, m)
		if err != nil {
			return "", false, err
		}
		sending[s] = append(sending[s], m)
		set := strings.Join(all, " ")
		sets[set] = append(sets[set], m)
	}
	merging := []string{}
	for _, n := range c.KeyServers {
		g, err := env.ksGroup(ctx, n, c.Group)
		if err != nil {
			return "", false, err
		}
		var all []string
		for _, t := range g.TEKs {
			if t.Phase != control.PhaseExpired {
				all = append(all, t.SPI)
			}
		}
		slices.Sort(all)
		set := strings.Join(all, " ")
		sets[set] = append(sets[set], n)
		if g.Coop != nil && (g.Coop.Merging || len(g.Coop.Rivals) > 0) {
			merging = append(merging, n)
		}
	}
	switch {
	case len(sending) > 1:
		return "members send with different keys: " + groupsText(sending), false, nil
	case len(sets) > 1:
		return "not all have the same keys: " + groupsText(sets), false, nil
	case len(merging) > 0:
		return "still merging: " + strings.Join(merging, ", "), false, nil
	}
	return fmt.Sprintf("one epoch at %d members and %d key servers", len(c.Members), len(c.KeyServers)), true, nil
}

func groupsText(by map[string][]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%s: [%s]", strings.Join(by[k], ","), k))
	}
	return strings.Join(parts, "; ")
}
