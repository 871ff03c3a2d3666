package ladder

import (
	"crypto/sha256"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/lab/sim"
)

// Datagram is one that was sent.
type Datagram struct {
	At       time.Duration // of the run
	Wall     time.Time
	Src, Dst netip.AddrPort
	From, To string // names; To is empty for a group's multicast address
	Bytes    []byte
	// Arrived, Lost and Unreachable count what became of its copies.
	Arrived, Lost, Unreachable int
	Message
}

// Capture is all that was sent in a run.
type Capture struct {
	Datagrams []*Datagram
	Names     []string // of the nodes, key servers first

	s       *sim.Sim
	decoder *decoder
	fate    map[flight][]*Datagram // that copies are still under way of
	seen    map[flight]int
	first   map[[32]byte]*Datagram
}

// flight is a datagram to one node.
type flight struct {
	digest   [32]byte
	from, to string
}

// Watch captures what is sent from now on. It must be called before the run begins: it has to see how keys are agreed on.
func Watch(s *sim.Sim) *Capture {
	c := &Capture{s: s, decoder: newDecoder(s.KEK), fate: map[flight][]*Datagram{}, seen: map[flight]int{}, first: map[[32]byte]*Datagram{}}
	names := map[netip.AddrPort]string{}
	for _, n := range s.Nodes() {
		c.Names = append(c.Names, n.Name)
		for _, a := range n.Addresses() {
			names[a] = n.Name
		}
	}
	s.Keys = c.decoder.agreed
	s.Tap = func(from, to netip.AddrPort, b []byte) {
		d := &Datagram{At: s.Now(), Wall: s.Wall(), Src: from, Dst: to, From: names[from], To: names[to], Bytes: append([]byte(nil), b...)}
		d.Message = c.decoder.decode(d.Src, b)
		f := flight{sha256.Sum256(b), d.From, d.To}
		d.repeat = c.seen[f]
		if first := c.first[f.digest]; first != nil {
			d.same = first.To
		} else {
			c.first[f.digest] = d
		}
		c.seen[f]++
		c.fate[f] = append(c.fate[f], d)
		c.Datagrams = append(c.Datagrams, d)
	}
	s.Arrive = func(what string, from, to *sim.Node, b []byte) { c.arrive(what, from.Name, to.Name, b) }
	return c
}

// arrive notes what became of a copy: of the oldest of equal datagrams that nothing is known of yet.
func (c *Capture) arrive(what, from, to string, b []byte) {
	digest := sha256.Sum256(b)
	f := flight{digest, from, to}
	list := c.fate[f]
	if len(list) == 0 {
		f.to = "" // to a group
		list = c.fate[f]
	}
	if len(list) == 0 {
		return
	}
	d := list[0]
	switch what {
	case "receive":
		d.Arrived++
	case "lost":
		d.Lost++
	default:
		d.Unreachable++
	}
	if f.to != "" && len(list) > 1 {
		c.fate[f] = list[1:]
	}
}
