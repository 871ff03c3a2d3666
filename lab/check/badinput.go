package check

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/lab/scenario"
)

// badInput throws random, truncated, damaged and replayed datagrams with forged sources at port 848 of the targets while
// traffic runs. Nothing is lost, no daemon ends, and the drops are counted by reason.
type badInput struct {
	From        string        `yaml:"from"` // node that sends; a core router can forge every source
	Targets     []string      `yaml:"targets"`
	For         time.Duration `yaml:"for"`
	Rate        int           `yaml:"rate"` // datagrams a second at each target
	TrafficRate int           `yaml:"traffic-rate"`
	Seed        uint64        `yaml:"seed"`
}

func (c *badInput) Validate(s *scenario.Scenario) error {
	if len(c.Targets) == 0 {
		return fmt.Errorf("targets: name at least one node with a daemon")
	}
	for _, n := range c.Targets {
		if err := exist(s, n); err != nil {
			return err
		}
		if s.Node(n).Program == "" {
			return fmt.Errorf("target %s has no daemon", n)
		}
	}
	return exist(s, c.From)
}

// aim is one target during a flood.
type aim struct {
	node    string
	address netip.AddrPort
	corpus  []Datagram // seen on their way to it
	pid     int
	before  *control.Snapshot
	sent    map[string]int
	refused int // by the kernel of the sender
}

func (c *badInput) Run(ctx context.Context, env *Env) []scenario.Result {
	aims, err := c.prepare(ctx, env)
	if err != nil {
		return failed(err)
	}
	t, err := StartTraffic(ctx, env, bothWays(env, Pairs{All: true}.of(env.Scenario)), c.TrafficRate)
	if err != nil {
		return failed(err)
	}
	defer t.Stop()
	if err := c.flood(ctx, env, aims); err != nil {
		return failed(err)
	}
	_ = env.sleep(ctx, time.Second)
	t.Stop()

	sent, lost, _, where := losses(t.Flows, 0, forever)
	r := scenario.Result{Want: "0 lost, every daemon the same process, drops counted at each", OK: lost == 0 && sent > 0}
	var dead, uncounted, lines []string
	thrown, dropped := 0, uint64(0)
	for _, a := range aims {
		snap, err := env.snapshot(ctx, a.node)
		pid, _ := env.Lab.PID(a.node) // 0 on error as well
		if err != nil || pid != a.pid {
			dead = append(dead, a.node)
			continue
		}
		total, text := difference(a.before.Drops, snap.Drops)
		for _, n := range a.sent {
			thrown += n
		}
		dropped += total
		if total == 0 {
			uncounted = append(uncounted, a.node)
		}
		lines = append(lines, fmt.Sprintf("%s: %s", a.node, text))
	}
	r.OK = r.OK && len(dead) == 0 && len(uncounted) == 0
	r.Value = fmt.Sprintf("%d lost of %d packets; %d bad datagrams at %d daemons in %.0f s, %d counted as drops; %d daemons ended", lost, sent,
		thrown, len(aims), c.For.Seconds(), dropped, len(dead))
	if len(dead) > 0 {
		lines = append(lines, "ended or silent: "+strings.Join(dead, ", "))
	}
	if len(uncounted) > 0 {
		lines = append(lines, "no drop counted: "+strings.Join(uncounted, ", "))
	}
	if where != "" {
		lines = append(lines, where)
	}
	r.Message = strings.Join(lines, "; ")
	return []scenario.Result{r}
}

// prepare makes the members register once more, so that there are whole exchanges to replay.
func (c *badInput) prepare(ctx context.Context, env *Env) ([]*aim, error) {
	for _, gm := range env.Scenario.Named(scenario.KindMember) {
		snap, err := env.snapshot(ctx, gm)
		if err != nil {
			return nil, err
		}
		if snap.GM == nil {
			continue
		}
		for _, g := range snap.GM.Groups {
			if _, err := env.Lab.Control(gm).Reregister(ctx, control.ReregisterRequest{Group: g.Name}); err != nil {
				return nil, fmt.Errorf("registering %s again: %w", gm, err)
			}
		}
	}
	if err := env.sleep(ctx, 3*time.Second); err != nil {
		return nil, err
	}
	seen := env.Capture.Datagrams()
	var aims []*aim
	for _, node := range c.Targets {
		a := &aim{node: node, address: netip.AddrPortFrom(env.Scenario.Address(node), portGDOI), sent: map[string]int{}}
		for _, d := range seen {
			if d.Dst == a.address && len(d.Payload) > 0 {
				a.corpus = append(a.corpus, d)
			}
		}
		if len(a.corpus) == 0 {
			return nil, fmt.Errorf("the core has seen no GDOI datagram to %s: nothing to replay", node)
		}
		var err error
		if a.pid, err = env.Lab.PID(node); err != nil || a.pid == 0 {
			return nil, fmt.Errorf("the daemon of %s is not running (%w)", node, err)
		}
		if a.before, err = env.snapshot(ctx, node); err != nil {
			return nil, err
		}
		aims = append(aims, a)
	}
	return aims, nil
}

// rawSocket opens a socket of a node for IPv4 packets that are whole.
func rawSocket(l Lab, node string) (fd int, err error) {
	err = l.Inside(node, func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("raw socket at %s: %w", node, err)
	}
	return fd, nil
}

// flood sends on an absolute timetable, one datagram for each target at a time.
func (c *badInput) flood(ctx context.Context, env *Env, aims []*aim) error {
	fd, err := rawSocket(env.Lab, c.From)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	env.Log("%d bad datagrams a second at each of %v for %s, seed %d", c.Rate, c.Targets, c.For, c.Seed)
	rng := rand.New(rand.NewPCG(c.Seed, 0)) //nolint:gosec // it has to be repeatable, not secret
	start := env.now()
	for n := 0; ; n++ {
		at := start.Add(time.Duration(n) * time.Second / time.Duration(c.Rate))
		if at.Sub(start) >= c.For {
			return nil
		}
		if err := env.sleep(ctx, at.Sub(env.now())); err != nil {
			return err
		}
		for _, a := range aims {
			kind, d := bad(rng, a)
			to := &unix.SockaddrInet4{Addr: a.address.Addr().As4()}
			if unix.Sendto(fd, udp(d.Src, a.address, d.Payload), 0, to) != nil {
				a.refused++
				continue
			}
			a.sent[kind]++
		}
	}
}

// maxBad keeps datagrams below the MTU of every link, header included.
const maxBad = 1300

// bad makes one datagram of one of the kinds.
func bad(rng *rand.Rand, a *aim) (string, Datagram) {
	d := a.corpus[rng.IntN(len(a.corpus))]
	b := slices.Clone(d.Payload[:min(len(d.Payload), maxBad)])
	random := func(n int) []byte {
		out := make([]byte, n)
		for i := range out {
			out[i] = byte(rng.Uint32())
		}
		return out
	}
	kind := []string{"random", "header", "truncated", "damaged", "replayed"}[rng.IntN(5)]
	switch kind {
	case "random":
		b = random(rng.IntN(maxBad))
	case "header": // RFC 2408 §3.1: plausible in every field, garbage behind; half of them in a session that exists
		body := random(rng.IntN(maxBad - 28))
		h := random(28)
		if rng.IntN(2) == 0 && len(b) >= 16 {
			copy(h, b[:16])
		}
		h[16] = byte(rng.IntN(24))
		h[17] = 0x10
		h[18] = []byte{2, 5, 32, 33, 35}[rng.IntN(5)]
		h[19] = byte(rng.IntN(4))
		binary.BigEndian.PutUint32(h[24:], uint32(28+len(body))) //nolint:gosec // small
		b = append(h, body...)
	case "truncated":
		b = b[:rng.IntN(len(b))]
	case "damaged":
		for range 1 + rng.IntN(8) {
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		}
	}
	d.Payload = b
	return kind, d
}

// udp makes an IPv4 datagram; the kernel fills in the identification and the header's checksum (raw(7)).
func udp(src, dst netip.AddrPort, payload []byte) []byte {
	b := make([]byte, 28, 28+len(payload))
	b[0], b[8], b[9] = 0x45, 64, protoUDP
	binary.BigEndian.PutUint16(b[2:], uint16(28+len(payload))) //nolint:gosec // at most maxBad
	s, d := src.Addr().As4(), dst.Addr().As4()
	copy(b[12:], s[:])
	copy(b[16:], d[:])
	binary.BigEndian.PutUint16(b[20:], src.Port())
	binary.BigEndian.PutUint16(b[22:], dst.Port())
	binary.BigEndian.PutUint16(b[24:], uint16(8+len(payload))) //nolint:gosec // at most maxBad
	return append(b, payload...)                               // RFC 768: a checksum of zero means none
}

// gains are the counters that went up, by how much. Those of a daemon that was started in between begin anew.
func gains(before, after []control.Counter) (out []control.Counter) {
	old := map[string]uint64{}
	for _, c := range before {
		old[c.Name] = c.Count
	}
	for _, c := range after {
		if was := old[c.Name]; c.Count >= was {
			c.Count -= was
		}
		if c.Count > 0 {
			out = append(out, c)
		}
	}
	return out
}

// difference lists what counters gained.
func difference(before, after []control.Counter) (total uint64, text string) {
	var parts []string
	for _, c := range gains(before, after) {
		total += c.Count
		parts = append(parts, fmt.Sprintf("%s %d", c.Name, c.Count))
	}
	if len(parts) == 0 {
		return 0, "nothing counted"
	}
	return total, strings.Join(parts, ", ")
}
