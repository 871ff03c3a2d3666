package check

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// reach: each node of each pair gets an answer from the other.
type reach struct {
	Pairs  Pairs         `yaml:"pairs"`
	Within time.Duration `yaml:"within"`
}

func (c *reach) Validate(s *scenario.Scenario) error { return c.Pairs.validate(s) }

func (c *reach) Run(ctx context.Context, env *Env) []scenario.Result {
	if _, ok := env.virtual(); ok {
		return c.inModel(ctx, env)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	servers := map[netip.Addr]net.PacketConn{}
	defer func() {
		for _, s := range servers {
			_ = s.Close()
		}
	}()
	flows := bothWays(env, c.Pairs.of(env.Scenario))
	for _, f := range flows {
		if servers[f.Dst] == nil {
			s, err := echoServer(env.Lab, f.To, f.Dst)
			if err != nil {
				return failed(err)
			}
			servers[f.Dst] = s
		}
	}
	var wg sync.WaitGroup
	rtts, errs := make([]time.Duration, len(flows)), make([]error, len(flows))
	for i, f := range flows {
		wg.Go(func() { rtts[i], _, errs[i] = echo(ctx, env.Lab, f.From, f.Src, servers[f.Dst].LocalAddr()) })
	}
	wg.Wait()
	good, worst := 0, time.Duration(0)
	var missing []string
	for i, f := range flows {
		if errs[i] != nil {
			missing = append(missing, f.String())
			continue
		}
		good++
		worst = max(worst, rtts[i])
	}
	r := scenario.Result{OK: good == len(flows), Value: fmt.Sprintf("%d of %d directions, slowest answer %.1f ms", good, len(flows),
		float64(worst.Microseconds())/1000), Want: fmt.Sprintf("%d directions within %s", len(flows), c.Within)}
	if len(missing) > 0 {
		r.Message = "no answer: " + strings.Join(missing, ", ")
	}
	return []scenario.Result{r}
}
