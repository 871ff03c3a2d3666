package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/scenario"
)

// soak: a TCP flow as fast as it goes and numbered datagrams from the first host of the pair to the second, for a long
// time, while keys roll. No packet is dropped for want of a key, and no daemon grows.
//
// Whatever enters a daemon is sealed, opened, or dropped with a reason, and the reasons that a rekey can cause are few: if
// none of them counts, no packet was lost to a rekey. At full rate queues overflow all the same, which is how TCP finds the
// rate; datagrams lost to that are as likely at any time, and those about a change of keys are compared with the others.
type soak struct {
	Pair   Pair          `yaml:"pair"`
	For    time.Duration `yaml:"for"`
	Rate   int           `yaml:"rate"`
	Rekeys int           `yaml:"rekeys"` // at least
}

// keyReasons are the drops that a rekey can cause.
var keyReasons = map[string]bool{
	"no-sa": true, "seq-exhausted": true, "fail-closed": true, "unknown-spi": true, "sa-expired": true, "replay": true, "auth-failed": true,
	"sender-limit": true, "policy-mismatch": true, "time-replay": true, "unstamped": true,
}

const (
	soakPoll = 250 * time.Millisecond // how exactly the moment of a change of keys is known
	about    = time.Second            // on both sides of it
)

// What its results are called; the name of a node follows soakMemory.
const (
	soakRekeys  = "soak-rekeys"
	soakTraffic = "soak-traffic"
	soakMemory  = "soak-memory-"
)

func (c *soak) Validate(s *scenario.Scenario) error {
	if c.Rate < 1 || c.Rate > 10000 {
		return fmt.Errorf("rate %d is outside 1..10000", c.Rate)
	}
	if c.For < 10*time.Second || c.For > 14*24*time.Hour {
		return fmt.Errorf("for: %s is outside 10s..336h", c.For)
	}
	for _, h := range []string{c.Pair.A, c.Pair.B} {
		if s.MemberOf(h) == "" {
			return fmt.Errorf("no member stands before host %q", h)
		}
	}
	return (Pairs{List: []Pair{c.Pair}}).validate(s)
}

// members are those before the pair's hosts.
func (c *soak) members(s *scenario.Scenario) []string {
	return []string{s.MemberOf(c.Pair.A), s.MemberOf(c.Pair.B)}
}

// daemons are all that may not grow.
func (c *soak) daemons(s *scenario.Scenario) []string {
	return append(c.members(s), s.Named(scenario.KindKeyServer)...)
}

func (c *soak) Run(ctx context.Context, env *Env) []scenario.Result {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	members := c.members(env.Scenario)
	before, err := drops(ctx, env, members)
	if err != nil {
		return failed(err)
	}
	from, to := env.Scenario.Address(c.Pair.A), env.Scenario.Address(c.Pair.B)
	var octets atomic.Int64
	ended, err := fullRate(ctx, env.Lab, c.Pair, from, to, &octets)
	if err != nil {
		return failed(err)
	}
	flow := &Flow{From: c.Pair.A, To: c.Pair.B, Src: from, Dst: to}
	t, err := StartTraffic(ctx, env, []*Flow{flow}, c.Rate)
	if err != nil {
		return failed(err)
	}
	defer t.Stop()
	keys, grown := &keyChanges{spi: map[string]string{}}, newGrowth(c.daemons(env.Scenario))
	step := max(c.For/120, time.Second)
	for next, said := time.Duration(0), time.Duration(0); t.Since() < c.For; {
		select {
		case err := <-ended:
			return failed(fmt.Errorf("TCP: %w", errors.Join(err, ctx.Err())))
		case <-time.After(soakPoll):
		}
		if err := keys.poll(ctx, env, members, t.Since()); err != nil {
			return failed(err)
		}
		if now := t.Since(); now >= next {
			next = now + step
			if err := grown.sample(ctx, env, now); err != nil {
				return failed(err)
			}
			if now >= said {
				said = now + max(c.For/30, 10*time.Second)
				env.Log("%5.0f s: %d changes of keys, %.2f Gbit/s of TCP, %s", now.Seconds(), keys.count(), rate(octets.Load(), now), grown.now())
			}
		}
	}
	took := t.Since()
	cancel()
	if err := <-ended; err != nil {
		return failed(fmt.Errorf("TCP: %w", err))
	}
	t.Stop()
	after, err := drops(context.WithoutCancel(ctx), env, members)
	if err != nil {
		return failed(err)
	}
	return append([]scenario.Result{
		keyLoss(before, after, keys, c.Rekeys, took),
		datagrams(flow, keys.at, took, rate(octets.Load(), took)),
	}, grown.results()...)
}

func rate(octets int64, d time.Duration) float64 { return float64(octets) * 8 / 1e9 / d.Seconds() }

// fullRate has TCP carry what it can from a host to another until ctx ends, and counts what arrives.
func fullRate(ctx context.Context, l Lab, p Pair, from, to netip.Addr, octets *atomic.Int64) (<-chan error, error) {
	var listener net.Listener
	err := l.Inside(p.B, func() (err error) {
		listener, err = net.Listen("tcp4", netip.AddrPortFrom(to, 0).String())
		return err
	})
	if err != nil {
		return nil, err
	}
	var tx net.Conn
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 10 * time.Second}
	err = l.Inside(p.A, func() (err error) {
		tx, err = d.DialContext(ctx, "tcp4", listener.Addr().String())
		return err
	})
	if err != nil {
		listener.Close()
		return nil, err
	}
	rx, err := listener.Accept()
	listener.Close()
	if err != nil {
		tx.Close()
		return nil, err
	}
	var wg sync.WaitGroup
	errs := make(chan error, 2)
	pump := func(f func([]byte) (int, error), count *atomic.Int64) {
		buf := make([]byte, 128<<10)
		for {
			n, err := f(buf)
			count.Add(int64(n))
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				errs <- err
				return
			}
		}
	}
	var sent atomic.Int64
	wg.Go(func() { pump(tx.Write, &sent) })
	wg.Go(func() { pump(func(b []byte) (int, error) { n, err := rx.Read(b); return n, unexpected(err) }, octets) })
	ended := make(chan error, 1)
	go func() {
		var err error
		select {
		case err = <-errs:
		case <-ctx.Done():
		}
		tx.Close()
		rx.Close()
		wg.Wait()
		ended <- err
	}()
	return ended, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// keyChanges are the moments at which a member began to send with another key.
type keyChanges struct {
	spi map[string]string
	at  []time.Duration
}

func (k *keyChanges) poll(ctx context.Context, env *Env, members []string, now time.Duration) error {
	for _, m := range members {
		s, err := env.snapshot(ctx, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
		for _, g := range s.GM.Groups {
			for _, t := range g.TEKs {
				name := m + " " + g.Name
				if t.Phase != control.PhaseSending || k.spi[name] == t.SPI {
					continue
				}
				if k.spi[name] != "" {
					k.at = append(k.at, now)
				}
				k.spi[name] = t.SPI
			}
		}
	}
	return nil
}

// count is the number of rekeys: each member makes each change.
func (k *keyChanges) count() int { return len(k.at) / max(len(k.spi), 1) }

// drops sums the members' counters by reason.
func drops(ctx context.Context, env *Env, members []string) (map[string]uint64, error) {
	out := map[string]uint64{}
	for _, m := range members {
		s, err := env.snapshot(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m, err)
		}
		for _, d := range s.GM.DataPath.Drops {
			out[d.Name] += d.Count
		}
	}
	return out, nil
}

// keyLoss judges the drops.
func keyLoss(before, after map[string]uint64, k *keyChanges, rekeys int, took time.Duration) scenario.Result {
	lost, all := uint64(0), []string{}
	for _, name := range sortedKeys(after) {
		n := after[name] - before[name]
		if n > 0 {
			all = append(all, fmt.Sprintf("%s %d", name, n))
		}
		if keyReasons[name] {
			lost += n
		}
	}
	if len(all) == 0 {
		all = []string{"none"}
	}
	return scenario.Result{
		Name: soakRekeys, OK: lost == 0 && k.count() >= rekeys,
		Value: fmt.Sprintf("%d packets lost to %d rekeys in %s; drops: %s", lost, k.count(), took.Round(time.Second), strings.Join(all, ", ")),
		Want:  fmt.Sprintf("0 lost to at least %d rekeys", rekeys),
	}
}

// datagrams compares what was lost about the changes of keys with the rest.
func datagrams(f *Flow, changes []time.Duration, took time.Duration, gbit float64) scenario.Result {
	all := f.Between(0, forever)
	near, sentNear := 0, 0
	last := time.Duration(-1)
	for _, at := range changes {
		from, to := max(at-soakPoll-about, last), at+about
		if from >= to {
			continue
		}
		l := f.Between(from, to)
		near, sentNear, last = near+l.Lost, sentNear+l.Sent, to
	}
	far, sentFar := all.Lost-near, all.Sent-sentNear
	expected := 0.0 // were the keys no reason
	if sentFar > 0 {
		expected = float64(far) / float64(sentFar) * float64(sentNear)
	}
	return scenario.Result{
		Name: soakTraffic, OK: all.Sent > 0 && all.Duplicates == 0 && gbit > 0 && float64(near) <= 20+3*expected,
		Value: fmt.Sprintf("%.2f Gbit/s of TCP; of %d datagrams %d lost to full queues, %d of them within %s of a change of keys, where %.0f are as many as elsewhere; %d twice; %s",
			gbit, all.Sent, all.Lost, near, about, expected, all.Duplicates, took.Round(time.Second)),
		Want: "no more lost about a change of keys than at other times, none twice",
	}
}
