package check

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/scenario"
)

// replayed: somebody in the core records ESP, and repeats all of it after something was done. Every single packet is
// dropped and counted at the member that it reaches, for one of Reasons, each of which occurs; and the traffic of Lossless,
// which runs all the time, does not suffer.
type replayed struct {
	From     string        `yaml:"from"`  // core router that records and repeats
	Pairs    Pairs         `yaml:"pairs"` // whose traffic is recorded
	Rate     int           `yaml:"rate"`
	For      time.Duration `yaml:"for"` // how long it records
	Do       actions       `yaml:"do"`  // between recording and repeating
	Lossless Pairs         `yaml:"lossless"`
	Reasons  []string      `yaml:"reasons"`
}

const (
	settled     = time.Second            // what is on its way has arrived
	replaySpeed = time.Second / 2000     // between two repeated packets
	replayTick  = 200 * time.Millisecond // between two looks at the counters
	replayLimit = 10 * time.Second       // until the counters stand still
)

func (c *replayed) Validate(s *scenario.Scenario) error {
	n := s.Node(c.From)
	if n == nil || n.Kind != scenario.KindCore {
		return fmt.Errorf("from: %q is no core router", c.From)
	}
	if len(c.Reasons) == 0 {
		return fmt.Errorf("reasons: say why the packets are dropped, as in [replay]")
	}
	if c.Rate < 1 || c.Rate > 1000 {
		return fmt.Errorf("rate %d is outside 1..1000", c.Rate)
	}
	if err := c.Do.validate(s); err != nil {
		return err
	}
	if c.Lossless.All || len(c.Lossless.List) > 0 {
		if err := c.Lossless.validate(s); err != nil {
			return err
		}
	}
	return c.Pairs.validate(s)
}

func (c *replayed) Run(ctx context.Context, env *Env) []scenario.Result {
	background, err := StartTraffic(ctx, env, bothWays(env, c.Lossless.of(env.Scenario)), c.Rate)
	if err != nil {
		return failed(err)
	}
	defer background.Stop()
	tape, err := c.record(ctx, env)
	if err == nil && len(tape) == 0 {
		err = fmt.Errorf("no ESP came through %s", c.From)
	}
	if err == nil {
		_, err = c.Do.run(ctx, env)
	}
	var before map[string]*control.Snapshot
	if err == nil {
		before, err = registered(ctx, env)
	}
	if err != nil {
		return failed(err)
	}
	refused, err := c.repeat(ctx, env, tape)
	if err != nil {
		return failed(err)
	}
	want := uint64(len(tape) - refused)
	dropped, reasons, text := c.count(ctx, env, before, want)
	background.Stop()
	sent, lost, duplicates, where := losses(background.Flows, 0, forever)
	r := scenario.Result{
		OK: want > 0 && dropped == want && slices.Equal(reasons, slices.Sorted(slices.Values(c.Reasons))) && lost == 0 && duplicates == 0,
		Value: fmt.Sprintf("%d packets recorded and repeated, %d dropped and counted (%s); meanwhile %d lost of %d, %d twice", want, dropped, text,
			lost, sent, duplicates),
		Want:    fmt.Sprintf("all dropped and counted, as %s; 0 lost, 0 twice", strings.Join(c.Reasons, " and ")),
		Message: where,
	}
	if len(c.Lossless.of(env.Scenario)) > 0 && sent == 0 {
		r.OK = false
	}
	return []scenario.Result{r}
}

// record returns the ESP packets that arrive at the router, with their outer headers.
func (c *replayed) record(ctx context.Context, env *Env) (tape [][]byte, err error) {
	fd := -1
	if err := env.Lab.Inside(c.From, func() (err error) { fd, err = packetSocket(); return err }); err != nil {
		return nil, fmt.Errorf("recording at %s: %w", c.From, err)
	}
	defer unix.Close(fd)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 65536)
		for {
			n, _, err := unix.Recvfrom(fd, buf, 0) // or the tick
			select {
			case <-stop:
				return
			default:
			}
			if err == nil && n >= 20 && buf[0] == 0x45 && buf[9] == protoESP {
				tape = append(tape, slices.Clone(buf[:n]))
			}
		}
	})
	t, err := StartTraffic(ctx, env, bothWays(env, c.Pairs.of(env.Scenario)), c.Rate)
	if err == nil {
		err = env.sleep(ctx, c.For)
		t.Stop()
	}
	if err == nil {
		err = env.sleep(ctx, settled)
	}
	close(stop)
	wg.Wait()
	return tape, err
}

// registered waits until every member is, and returns what they say then.
func registered(ctx context.Context, env *Env) (map[string]*control.Snapshot, error) {
	out := map[string]*control.Snapshot{}
	for _, gm := range env.Scenario.Named(scenario.KindMember) {
		if env.Scenario.Node(gm).Program == "" {
			continue
		}
		for start := env.now(); out[gm] == nil; {
			snap, err := env.snapshot(ctx, gm)
			if err == nil && snap.GM != nil && !slices.ContainsFunc(snap.GM.Groups, func(g control.GMGroup) bool { return g.State != control.StateRegistered }) {
				out[gm] = snap
				break
			}
			if env.since(start) > 30*time.Second {
				return nil, fmt.Errorf("%s is not registered (%w)", gm, err)
			}
			if err := env.sleep(ctx, replayTick); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// repeat sends the tape on an absolute timetable; the router's kernel carries it on as it is addressed.
func (c *replayed) repeat(ctx context.Context, env *Env, tape [][]byte) (refused int, err error) {
	fd, err := rawSocket(env.Lab, c.From)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	start := env.now()
	for i, p := range tape {
		if err := env.sleep(ctx, start.Add(time.Duration(i)*replaySpeed).Sub(env.now())); err != nil {
			return 0, err
		}
		if unix.Sendto(fd, p, 0, &unix.SockaddrInet4{Addr: [4]byte(p[16:20])}) != nil {
			refused++
		}
	}
	env.Log("%d packets repeated, from SPI %08x on", len(tape)-refused, binary.BigEndian.Uint32(tape[0][20:]))
	return refused, nil
}

// count waits until the members have counted all drops, and lists why.
func (c *replayed) count(ctx context.Context, env *Env, before map[string]*control.Snapshot, want uint64) (dropped uint64, reasons []string, text string) {
	last := uint64(0)
	for start := env.now(); ; {
		dropped, reasons = 0, nil
		var lines []string
		for _, gm := range sortedKeys(before) {
			snap, err := env.snapshot(ctx, gm)
			if err != nil || snap.GM == nil {
				lines = append(lines, gm+" does not answer")
				continue
			}
			total, line := difference(before[gm].GM.DataPath.Drops, snap.GM.DataPath.Drops)
			if dropped += total; total > 0 {
				lines = append(lines, gm+": "+line)
			}
			for _, g := range gains(before[gm].GM.DataPath.Drops, snap.GM.DataPath.Drops) {
				if !slices.Contains(reasons, g.Name) {
					reasons = append(reasons, g.Name)
				}
			}
		}
		still := dropped >= want && dropped == last
		last = dropped
		if still || env.since(start) > replayLimit || env.sleep(ctx, replayTick) != nil {
			slices.Sort(reasons)
			return dropped, reasons, strings.Join(lines, "; ")
		}
	}
}
