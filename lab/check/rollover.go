package check

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// rolloverLossless: traffic both ways between the pairs while keys roll; nothing is lost. TEK rollovers are what the core
// sees: a sender changes to an SPI that it has not used before. KEK rollovers are what the members say.
type rolloverLossless struct {
	Pairs  Pairs         `yaml:"pairs"`
	Rate   int           `yaml:"rate"`
	TEK    int           `yaml:"tek"`
	KEK    int           `yaml:"kek"`
	Within time.Duration `yaml:"within"`
}

func (c *rolloverLossless) Validate(s *scenario.Scenario) error {
	if c.Rate < 1 || c.Rate > 10000 {
		return fmt.Errorf("rate %d is outside 1..10000", c.Rate)
	}
	return c.Pairs.validate(s)
}

// spiWatch collects the SPIs with which each address sends.
type spiWatch struct {
	mu   sync.Mutex
	seen map[netip.Addr]map[uint32]time.Time
}

func (w *spiWatch) packet(p *Packet) {
	if p.Class != ESP {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[p.Src] == nil {
		w.seen[p.Src] = map[uint32]time.Time{}
	}
	if _, ok := w.seen[p.Src][p.SPI]; !ok {
		w.seen[p.Src][p.SPI] = p.Time
	}
}

// rollovers is the number of changes that every one of the senders has made.
func (w *spiWatch) rollovers(senders []netip.Addr) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	least := -1
	for _, s := range senders {
		if n := len(w.seen[s]) - 1; least < 0 || n < least {
			least = n
		}
	}
	return max(least, 0)
}

// kekWatch collects the KEKs that each member has had.
type kekWatch map[string]map[string]bool

func (w kekWatch) poll(ctx context.Context, env *Env) {
	for _, gm := range env.Scenario.Named(scenario.KindMember) {
		snap, err := env.snapshot(ctx, gm)
		if err != nil || snap.GM == nil {
			continue // a member that does not answer does not count a rollover either
		}
		for _, g := range snap.GM.Groups {
			if g.KEK != nil {
				if w[gm] == nil {
					w[gm] = map[string]bool{}
				}
				w[gm][g.Name+g.KEK.SPI] = true
			}
		}
	}
}

func (w kekWatch) rollovers(members []string) int {
	least := -1
	for _, m := range members {
		if n := len(w[m]) - 1; least < 0 || n < least {
			least = n
		}
	}
	return max(least, 0)
}

func (c *rolloverLossless) Run(ctx context.Context, env *Env) []scenario.Result {
	flows := bothWays(env, c.Pairs.of(env.Scenario))
	var senders []netip.Addr
	for _, f := range flows {
		senders = append(senders, f.Src)
	}
	members := env.Scenario.Named(scenario.KindMember)
	spis, keks := &spiWatch{seen: map[netip.Addr]map[uint32]time.Time{}}, kekWatch{}
	keks.poll(ctx, env)
	tap := env.Capture.Tap(spis.packet)
	defer tap.Close()
	before := env.Capture.Totals()
	t, err := StartTraffic(ctx, env, flows, c.Rate)
	if err != nil {
		return failed(err)
	}
	defer t.Stop()
	tek, kek, shown := 0, 0, time.Duration(0)
	for t.Since() < c.Within && (tek < c.TEK || kek < c.KEK) {
		if err := env.sleep(ctx, 500*time.Millisecond); err != nil {
			return failed(err)
		}
		keks.poll(ctx, env)
		was := tek + kek
		env.Capture.ask()
		tek, kek = spis.rollovers(senders), keks.rollovers(members)
		if tek+kek != was || t.Since()-shown > 30*time.Second {
			shown = t.Since()
			sent, lost, _, _ := losses(flows, 0, shown-trafficDrain)
			env.Log("%4.0f s: %d TEK and %d KEK rollovers, %d packets, %d lost", shown.Seconds(), tek, kek, sent, lost)
		}
	}
	took := t.Since()
	t.Stop()
	sent, lost, duplicates, where := losses(flows, 0, forever)
	offences := env.Capture.Totals().Minus(before).Offences()
	return []scenario.Result{{
		OK: lost == 0 && duplicates == 0 && sent > 0 && tek >= c.TEK && kek >= c.KEK && offences == 0,
		Value: fmt.Sprintf("%d lost of %d packets (%d flows at %d/s for %.0f s), %d twice; %d TEK and %d KEK rollovers", lost, sent,
			len(flows), c.Rate, took.Seconds(), duplicates, tek, kek),
		Want:    fmt.Sprintf("0 lost, 0 twice, at least %d TEK and %d KEK rollovers within %s", c.TEK, c.KEK, c.Within),
		Message: where,
	}}
}
