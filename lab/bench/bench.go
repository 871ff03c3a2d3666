// Package bench measures throughput through two members of a running lab with iperf3: one TCP flow between two LAN hosts
// through ESP, and the same flow in clear after both members have stopped in order, which is what the kernel forwards by
// itself. Both figures come from the same lab in the same minute, because only their ratio means anything on a machine
// that others share.
package bench

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/driver"
)

// Config says what to measure.
type Config struct {
	From, To string // hosts
	Rounds   int
	Seconds  int // of each round
}

// Series holds the rounds of one path, in Gbit/s.
type Series struct {
	Path   string    `json:"path"`
	Gbit   []float64 `json:"gbit_per_s"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
}

// Result is what Run measured.
type Result struct {
	ESP   Series  `json:"esp"`
	Plain Series  `json:"plain"`
	Ratio float64 `json:"ratio"` // of the medians, ESP to plain
}

// Run measures. It stops both members for the plain rounds and starts them again.
func Run(ctx context.Context, l driver.Lab, c Config, log io.Writer) (*Result, error) {
	s := l.Scenario()
	gates := []string{s.MemberOf(c.From), s.MemberOf(c.To)}
	for i, g := range gates {
		if g == "" {
			return nil, fmt.Errorf("bench: no member stands before host %s", []string{c.From, c.To}[i])
		}
	}
	before, err := sealed(ctx, l, gates[0])
	if err != nil {
		return nil, err
	}
	r := &Result{ESP: Series{Path: "through ESP"}, Plain: Series{Path: "kernel forwarding, in clear"}}
	if err := measure(ctx, l, c, &r.ESP, log); err != nil {
		return nil, err
	}
	after, err := sealed(ctx, l, gates[0])
	if err != nil {
		return nil, err
	}
	if moved := after - before; moved < uint64(c.Rounds*c.Seconds) {
		return nil, fmt.Errorf("bench: member %s sealed only %d packets: the flow did not go through ESP", gates[0], moved)
	}
	for _, g := range gates {
		if err := l.Stop(g); err != nil {
			return nil, err
		}
	}
	plainErr := measure(ctx, l, c, &r.Plain, log)
	for _, g := range gates {
		if err := l.Start(ctx, g); err != nil {
			return nil, err
		}
	}
	if plainErr != nil {
		return nil, plainErr
	}
	r.Ratio = r.ESP.Median / r.Plain.Median
	return r, nil
}

// sealed is the number of packets that a member has sent through ESP.
func sealed(ctx context.Context, l driver.Lab, member string) (uint64, error) {
	snap, err := l.Control(member).Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	if snap.Role != control.RoleGroupMember || snap.GM == nil {
		return 0, fmt.Errorf("bench: %s is not a member", member)
	}
	return snap.GM.DataPath.OutPackets, nil
}

func measure(ctx context.Context, l driver.Lab, c Config, s *Series, log io.Writer) error {
	for i := range c.Rounds {
		f, err := Iperf(ctx, l, c.From, c.To, c.Seconds, 1)
		if err != nil {
			return err
		}
		fmt.Fprintf(log, "%s, round %d of %d: %.2f Gbit/s\n", s.Path, i+1, c.Rounds, f.Gbit)
		s.Gbit = append(s.Gbit, f.Gbit)
	}
	sorted := slices.Sorted(slices.Values(s.Gbit))
	s.Min, s.Max, s.Median = sorted[0], sorted[len(sorted)-1], sorted[len(sorted)/2]
	return nil
}

// Print writes the table.
func (r *Result) Print(w io.Writer) {
	for _, s := range []Series{r.ESP, r.Plain} {
		fmt.Fprintf(w, "%-28s median %6.2f Gbit/s  (%.2f–%.2f, %d rounds)\n", s.Path, s.Median, s.Min, s.Max, len(s.Gbit))
	}
	fmt.Fprintf(w, "ratio of the medians %.2f\n", r.Ratio)
}
