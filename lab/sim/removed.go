package sim

import (
	"fmt"
	"net/netip"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Remove has the key server exclude members. From now on they overhear whatever the key server sends to anybody, without
// loss, and the Checker sees to it that they never get a key that was made since.
func (s *Sim) Remove(nodes ...*Node) {
	c := gdoi.CmdRemoveMember{Group: s.cfg.group(), ID: 1}
	known := map[gdoi.SPI]bool{}
	for spi := range s.Check.keys {
		known[spi] = true
	}
	for _, k := range s.KeyServers() {
		if ks := k.KeyServer(); ks != nil {
			for _, t := range ks.Snapshot(s.clock()).Groups[0].TEKs {
				known[t.SPI] = true
			}
		}
	}
	for _, n := range nodes {
		c.Members = append(c.Members, n.Addr.Addr().String())
	}
	p := s.Primary()
	defer p.Do(c)
	if p.KeyServer() != nil {
		if _, err := p.Foresee(c); err != nil {
			return // it refuses, so nobody is removed: who was readmitted, and has not come back yet, is not on the list
		}
	}
	for _, n := range nodes {
		p := s.Check.of(n)
		if p.removed {
			continue
		}
		s.Check.count(p, -1)
		p.removed = true
		s.Check.removed[n] = known
	}
}

// IsRemoved says whether the key server, if it runs, has the member on its list of the removed.
func (s *Sim) IsRemoved(n *Node) bool {
	ks := s.Primary().KeyServer()
	if ks == nil {
		return false
	}
	for _, r := range ks.Snapshot(s.clock()).Groups[0].Removed {
		if r.Addr == n.Addr {
			return true
		}
	}
	return false
}

// Readmit lets a member in again.
func (s *Sim) Readmit(n *Node) {
	p := s.Check.of(n)
	if !p.removed {
		return
	}
	s.Primary().Do(gdoi.CmdReadmit{Group: s.cfg.group(), Member: n.Addr.Addr().String(), ID: 1})
	delete(s.Check.removed, n)
	s.Check.allow(n)
	p.removed = false
	s.Check.count(p, +1)
}

// overheard hands what the key server sends to the removed, as if it had been sent to them.
func (c *Checker) overheard(from *Node, to netip.AddrPort, b []byte) {
	if from.index > 0 {
		return
	}
	for _, n := range c.s.nodes[1:] {
		if c.removed[n] == nil || n.Addr == to || n.joined[to] {
			continue
		}
		c.s.After(0, func() {
			if n.Up() {
				n.step(machine.Datagram{Local: n.Addr, Remote: from.Addr, Bytes: b})
			}
		})
	}
}

// made notes who must not get a key: those of whom the key server that made it knows that they are removed.
func (c *Checker) made(by *Node, e machine.Note) {
	c.lastTEK = c.s.now
	ks := by.KeyServer()
	if ks == nil || c.s.cfg.Coop == nil {
		return
	}
	var spi gdoi.SPI
	if text := field(e, "spi"); text != "" {
		if _, err := fmt.Sscanf(text, "%x", &spi); err != nil {
			panic("sim: SPI " + text)
		}
	}
	for _, r := range ks.Snapshot(by.clock()).Groups[0].Removed {
		for _, n := range c.s.Members() {
			if n.Addr == r.Addr && c.removed[n] != nil { // not readmitted at another key server meanwhile
				if c.forbidden[spi] == nil {
					c.forbidden[spi] = map[*Node]bool{}
				}
				c.forbidden[spi][n] = true
			}
		}
	}
}

// allow lets a member that was readmitted have keys of before.
func (c *Checker) allow(n *Node) {
	for _, who := range c.forbidden {
		delete(who, n)
	}
}
