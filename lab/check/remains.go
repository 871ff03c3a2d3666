package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/hsm/remains"
	"github.com/getvpn/getvpn/lab/scenario"
)

// remainsOf: nothing that is secret in the tokens of the nodes, keys and PINs, is in what their daemons have in memory as their
// own, or in what they have written. The memory of the PKCS#11 module, which is in the same process, does not count: SoftHSM
// works there. What a registration needed for a moment has Within to be wiped and forgotten.
type remainsOf struct {
	Nodes []string `yaml:"nodes"`
	// Known is a secret of the scenario that these daemons have in memory, as they should: when the look does not find that
	// one, it proves nothing.
	Known  string        `yaml:"known"`
	Within time.Duration `yaml:"within"`
}

func (c *remainsOf) Validate(s *scenario.Scenario) error {
	if len(c.Nodes) == 0 {
		return fmt.Errorf("nodes: lists whose daemons are looked into")
	}
	for _, n := range c.Nodes {
		if err := hasDaemon(s, n); err != nil {
			return err
		}
		if !s.HasHSM(n) {
			return fmt.Errorf("node %s has no hsm section", n)
		}
	}
	if !slices.Contains(s.Secrets, c.Known) {
		return fmt.Errorf("known: %q is not among the secrets: of the scenario, %s", c.Known, strings.Join(s.Secrets, ", "))
	}
	return nil
}

func (c *remainsOf) Run(ctx context.Context, env *Env) []scenario.Result {
	want := fmt.Sprintf("none in memory or files within %s", c.Within)
	return await(ctx, env, c.Within, want, func(context.Context) (string, bool, error) {
		var sums []string
		for _, n := range c.Nodes {
			text, ok, err := c.look(env.Lab, n)
			if err != nil {
				err = unanswered{fmt.Errorf("%s: %w", n, err)}
			}
			if !ok {
				return n + ": " + text, false, err
			}
			sums = append(sums, n+" "+text)
		}
		return "of " + strings.Join(sums, ", of "), true, nil
	})
}

// look looks into a daemon once; an error is why it could not.
func (c *remainsOf) look(l Lab, node string) (string, bool, error) {
	secrets, err := l.TokenSecrets(node)
	if err != nil {
		return "", false, err
	}
	known, err := l.Secret(c.Known)
	if err != nil {
		return "", false, err
	}
	pid, err := l.PID(node)
	if err != nil || pid == 0 {
		return "", false, fmt.Errorf("no daemon to look into (%v)", err) //nolint:errorlint // perhaps nil
	}
	f, err := remains.NewFinder(append(slices.Clone(secrets), remains.Secret{Name: c.Known, Value: known})...)
	if err != nil {
		return "", false, err
	}
	all, err := f.Memory(pid)
	if err != nil {
		return "", false, err
	}
	own := remains.By(all, remains.Program)
	if len(remains.Of(own, c.Known)) == 0 {
		return "", false, fmt.Errorf("%s is not found in memory, so that the look proves nothing", c.Known)
	}
	found := slices.DeleteFunc(own, func(f remains.Find) bool { return f.Secret == c.Known })
	for _, path := range l.Written(node) {
		more, err := f.Files(path)
		if err != nil {
			return "", false, err
		}
		found = append(found, more...)
	}
	if len(found) > 0 {
		return fmt.Sprintf("%d remains, the first: %s", len(found), found[0]), false, nil
	}
	return fmt.Sprintf("0 of %d secrets (%d pieces in the module's memory)", len(secrets), len(all)-len(own)), true, nil
}
