package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Lab is what a check needs of a driver.
type Lab = driver.Subject

// Env is what a check runs in.
type Env struct {
	Lab      Lab
	Scenario *scenario.Scenario
	Capture  *Capture
	Log      func(format string, args ...any) // progress, for people
	// Watch hears of every step when it begins, and when it is done with its results; nil: nobody watches. Steps that run in
	// parallel call it at the same time.
	Watch func(st *scenario.Step, results []scenario.Result, took time.Duration, done bool)

	last  lastAction
	deaf  atomic.Pointer[error]
	begin sync.Once
	time  clock
}

// Check is one kind of check; its exported fields are its parameters.
type Check interface {
	// Validate refuses parameters that make no sense in the scenario.
	Validate(s *scenario.Scenario) error
	// Run measures. A result without a name gets the step's.
	Run(ctx context.Context, env *Env) []scenario.Result
}

// kinds maps the names in scenario files to fresh values with the defaults.
var kinds = map[string]func() Check{
	"reach":             func() Check { return &reach{Within: 10 * time.Second} },
	"own-traffic":       func() Check { return &ownTraffic{Within: 10 * time.Second} },
	"denied-clear":      func() Check { return &deniedClear{Port: 22} },
	"stranger-refused":  func() Check { return &strangerRefused{Event: "auth-failed", Within: 30 * time.Second} },
	"rollover-lossless": func() Check { return &rolloverLossless{Rate: 100, TEK: 6, KEK: 1, Within: 10 * time.Minute} },
	"bad-input":         func() Check { return &badInput{For: time.Minute, Rate: 200, TrafficRate: 100, Seed: 1} },
	"fail-closed":       func() Check { return &failClosed{For: 5 * time.Second, Rate: 100, Recover: 30 * time.Second} },
	"key-server-loss":   func() Check { return &keyServerLoss{Rate: 100, Recover: 90 * time.Second} },
	"multicast-copies":  func() Check { return &multicastCopies{After: 5 * time.Second, Datagrams: 1} },
	"core-only-esp":     func() Check { return &coreOnlyESP{} },
	"lossless": func() Check {
		return &lossless{Pairs: Pairs{All: true}, Rate: 100, Before: time.Second, After: 2 * time.Second}
	},
	"replayed": func() Check { return &replayed{Rate: 50, For: 5 * time.Second} },
	"bulk":     func() Check { return &bulk{Megabytes: 4, Within: 30 * time.Second} },
	"recovers": func() Check { return &recovers{Rate: 50, Within: 10 * time.Second} },
	"path":     func() Check { return &theWay{Within: 30 * time.Second} },
	"blocked":  func() Check { return &blocked{For: 3 * time.Second, Rate: 50} },
	"soak":     func() Check { return &soak{For: 30 * time.Minute, Rate: 1000, Rekeys: 1} },
	"command":  func() Check { return &command{} },
	"primary":  func() Check { return &primary{Within: 5 * time.Second} },
	"kek":      func() Check { return &kek{Within: time.Minute} },
	"keys":     func() Check { return &keys{Times: 1, Within: time.Minute} },
	"remains":  func() Check { return &remainsOf{Within: 30 * time.Second} },
	"state":    func() Check { return &state{Within: 10 * time.Second} },
	"event":    func() Check { return &eventSeen{Within: 10 * time.Second} },
}

// networked are the kinds that work on packets themselves, or on processes: only a lab with a network has them.
var networked = map[string]string{
	"own-traffic": "no packets of members", "denied-clear": "no TCP", "bad-input": "no datagrams of strangers", "multicast-copies": "no links to count copies on",
	"replayed": "no packets to record", "bulk": "no TCP", "path": "no routers", "soak": "no processes that could grow", "remains": "no memory of daemons",
}

// decode makes the check of a step.
func decode(s *scenario.Scenario, st *scenario.Step) (Check, error) {
	make, ok := kinds[st.Check]
	if !ok {
		return nil, s.ErrorAt(st.At, "there is no check %q; there are: %s", st.Check, strings.Join(sortedKeys(kinds), ", "))
	}
	c := make()
	if err := s.DecodeParams(st, c); err != nil {
		return nil, err
	}
	if err := c.Validate(s); err != nil {
		return nil, s.ErrorAt(st.At, "check %s: %v", st.Check, err)
	}
	return c, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Pair is two nodes, in both directions when a check says so.
type Pair struct{ A, B string }

// String gives the form of scenario files.
func (p Pair) String() string { return p.A + "-" + p.B }

// UnmarshalYAML decodes "h1-h3".
func (p *Pair) UnmarshalYAML(n *yaml.Node) error {
	a, b, ok := strings.Cut(n.Value, "-")
	if n.Kind != yaml.ScalarNode || !ok || a == "" || b == "" || a == b {
		return errors.New("a pair of nodes is written h1-h3")
	}
	*p = Pair{a, b}
	return nil
}

// Pairs is a list of pairs; "all": every pair of hosts of the group; or "neighbours": each host with the next one, in the
// order of the file, and the last with the first.
type Pairs struct {
	All, Neighbours bool
	List            []Pair
}

// UnmarshalYAML decodes "all", "neighbours" or a list.
func (p *Pairs) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && (n.Value == "all" || n.Value == "neighbours") {
		*p = Pairs{All: n.Value == "all", Neighbours: n.Value != "all"}
		return nil
	}
	*p = Pairs{} // not all, which a check may have as its default
	return n.Load(&p.List, yaml.WithKnownFields())
}

func (p Pairs) of(s *scenario.Scenario) []Pair {
	if !p.All && !p.Neighbours {
		return p.List
	}
	var out []Pair
	hosts := s.Named(scenario.KindHost)
	if p.Neighbours && len(hosts) > 2 {
		for i, a := range hosts {
			out = append(out, Pair{a, hosts[(i+1)%len(hosts)]})
		}
		return out
	}
	for i, a := range hosts {
		for _, b := range hosts[i+1:] {
			out = append(out, Pair{a, b})
		}
	}
	return out
}

func (p Pairs) validate(s *scenario.Scenario) error {
	list := p.of(s)
	if len(list) == 0 {
		return fmt.Errorf("pairs: write all, neighbours, or a list as in [h1-h3]")
	}
	for _, q := range list {
		if err := exist(s, q.A, q.B); err != nil {
			return err
		}
	}
	return nil
}

// exist refuses names that are no nodes.
func exist(s *scenario.Scenario, names ...string) error {
	for _, n := range names {
		if s.Node(n) == nil {
			return fmt.Errorf("there is no node %q", n)
		}
	}
	return nil
}

// hasIPv6 refuses IPv6 in a scenario without.
func hasIPv6(s *scenario.Scenario, want bool) error {
	if want && !s.IPv6.IsValid() {
		return fmt.Errorf("ipv6: the scenario has no IPv6; write ipv6: 2001:db8::/32 at its top")
	}
	return nil
}

// address is that of a node, of either family.
func (e *Env) address(node string, v6 bool) netip.Addr {
	if v6 {
		return e.Scenario.Address6(node)
	}
	return e.Scenario.Address(node)
}

// failed is the result of a check that could not measure.
func failed(err error) []scenario.Result {
	return unmeasured(err, scenario.NotMeasured, "a measurement")
}

// notDone is that of one that could not do what it wanted to measure the effect of.
func notDone(err error, want string) []scenario.Result {
	return unmeasured(err, scenario.NotDone, want)
}

// unmeasured: what the lab has no network for was not tried.
func unmeasured(err error, value, want string) []scenario.Result {
	return []scenario.Result{{Skipped: errors.Is(err, driver.ErrNoNetwork), Value: value, Want: want, Message: err.Error()}}
}

// unheard notes that packets of a model were not heard of: from then on nothing that counts them means anything.
func (e *Env) unheard(err error) {
	err = fmt.Errorf("traffic: %w", err)
	e.Log("%v", err)
	e.deaf.CompareAndSwap(nil, &err)
}

// answers fails when a lab of virtual time has ended, or has not told of packets: what a check made of its silence is no measurement.
func (e *Env) answers(ctx context.Context) error {
	v, ok := e.virtual()
	if !ok {
		return nil
	}
	if err := e.deaf.Load(); err != nil {
		return *err
	}
	_, err := v.Broken(ctx)
	return err
}

// snapshot asks a daemon with a short patience.
func (e *Env) snapshot(ctx context.Context, node string) (*control.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return e.Lab.Control(node).Snapshot(ctx)
}
