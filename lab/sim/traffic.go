package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// What a packet of the model has: that of a ping, and what ESP adds in the outer header and its own.
const modelOctets = 100

// counters are those of a data plane, of packets that nobody made: once a second each member sends every other so many, and
// whether they arrive is what the Checker's model says.
type counters struct {
	in, out map[gdoi.SPI]uint64
	clear   uint64
	drops   map[string]uint64
}

func newCounters() *counters {
	return &counters{in: map[gdoi.SPI]uint64{}, out: map[gdoi.SPI]uint64{}, drops: map[string]uint64{}}
}

// Chat makes all members send each other packets, so many a second and pair, as far as counters go. It changes nothing of the run: no
// machine hears of it.
func (s *Sim) Chat(rate uint64, f policy.Packet) {
	s.chat = &chat{rate: rate, packet: f, at: s.Now(), of: map[*Node]*counters{}}
	s.Each(chatTick, s.count)
}

type chat struct {
	rate   uint64
	packet policy.Packet
	at     time.Duration // counted so far
	of     map[*Node]*counters
}

func (c *chat) counters(n *Node) *counters {
	if c.of[n] == nil {
		c.of[n] = newCounters()
	}
	return c.of[n]
}

// count adds what was sent since it was called last, at the state of now.
func (s *Sim) count() {
	c := s.chat
	ticks := uint64((s.Now() - c.at) / chatTick)
	if ticks == 0 {
		return
	}
	c.at += time.Duration(ticks) * chatTick
	packets := max(1, c.rate*uint64(chatTick)/uint64(time.Second)) * ticks
	for _, from := range s.nodes[1:] {
		if !from.Up() || from.paused {
			continue
		}
		mine := c.counters(from)
		spi, left := from.sends(c.packet)
		for _, to := range s.nodes[1:] {
			if to == from {
				continue
			}
			switch {
			case !left:
				mine.drops[engine.FailClosed.String()] += packets
				continue
			case spi == 0:
				mine.clear += packets
				continue
			}
			mine.out[spi] += packets
			if !to.Up() || to.paused || !s.carries(from, to) {
				continue
			}
			if _, taken := to.opens(from, spi, c.packet); taken {
				c.counters(to).in[spi] += packets
			} else {
				c.counters(to).drops[engine.UnknownSPI.String()] += packets
			}
		}
	}
}

// chatTick is how finely packets of the model are counted.
const chatTick = 100 * time.Millisecond

// engineStats are the counters of a member as its data path would have them.
func (n *Node) engineStats() engine.Stats {
	var out engine.Stats
	if n.s.chat == nil {
		return out
	}
	c := n.s.chat.counters(n)
	for _, p := range n.parts() {
		for _, spi := range slices.Sorted(maps.Keys(p.plane.sas)) {
			out.SAs = append(out.SAs, engine.SAStats{
				Group: p.own.Name, SPI: uint32(spi), InPackets: c.in[spi], InBytes: modelOctets * c.in[spi],
				OutPackets: c.out[spi], OutBytes: modelOctets * c.out[spi],
			})
		}
	}
	return out
}

// dataPath is the traffic of a member, that of the model.
func (n *Node) dataPath() control.DataPath {
	out := control.DataPath{TUN: "none", LAN: []string{}, WAN: "none", Backend: "model", MTU: 1500, Drops: []control.Counter{}}
	if n.s.chat == nil {
		return out
	}
	c := n.s.chat.counters(n)
	for _, v := range c.in {
		out.InPackets, out.InBytes = out.InPackets+v, out.InBytes+modelOctets*v
	}
	for _, v := range c.out {
		out.OutPackets, out.OutBytes = out.OutPackets+v, out.OutBytes+modelOctets*v
	}
	out.Clear = c.clear
	for name, v := range c.drops {
		out.Drops = append(out.Drops, control.Counter{Name: name, Count: v})
	}
	slices.SortFunc(out.Drops, func(a, b control.Counter) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
