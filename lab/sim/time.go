package sim

import (
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Clocks of nodes: each has an oscillator of its own and a wall clock that somebody may set.

// Skew makes the node's oscillator faster by that many parts per million; to be called before the run.
func (n *Node) Skew(ppm int64) { n.ppm = ppm }

// StepWall sets the node's wall clock.
func (n *Node) StepWall(by time.Duration) { n.wall += by }

// Reboot begins a new boot of the system, so that instants of before mean nothing.
func (n *Node) Reboot() {
	n.Crash()
	n.boot++
	n.Start()
}

// Clock is the node's.
func (n *Node) Clock() machine.Now { return n.clock() }

func (n *Node) clock() machine.Now {
	mono := n.s.now + machine.Instant(int64(n.s.now)/1e6*n.ppm)
	return machine.Now{Mono: mono, Wall: n.s.cfg.epoch().Add(time.Duration(mono) + n.wall)}
}

// when is the first moment at which the node's clock says at.
func (n *Node) when(at machine.Instant) machine.Instant {
	if n.ppm == 0 || at <= n.clock().Mono {
		return at
	}
	t := machine.Instant(float64(at) / (1 + float64(n.ppm)/1e6))
	t -= 2e6
	for {
		gap := at - t - machine.Instant(int64(t)/1e6*n.ppm)
		if gap <= 0 {
			return t
		}
		t += max(1e3, gap-gap/500)
	}
}

// wallTime is a moment of the node's wall clock as if nobody had ever set that.
func (n *Node) wallTime(t time.Time) time.Time {
	return n.s.cfg.epoch().Add(time.Duration(n.clock().MonoAt(t)))
}

// groupTime is the time window of a data plane.
type groupTime struct {
	gdoi.SetTime
	floors map[gdoi.SPI]time.Duration // the pseudotime at which SAs were installed
	most   time.Duration              // the largest distance of another member's time seen
}

// slack is esp/replay's: how far before its floor a stamp may be.
func (g *groupTime) slack() time.Duration { return min(g.Window/16, 500*time.Millisecond) }

func (g *groupTime) set(e gdoi.SetTime, held map[gdoi.SPI]*sa) {
	g.SetTime = e
	for spi := range held {
		if _, ok := g.floors[spi]; !ok && e.On {
			g.floors[spi] = e.Time
		}
	}
}

func (g *groupTime) installed(spi gdoi.SPI) {
	if _, ok := g.floors[spi]; !ok && g.On {
		g.floors[spi] = g.Time
	}
}

func (g *groupTime) now(n *Node) time.Duration {
	d := n.clock().Mono.Sub(g.At)
	return g.Time + d + time.Duration(int64(d/time.Millisecond)*g.Drift/1e3)
}

// tardy says why a packet that one member sends to another now under an SPI is dropped for its time; empty if it is not.
func (c *Checker) tardy(from, to *Node, spi gdoi.SPI) string {
	a, b := &c.of(from).time, &c.of(to).time
	if !b.On || b.Window == 0 {
		return ""
	}
	if !a.On {
		for _, s := range b.Demand {
			if s == spi {
				return fmt.Sprintf("%s does not stamp under %v, and %s wants it", from.Name, spi, to.Name)
			}
		}
		return ""
	}
	stamp, mine := a.now(from), b.now(to)
	b.most = max(b.most, stamp-mine, mine-stamp)
	if d := mine - stamp; d > b.Window || -d > b.Window {
		return fmt.Sprintf("the time of %s is %v behind that of %s", from.Name, d, to.Name)
	}
	if floor := b.floors[spi]; stamp < floor-b.slack() {
		return fmt.Sprintf("%s has had %v only for %v, and %s stamps %v before that", to.Name, spi, mine-floor, from.Name, floor-stamp)
	}
	return ""
}

// Timely finds the first pair of registered members of which one would drop what the other sends, for its time.
func (c *Checker) Timely() string {
	for _, from := range c.s.nodes[1:] {
		p := c.plane[from]
		if p == nil || !p.registered {
			continue
		}
		for _, to := range c.s.nodes[1:] {
			if q := c.plane[to]; to == from || q == nil || !q.registered {
				continue
			}
			for _, spi := range p.sending {
				if why := c.tardy(from, to, spi); why != "" {
					return fmt.Sprintf("%v: %s", c.s.Now(), why)
				}
			}
		}
	}
	return ""
}
