package check

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/scenario"
)

// kek: after the actions every member accepts a rekey, under the KEK that it had before them and with a higher sequence
// number, or one with which a new KEK came; and none of them registers again.
type kek struct {
	Group string  `yaml:"group"`
	Do    actions `yaml:"do"`
	// Rekey is the key server that an operator then asks for the rekey, of the KEK too where it is to be new, again as long as
	// it says that it is too early; "primary" is whoever is that then. Empty: the rekey comes by itself.
	Rekey   string        `yaml:"rekey"`
	Is      string        `yaml:"is"`
	By      string        `yaml:"by"`      // the key server that the rekey comes from; default: Rekey, or any
	Members []string      `yaml:"members"` // default: all
	Within  time.Duration `yaml:"within"`  // of the actions, and again of the command
}

const (
	kekKept = "kept"
	kekNew  = "new"
)

func (c *kek) Validate(s *scenario.Scenario) error {
	if c.Group == "" {
		return fmt.Errorf("group: is missing")
	}
	if !slices.Contains([]string{kekKept, kekNew}, c.Is) {
		return fmt.Errorf("is: %q; write kept or new", c.Is)
	}
	c.Members = membersOf(s, c.Members)
	for _, n := range c.Members {
		if err := hasDaemon(s, n); err != nil {
			return err
		}
	}
	for key, n := range map[string]string{"by": c.By, "rekey": c.Rekey} {
		if n == "" || key == "rekey" && n == control.RolePrimary {
			continue
		}
		if err := hasDaemon(s, n); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	if c.Rekey != control.RolePrimary {
		c.By = cmp.Or(c.By, c.Rekey)
	}
	return c.Do.validate(s)
}

// tooEarly is in what a key server says that refuses a rekey until an old TEK has ended, or the custody has made a KEK.
const tooEarly = "try again"

// primaryOf is the first key server that says that it is primary, or "".
func primaryOf(ctx context.Context, env *Env, group string) string {
	for _, n := range env.Scenario.Named(scenario.KindKeyServer) {
		if g, err := env.ksGroup(ctx, n, group); err == nil && g.Role == control.RolePrimary {
			return n
		}
	}
	return ""
}

// command asks for the rekey.
func (c *kek) command(ctx context.Context, env *Env) error {
	if c.Rekey == "" {
		return nil
	}
	node := c.Rekey
	if node == control.RolePrimary {
		if node = primaryOf(ctx, env, c.Group); node == "" {
			return fmt.Errorf("no key server is primary of group %s", c.Group)
		}
	}
	ask := actions{fmt.Sprintf("operator %s rekey %s", node, c.Group)}
	if c.Is == kekNew {
		ask[0] += " --kek"
	}
	for end := env.now().Add(c.Within); ; {
		_, err := ask.run(ctx, env)
		if err == nil || !strings.Contains(err.Error(), tooEarly) || env.now().After(end) {
			return err
		}
		if err := env.sleep(ctx, 10*coopPoll); err != nil {
			return err
		}
	}
}

// membersOf are these members, or all that are started with the lab.
func membersOf(s *scenario.Scenario, some []string) []string {
	if len(some) > 0 {
		return some
	}
	return slices.DeleteFunc(s.Named(scenario.KindMember), func(n string) bool { return s.Node(n).Manual })
}

func (c *kek) Run(ctx context.Context, env *Env) []scenario.Result {
	before := map[string]*control.GMGroup{}
	for _, m := range c.Members {
		g, err := env.gmGroup(ctx, m, c.Group)
		if err == nil && g.KEK == nil {
			err = fmt.Errorf("%s has no KEK", m)
		}
		if err != nil {
			return failed(err)
		}
		before[m] = g
	}
	if _, err := c.Do.run(ctx, env); err != nil {
		return failed(err)
	}
	if err := c.command(ctx, env); err != nil {
		return failed(err)
	}
	want := fmt.Sprintf("a rekey at %d members, KEK %s, within %s", len(c.Members), c.Is, c.Within)
	var by netip.Addr
	if c.By != "" {
		by = env.Scenario.Address(c.By)
		want += ", from " + c.By
	}
	return await(ctx, env, c.Within, want, func(ctx context.Context) (string, bool, error) {
		sums := map[string][]string{}
		for _, m := range c.Members {
			g, err := env.gmGroup(ctx, m, c.Group)
			if err != nil {
				return "", false, err
			}
			if why := c.differs(before[m], g, by); why != "" {
				return m + ": " + why, false, nil
			}
			sum := fmt.Sprintf("%.8s at %d", g.KEK.SPI, g.KEK.Seq)
			if was := before[m].KEK; c.Is == kekKept {
				sum = fmt.Sprintf("%.8s goes on from %d to %d", was.SPI, was.Seq, g.KEK.Seq)
			}
			sums[sum] = append(sums[sum], m)
		}
		return fmt.Sprintf("%d members accepted it, KEK %s", len(c.Members), kekText(sums)), true, nil
	})
}

// kekText is one text when all say the same.
func kekText(sums map[string][]string) string {
	keys := sortedKeys(sums)
	if len(keys) == 1 {
		return keys[0]
	}
	for i, k := range keys {
		keys[i] = fmt.Sprintf("%s (%s)", k, strings.Join(sums[k], ","))
	}
	return strings.Join(keys, ", ")
}

// from says whether an address and port have this address.
func from(rekeyedBy string, by netip.Addr) bool {
	a, err := netip.ParseAddrPort(rekeyedBy)
	return err == nil && a.Addr() == by
}

// differs says what is not yet, or never will be, as it should.
func (c *kek) differs(was, is *control.GMGroup, by netip.Addr) string {
	switch {
	case is.KEK == nil:
		return "has no KEK any more"
	case is.Registrations != was.Registrations:
		return fmt.Sprintf("registered again (%d times, %d before)", is.Registrations, was.Registrations)
	case is.RekeysReceived <= was.RekeysReceived:
		return fmt.Sprintf("no rekey since, its KEK is %.8s at %d", is.KEK.SPI, is.KEK.Seq)
	case (c.Is == kekKept) != (is.KEK.SPI == was.KEK.SPI):
		return fmt.Sprintf("its KEK was %.8s and is %.8s", was.KEK.SPI, is.KEK.SPI)
	case c.Is == kekKept && is.KEK.Seq <= was.KEK.Seq:
		return fmt.Sprintf("its KEK was at %d and is at %d", was.KEK.Seq, is.KEK.Seq)
	case c.By != "" && !from(is.RekeyedBy, by):
		return fmt.Sprintf("the rekey came from %s, not from %s", is.RekeyedBy, by)
	}
	return ""
}
