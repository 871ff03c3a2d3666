package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/scenario"
)

// theWay is the check path: what a host finds out about the way to another. The routers, as traceroute does with UDP, ICMP and
// TCP; and, where Narrow names one, the width of the way behind it: an echo request somewhat longer than MTU that must not be
// cut draws an ICMP error of that router which names MTU, and one of MTU octets is answered.
type theWay struct {
	Pair   Pair          `yaml:"pair"`
	Hops   []string      `yaml:"hops"` // nodes between the two
	Narrow string        `yaml:"narrow"`
	MTU    int           `yaml:"mtu"`
	IPv6   bool          `yaml:"ipv6"`
	Within time.Duration `yaml:"within"`
}

func (c *theWay) Validate(s *scenario.Scenario) error {
	switch {
	case len(c.Hops) == 0:
		return fmt.Errorf("hops: lists the nodes between the two, as in [gm1, p1, gm2]")
	case (c.Narrow == "") != (c.MTU == 0):
		return fmt.Errorf("narrow and mtu: the router that complains and what it says belong together")
	case c.MTU != 0 && (c.MTU < 576 || c.MTU > 1499):
		return fmt.Errorf("mtu: %d is outside 576..1499", c.MTU)
	}
	nodes := c.Hops
	if c.Narrow != "" {
		nodes = append([]string{c.Narrow}, nodes...)
	}
	if err := errors.Join(exist(s, nodes...), hasIPv6(s, c.IPv6)); err != nil {
		return err
	}
	return (Pairs{List: []Pair{c.Pair}}).validate(s)
}

// patience of one packet; routers limit their errors to one a second for each host, so a second attempt comes later.
const (
	hopPatience = 700 * time.Millisecond
	hopTries    = 4
	wider       = 20
)

func (c *theWay) Run(ctx context.Context, env *Env) []scenario.Result {
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	want := append(slices.Clone(c.Hops), c.Pair.B)
	r := scenario.Result{OK: true, Want: "udp, icmp and tcp see " + strings.Join(want, " ")}
	var values []string
	for _, proto := range []string{"udp", "icmp", "tcp"} {
		seen, err := c.trace(ctx, env, proto, len(want))
		if err != nil {
			return failed(err)
		}
		r.OK = r.OK && slices.Equal(seen, want)
		values = append(values, proto+" sees "+strings.Join(seen, " "))
	}
	if c.MTU != 0 {
		r.Want += fmt.Sprintf("; %s names %d, which arrive", c.Narrow, c.MTU)
		value, ok, err := c.width(ctx, env)
		if err != nil {
			return failed(err)
		}
		r.OK = r.OK && ok
		values = append(values, value)
	}
	r.Value = strings.Join(values, "; ")
	return []scenario.Result{r}
}

// trace asks for the routers one after the other; "?" is one that nobody heard of.
func (c *theWay) trace(ctx context.Context, env *Env, proto string, most int) (seen []string, err error) {
	for ttl := 1; ttl <= most; ttl++ {
		a, err := c.ask(ctx, env, probe{proto: proto, ttl: ttl, size: 60})
		if err != nil {
			return nil, err
		}
		seen = append(seen, env.owner(a.from))
		if a.from == env.address(c.Pair.B, c.IPv6) {
			break
		}
	}
	return seen, nil
}

// width sends what is too wide, and then what fits.
func (c *theWay) width(ctx context.Context, env *Env) (value string, ok bool, err error) {
	wide, err := c.ask(ctx, env, probe{proto: "icmp", ttl: 64, size: c.MTU + wider, df: true})
	if err != nil {
		return "", false, err
	}
	value = fmt.Sprintf("%d octets: %s names %d", c.MTU+wider, env.owner(wide.from), wide.mtu)
	fits, err := c.ask(ctx, env, probe{proto: "icmp", ttl: 64, size: c.MTU, df: true})
	if err != nil {
		return "", false, err
	}
	value += fmt.Sprintf("; %d octets: answered by %s", c.MTU, env.owner(fits.from))
	return value, env.owner(wide.from) == c.Narrow && wide.mtu == c.MTU && env.owner(fits.from) == c.Pair.B, nil
}

// ask sends a probe until something comes back.
func (c *theWay) ask(ctx context.Context, env *Env, p probe) (a answer, err error) {
	p.src, p.dst = env.address(c.Pair.A, c.IPv6), env.address(c.Pair.B, c.IPv6)
	for range hopTries {
		var fd int
		err := env.Lab.Inside(c.Pair.A, func() (err error) {
			fd, err = p.open()
			return err
		})
		if err != nil {
			return a, fmt.Errorf("probe from %s: %w", c.Pair.A, err)
		}
		a, err = p.send(ctx, fd)
		_ = unix.Close(fd)
		if err != nil || a.from.IsValid() {
			return a, err
		}
	}
	return a, nil
}

// owner names the node that has an address.
func (e *Env) owner(a netip.Addr) string {
	for _, n := range e.Scenario.Nodes {
		for _, x := range n.Addresses {
			if a.IsValid() && (x.Prefix.Addr() == a || x.Prefix6.Addr() == a) {
				return n.Name
			}
		}
	}
	return "?"
}
