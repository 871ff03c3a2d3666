package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// ownTraffic: what a member itself sends from its LAN address is protected like the LAN's traffic.
type ownTraffic struct {
	Member string        `yaml:"member"`
	To     string        `yaml:"to"`
	IPv6   bool          `yaml:"ipv6"`
	Within time.Duration `yaml:"within"`
}

func (c *ownTraffic) Validate(s *scenario.Scenario) error {
	if err := exist(s, c.Member, c.To); err != nil {
		return err
	}
	if !s.LANAddress(c.Member).IsValid() {
		return fmt.Errorf("member %s has no LAN", c.Member)
	}
	return hasIPv6(s, c.IPv6)
}

func (c *ownTraffic) Run(ctx context.Context, env *Env) []scenario.Result {
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	own, host := env.Scenario.LANAddress(c.Member), env.address(c.To, c.IPv6)
	if c.IPv6 {
		own = env.Scenario.LANAddress6(c.Member)
	}
	var out, back, clear atomic.Int64
	tap := env.Capture.Tap(func(p *Packet) {
		switch {
		case p.Src == own && p.Dst == host && p.Class == ESP:
			out.Add(1)
		case p.Src == host && p.Dst == own && p.Class == ESP:
			back.Add(1)
		case p.Src == own || p.Dst == own:
			clear.Add(1)
		}
	})
	defer tap.Close()
	server, err := echoServer(env.Lab, c.To, host)
	if err != nil {
		return failed(err)
	}
	defer server.Close()
	rtt, asked, err := echo(ctx, env.Lab, c.Member, own, server.LocalAddr())
	env.Capture.Totals() // waits for what is on its way
	r := scenario.Result{
		OK: err == nil && out.Load() > 0 && back.Load() > 0 && clear.Load() == 0,
		Value: fmt.Sprintf("%s > %s answered in %.1f ms; in the core %d+%d ESP, %d clear", own, host,
			float64(rtt.Microseconds())/1000, out.Load(), back.Load(), clear.Load()),
		Want: "an answer, ESP both ways, nothing clear",
	}
	if err != nil {
		r.Message = fmt.Sprintf("%v (asked %d times)", err, asked)
	}
	return []scenario.Result{r}
}

// deniedClear: TCP that the policy denies works, and the core sees it in clear.
type deniedClear struct {
	Pair Pair   `yaml:"pair"`
	Port uint16 `yaml:"port"`
	IPv6 bool   `yaml:"ipv6"`
}

func (c *deniedClear) Validate(s *scenario.Scenario) error {
	return errors.Join(exist(s, c.Pair.A, c.Pair.B), hasIPv6(s, c.IPv6))
}

func (c *deniedClear) Run(ctx context.Context, env *Env) []scenario.Result {
	client, server := env.address(c.Pair.A, c.IPv6), env.address(c.Pair.B, c.IPv6)
	var there, back atomic.Int64
	tap := env.Capture.Tap(func(p *Packet) {
		switch {
		case p.Proto != protoTCP || p.Class != ClearByPolicy:
		case p.Src == client && p.Dst == server && p.DstPort == c.Port:
			there.Add(1)
		case p.Src == server && p.Dst == client && p.SrcPort == c.Port:
			back.Add(1)
		}
	})
	defer tap.Close()
	const size = 64 << 10
	n, err := c.transfer(ctx, env.Lab, client, server, size)
	env.Capture.Totals()
	r := scenario.Result{
		OK:    err == nil && n == size && there.Load() > 0 && back.Load() > 0,
		Value: fmt.Sprintf("%d octets echoed over TCP port %d; in the core %d+%d segments in clear", n, c.Port, there.Load(), back.Load()),
		Want:  fmt.Sprintf("%d octets, segments in clear both ways", size),
	}
	if err != nil {
		r.Message = err.Error()
	}
	return []scenario.Result{r}
}

// transfer has size octets echoed and returns how many came back.
func (c *deniedClear) transfer(ctx context.Context, l Lab, client, server netip.Addr, size int64) (int64, error) {
	var listener net.Listener
	err := l.Inside(c.Pair.B, func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(server, c.Port).String())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("server on %s: %w", c.Pair.B, err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(conn, conn) // the client sees what is missing
		_ = conn.Close()
	}()
	var conn net.Conn
	err = l.Inside(c.Pair.A, func() (err error) {
		d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: client.AsSlice()}}
		conn, err = d.DialContext(ctx, "tcp", listener.Addr().String())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("connection from %s: %w", c.Pair.A, err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(make([]byte, size))
		sent <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	n, err := io.Copy(io.Discard, conn)
	return n, errors.Join(err, <-sent)
}

// coreOnlyESP judges everything that the capture has seen since the run began.
type coreOnlyESP struct {
	// Readable allows ESP that is not encrypted, in a scenario with suites that only authenticate.
	Readable bool `yaml:"readable"`
}

func (*coreOnlyESP) Validate(s *scenario.Scenario) error {
	if len(s.Protected) == 0 {
		return errors.New("the scenario names no protected range")
	}
	return nil
}

func (c *coreOnlyESP) Run(_ context.Context, env *Env) []scenario.Result {
	t, lost := env.Capture.Totals(), env.Capture.Lost()
	offences := t.Offences()
	if c.Readable {
		offences -= t[PlaintextESP]
	}
	r := scenario.Result{
		OK:    offences == 0 && t[ESP] > 0 && lost == 0,
		Value: fmt.Sprintf("%s; %d missed by the capture", t, lost),
		Want:  "ESP between host addresses; 0 clear of the protected range; 0 of a gateway outside GDOI; 0 missed",
	}
	if !r.OK {
		r.Message = env.Capture.Offences()
	}
	if lost > 0 {
		r.Message = strings.TrimPrefix(r.Message+"; "+env.Capture.cramped(), "; ")
	}
	return []scenario.Result{r}
}
