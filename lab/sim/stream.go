package sim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// Stream is numbered packets of one kind from the network of a member to that of another, at a constant rate. Whether each of them
// arrives, and how it left, is what the model of the data planes says at the instants at which it is sent and arrives. A run does not
// know of its streams, and is the same with them and without.
type Stream struct {
	From, To *Node // the same: the packets pass no member
	Packet   policy.Packet

	told     []Packets
	underway []Packets
}

// Packets are so many in a row that fared alike.
type Packets struct {
	Count   int
	Arrived bool
	Left    bool     // the network of the sender; otherwise its member held it back
	SPI     gdoi.SPI // that it left under; 0: in clear
}

// StreamLatency is how long a packet is on its way.
const StreamLatency = time.Millisecond

// StreamBegin is when a stream sends its first packet: at an odd instant, so that what is done to the run is clearly before a packet,
// or after it.
func StreamBegin(period time.Duration) time.Duration { return period/2 + 1 }

// Streams begins streams, of which each sends another packet every period. It returns what ends them; what is on its way then still
// arrives.
func (s *Sim) Streams(period time.Duration, all []*Stream) (stop func()) {
	begin := func(after time.Duration, f func(*Stream)) *onlook {
		o := &onlook{next: s.now.Add(after), period: period}
		o.f = func() {
			for _, x := range all {
				f(x)
			}
		}
		s.onlooks = append(s.onlooks, o)
		return o
	}
	end := func(o *onlook) { s.onlooks = slices.DeleteFunc(s.onlooks, func(x *onlook) bool { return x == o }) }
	send, arrive := begin(StreamBegin(period), (*Stream).send), begin(StreamBegin(period)+StreamLatency, (*Stream).arrive)
	return func() {
		end(send)
		last := arrive.f
		arrive.f = func() {
			last()
			if len(all[0].underway) == 0 {
				end(arrive)
			}
		}
	}
}

// Tell gives what has become of the packets since it was asked last, in the order in which they were sent.
func (x *Stream) Tell() []Packets {
	told := x.told
	x.told = nil
	return told
}

func (x *Stream) send() {
	p := Packets{Count: 1, Arrived: true}
	if x.From != x.To {
		p.SPI, p.Left = x.From.sends(x.Packet)
		p.Arrived = p.Left && x.From.s.carries(x.From, x.To)
	}
	x.underway = append(x.underway, p)
}

func (x *Stream) arrive() {
	if len(x.underway) == 0 {
		return
	}
	p := x.underway[0]
	x.underway = x.underway[1:]
	if p.Arrived && x.From != x.To {
		p.Arrived = x.To.lets(x.From, p.SPI, x.Packet)
	}
	if n := len(x.told); n > 0 {
		last := p
		if last.Count = x.told[n-1].Count; last == x.told[n-1] {
			x.told[n-1].Count++
			return
		}
	}
	x.told = append(x.told, p)
}

// guard is what a member leaves behind that does not run any more.
type guard struct {
	known    bool                      // it has run: it forwards, and has a guard
	stopped  bool                      // and has ended in order, which takes both away
	policies map[string]gdoi.SetPolicy // of its last life, by group, if it was killed
}

// Forward makes the machine of a member a router, as one is whose daemon has not been there yet.
func (n *Node) Forward() { n.router = true }

// absent says that there is neither a daemon nor what one leaves behind.
func (n *Node) absent() bool { return !n.Up() && (!n.guard.known || n.guard.stopped) }

// sends is what a member, or what its kernel has from it, does with a packet of its network: it leaves under an SPI, or in clear as 0.
func (n *Node) sends(f policy.Packet) (spi gdoi.SPI, left bool) {
	if n.absent() {
		return 0, n.router
	}
	for _, p := range n.parts() {
		if !n.Up() || !p.plane.registered {
			if n.holds(p, f, false) {
				return 0, false
			}
			continue
		}
		spi, clear, ok := p.plane.send(f)
		switch {
		case clear: // another group may protect it
		case n.paused: // it waits for the process
			return 0, false
		default:
			return spi, ok
		}
	}
	return 0, true
}

// lets is what a member does with a packet that arrives from another one, under an SPI or in clear.
func (n *Node) lets(from *Node, spi gdoi.SPI, f policy.Packet) bool {
	if spi != 0 {
		_, taken := n.opens(from, spi, f)
		return n.Up() && !n.paused && taken
	}
	if n.absent() {
		return n.router
	}
	for _, p := range n.parts() {
		if n.Up() && p.plane.registered && !p.plane.takesClear(f) || (!n.Up() || !p.plane.registered) && n.holds(p, f, true) {
			return false
		}
	}
	return true
}

// holds says whether a member's guard holds a packet back in clear, on its way in or out: that of a member which has no keys of the
// group, or does not run.
func (n *Node) holds(p part, f policy.Packet, inward bool) bool {
	own, pol := p.own, n.guard.policies[p.own.Name]
	if n.Up() {
		pol = p.plane.policy
	}
	mode := pol.Mode
	if own.Mode != nil {
		mode = *own.Mode
	}
	switch {
	case own.FailOpen && !(n.Up() && pol.Registered), mode == gdoi.ModeReceiveOnly, inward && mode != gdoi.ModeFull:
		return false
	}
	for _, list := range []policy.List{own.Clear, pol.Policy} {
		if action, i := list.Lookup(f); i >= 0 {
			return action == policy.Permit
		}
	}
	return !pol.Registered && guarded(own.Protect, pol.Policy, f, inward)
}

// guarded says whether a packet is of what a member protects before it knows the policy: outwards by its destination, inwards by both
// addresses. Who names nothing and knows nothing protects everything.
func guarded(protect []netip.Prefix, known policy.List, f policy.Packet, inward bool) bool {
	src, dst := false, false
	for _, p := range protect {
		src, dst = src || p.Contains(f.Src), dst || p.Contains(f.Dst)
	}
	return len(protect)+len(known) == 0 || dst && (src || !inward)
}
