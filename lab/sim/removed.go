package sim

import (
	"net/netip"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Remove has the key server exclude members. From now on they overhear whatever the key server sends to anybody, without
// loss, and the Checker sees to it that they never get a key that was made since.
func (s *Sim) Remove(nodes ...*Node) {
	c := gdoi.CmdRemoveMember{Group: GroupName, ID: 1}
	known := map[gdoi.SPI]bool{}
	for spi := range s.Check.keys {
		known[spi] = true
	}
	for _, t := range s.KS().KeyServer().Snapshot(s.clock()).Groups[0].TEKs {
		known[t.SPI] = true
	}
	for _, n := range nodes {
		c.Members = append(c.Members, n.Addr.Addr().String())
		p := s.Check.of(n)
		s.Check.count(p, -1)
		p.removed = true
		s.Check.removed[n] = known
	}
	s.KS().Do(c)
}

// IsRemoved says whether the key server, if it runs, has the member on its list of the removed.
func (s *Sim) IsRemoved(n *Node) bool {
	ks := s.KS().KeyServer()
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
	s.KS().Do(gdoi.CmdReadmit{Group: GroupName, Member: n.Addr.Addr().String(), ID: 1})
	p := s.Check.of(n)
	delete(s.Check.removed, n)
	p.removed = false
	s.Check.count(p, +1)
}

// overheard hands what the key server sends to the removed, as if it had been sent to them.
func (c *Checker) overheard(from *Node, to netip.AddrPort, b []byte) {
	if from.index != 0 {
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
