package peers

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/lab/netns"
	"github.com/getvpn/getvpn/lab/scenario"
)

//go:embed topology.yaml
var topology []byte

// The nodes and addresses of topology.yaml.
const (
	hostA, gateA, gateB, hostB, keyServer = "ha", "ga", "gb", "hb", "ks1"
	lanA, lanB                            = "10.77.1.0/24", "10.77.2.0/24"
	wanA, wanB                            = "172.16.0.1", "172.16.0.2"
	sinkAddr                              = "10.77.2.10"
)

// Config says what to measure.
type Config struct {
	Lab     string // name of the lab that each visit brings up and takes down
	Cache   string // directory for programs that are built
	Peers   []string
	Tests   []string
	Rounds  int
	Seconds int           // of each TCP test
	Probe   time.Duration // length of one UDP probe
	Steps   int           // UDP probes after the first
	Install bool          // fetch what is missing
	Log     io.Writer
}

// Run measures, round by round. Peers that are not available end up in the result's Missing. An error means that there is
// no result; when ctx ends it is ctx.Err, with the result of the rounds so far.
func Run(ctx context.Context, c Config) (*Result, error) {
	for _, name := range c.Tests {
		if _, ok := testNamed(name); !ok {
			return nil, fmt.Errorf("bench-peers: no test %q; there are: %s", name, strings.Join(TestNames(), ", "))
		}
	}
	for _, name := range c.Peers {
		if _, err := find(name); err != nil {
			return nil, err
		}
	}
	r := newResult(c)
	var all []peer
	for _, name := range c.Peers {
		p, _ := find(name)
		if err := c.install(ctx, p.needs); err != nil {
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			r.miss(name, err)
			fmt.Fprintf(c.Log, "%s is left out: %v\n", name, err)
			continue
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, errors.New("bench-peers: none of the peers is available")
	}
	if err := c.install(ctx, []need{{program: "iperf3", packages: []string{"iperf3"}}, {program: "ethtool", packages: []string{"ethtool"}}}); err != nil {
		return nil, err
	}
	for round := range c.Rounds {
		for _, p := range all {
			if r.Missing[p.name] != "" {
				continue
			}
			err := c.visit(ctx, p, func(test string, v float64) {
				fmt.Fprintf(c.Log, "round %d of %d, %s, %s: %s\n", round+1, c.Rounds, p.name, test, number(v))
				r.add(p.name, test, v)
			})
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			var absent *absentError
			switch {
			case errors.As(err, &absent) && round == 0:
				r.miss(p.name, absent.error)
				fmt.Fprintf(c.Log, "%s is left out: %v\n", p.name, err)
			case err != nil: // of this round; the others count
				r.Errors = append(r.Errors, fmt.Sprintf("round %d, %s: %v", round+1, p.name, err))
				fmt.Fprintf(c.Log, "round %d, %s: %v\n", round+1, p.name, err)
			}
		}
	}
	return r, nil
}

// absentError is a peer that did not come up.
type absentError struct{ error }

// visit brings a fresh topology up, starts a peer in it, runs the tests and takes it all down, whatever happens.
func (c Config) visit(ctx context.Context, p peer, got func(test string, v float64)) (err error) {
	s, err := scenario.Parse("topology.yaml", topology, scenario.Options{})
	if err != nil {
		return err
	}
	l, err := netns.Up(ctx, c.Lab, s, nil)
	if err != nil {
		return err
	}
	v := &visit{Config: c, lab: l}
	defer func() {
		for _, f := range slices.Backward(v.cleanup) {
			f()
		}
		err = errors.Join(err, netns.Down(c.Lab))
	}()
	for _, g := range []string{gateA, gateB} {
		if _, err := l.Run(ctx, g, strings.Fields("ethtool -K wan tso off gso off tx-udp-segmentation off gro on")); err != nil {
			return err
		}
	}
	if err := p.start(ctx, v); err != nil {
		return &absentError{err}
	}
	if err := v.connected(ctx); err != nil {
		return &absentError{err}
	}
	return v.tests(ctx, got)
}

// visit is one peer's turn.
type visit struct {
	Config
	lab     *netns.Lab
	cleanup []func() // in reverse, before the lab goes
}

// tests runs all of them.
func (v *visit) tests(ctx context.Context, got func(test string, v float64)) error {
	var errs []error
	for _, name := range v.Tests {
		t, _ := testNamed(name)
		if err := t.run(ctx, v, got); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// test is one of the measurements.
type test struct {
	name string
	run  func(ctx context.Context, v *visit, got func(test string, v float64)) error
}

var allTests = []test{
	{"tcp1", func(ctx context.Context, v *visit, got func(string, float64)) error {
		return v.tcp(ctx, "tcp1", 1, got)
	}},
	{"tcp4", func(ctx context.Context, v *visit, got func(string, float64)) error {
		return v.tcp(ctx, "tcp4", 4, got)
	}},
	{"udp64", func(ctx context.Context, v *visit, got func(string, float64)) error {
		return v.udp(ctx, "udp64", 64, got)
	}},
	{"udp1400", func(ctx context.Context, v *visit, got func(string, float64)) error {
		return v.udp(ctx, "udp1400", 1400, got)
	}},
}

func testNamed(name string) (test, bool) {
	for _, t := range allTests {
		if t.name == name {
			return t, true
		}
	}
	return test{}, false
}

// TestNames are the tests that there are, in the order of the tables.
func TestNames() (out []string) {
	for _, t := range allTests {
		out = append(out, t.name)
	}
	return out
}

// connected waits until a datagram gets through.
func (v *visit) connected(ctx context.Context) error {
	s, err := v.sink()
	if err != nil {
		return err
	}
	defer s.close()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && ctx.Err() == nil; {
		p, err := v.probe(s, 100, 20, 100*time.Millisecond)
		if err == nil && p.received > 0 {
			return nil
		}
	}
	return errors.Join(ctx.Err(), errors.New("no packet gets through"))
}

// route sends a LAN somewhere else.
func (v *visit) route(ctx context.Context, node, lan string, via ...string) error {
	_, err := v.lab.Run(ctx, node, append([]string{"ip", "route", "replace", lan}, via...))
	return err
}

var sinkPort = netip.AddrPortFrom(netip.MustParseAddr(sinkAddr), 5300)
