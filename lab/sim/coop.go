package sim

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/node"
)

// Coop makes several key servers run the group together.
type Coop struct {
	// KeyServers is how many there are. Their ids are 1 and up; so are their priorities, downwards, unless Level is set, which
	// leaves the election to their addresses.
	KeyServers int
	Level      bool
	Split      coop.Split
	Timers     coop.Timers
	// OwnKeys gives each of them a signing key of its own.
	OwnKeys bool
}

func (c *Config) spares() int {
	if c.Coop != nil {
		return c.Coop.KeyServers - 1
	}
	return c.Spares
}

// keyServerAddress of key server i, from 0.
func keyServerAddress(i int) netip.AddrPort {
	if i == 0 {
		return address(0)
	}
	return spareAddress(i)
}

// coop is the part of key server i, from 0, in the cooperation; nil if there is none.
func (c *Config) coop(i int) *node.Coop {
	if c.Coop == nil {
		return nil
	}
	out := &node.Coop{ID: coop.ID(i + 1), Split: c.Coop.Split, Timers: c.Coop.Timers, Priority: c.Coop.KeyServers - i}
	if c.Coop.Level {
		out.Priority = 1
	}
	for j := range c.Coop.KeyServers {
		if j != i {
			out.Peers = append(out.Peers, node.CoopPeer{ID: coop.ID(j + 1), Addr: keyServerAddress(j)})
		}
	}
	return out
}

// number of a key server, from 0.
func (n *Node) number() int { return -n.index }

// coopInfo is what a running key server says about the cooperation; nil if it does not run, or alone.
func (n *Node) coopInfo() *coop.Info {
	ks := n.KeyServer()
	if ks == nil {
		return nil
	}
	return ks.Snapshot(n.clock()).Groups[0].Coop
}

// Primary is the key server that takes commands: the primary, or the first that runs if there is none.
func (s *Sim) Primary() *Node {
	if s.cfg.Coop == nil {
		return s.KS()
	}
	first := s.KS()
	for _, n := range s.KeyServers() {
		if n.paused {
			continue
		}
		if i := n.coopInfo(); i != nil {
			if i.Role == coop.Primary {
				return n
			}
			if !first.Up() || first.paused {
				first = n
			}
		}
	}
	return first
}

// Times that cooperation may take.

func (c *Coop) timers() coop.Timers { return c.Timers.WithDefaults() }

// settling is how long after a fault the key servers that hear each other may take to agree on a primary: they find out who is
// gone, negotiate phase 1 again, and elect.
func (c *Coop) settling() time.Duration {
	t := c.timers()
	return 2*t.Detection() + 4*t.Announce + 15*time.Second
}

// merging is how long members of two sides may be apart after these have found each other.
func (s *Sim) merging() time.Duration {
	return s.cfg.Coop.settling() + 2*s.delay()
}

func (s *Sim) delay() time.Duration { return cmp.Or(s.cfg.Group.ActivationDelay, 30*time.Second) }

// side names the key servers that a node hears and that hear it; clear says that these hear each other, too, so that they are
// one side of whatever partition there is.
func (s *Sim) side(n *Node) (name string, clear bool) {
	var of []*Node
	for _, k := range s.KeyServers() {
		if k == n || s.reach(n, k) {
			of = append(of, k)
			name += k.Name + " "
		}
	}
	for i, a := range of {
		for _, b := range of[i+1:] {
			if !s.reach(a, b) {
				return name, false
			}
		}
		// Nor may one of them hear somebody whom the others do not hear.
		for _, k := range s.KeyServers() {
			if k != a && s.passes(k, a) != contains(of, k) {
				return name, false
			}
		}
	}
	return name, len(of) > 0
}

func contains(list []*Node, n *Node) bool {
	for _, o := range list {
		if o == n {
			return true
		}
	}
	return false
}

// watch looks at the cooperation once a second.
func (s *Sim) watch() {
	s.Check.watch()
	s.After(time.Second, s.watch)
}

// watch looks for the rules that take time: one primary on each side.
func (c *Checker) watch() {
	c.judge()
	c.tokenless()
	if c.s.now.Sub(c.lastFault) < c.s.cfg.Coop.settling() {
		return
	}
	c.forgotten()
	sides := map[string][]string{}
	var names []string
	for _, n := range c.s.KeyServers() {
		i := n.coopInfo()
		name, clear := c.s.side(n)
		if i == nil || n.paused || !clear {
			continue
		}
		if _, ok := sides[name]; !ok && n.store == nil && n.slow == 0 { // whose disk does not write cannot begin a term
			sides[name] = nil
			names = append(names, name)
		}
		if i.Role == coop.Primary {
			sides[name] = append(sides[name], n.Name)
		}
	}
	for _, name := range names {
		if p := sides[name]; len(p) != 1 {
			c.once("primary", fmt.Sprintf("of %sprimary are %v, %v after the last fault", name, p, c.s.now.Sub(c.lastFault)))
		}
	}
}

// once reports a state that lasts, the first time since the last fault.
func (c *Checker) once(rule, text string) {
	if c.reported[rule] {
		return
	}
	c.reported[rule] = true
	c.violate(nil, rule, "%s", text)
}

// disturbed is told of every beginning and end of a fault.
func (c *Checker) disturbed() {
	c.lastFault = c.s.now
	clear(c.reported)
	c.s.After(0, c.judge) // when it has been done
}

// OneEpoch says what speaks against it that all members send with the same keys; empty if nothing does.
func (c *Checker) OneEpoch() string {
	first, want := "", ""
	for _, n := range c.s.Members() {
		p := c.of(n)
		if !p.registered || p.removed {
			continue
		}
		got := fmt.Sprint(sortedSPIs(p.sending))
		if first == "" {
			first, want = n.Name, got
		}
		if got != want {
			return fmt.Sprintf("%s sends with %s, and %s with %s", first, want, n.Name, got)
		}
	}
	return ""
}
