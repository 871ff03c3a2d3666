package sim

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// What whoever drives a run by hand needs. A run stays a function of its configuration and of what was done to it when: "when" is a
// number of events, because several happen at one instant.

// Done counts the events of the queue that have happened.
func (s *Sim) Done() uint64 { return s.done }

// Wall is the time of the run as a calendar has it.
func (s *Sim) Wall() time.Time { return s.clock().Wall }

// Next is when the next event of the queue is due.
func (s *Sim) Next() (time.Duration, bool) {
	if len(s.queue) == 0 {
		return 0, false
	}
	return time.Duration(s.queue[0].at), true
}

// Advance goes on until a time, with at most so many events, and says whether it got there.
func (s *Sim) Advance(until time.Duration, most uint64) bool {
	until = max(until, s.Now())
	for s.due(until) {
		if most == 0 {
			return false
		}
		most--
		s.next()
	}
	s.look(machine.Instant(until))
	s.now = machine.Instant(until)
	s.settle()
	return true
}

// Nodes are all nodes: key servers, then members.
func (s *Sim) Nodes() []*Node { return s.all() }

// Cut stops what passes between pairs of nodes, both ways: control-plane datagrams, and with data what members send each other, too.
// It returns what ends that.
func (s *Sim) Cut(pairs [][2]*Node, data bool) (end func()) {
	change := func(d int) {
		for _, p := range pairs {
			for _, w := range []way{{p[0].index, p[1].index}, {p[1].index, p[0].index}} {
				s.cuts[w] = max(0, s.cuts[w]+d) // Heal may have been before the end
				if data {
					s.splits[w] = max(0, s.splits[w]+d)
				}
			}
		}
		s.disturbed()
	}
	change(+1)
	return func() { change(-1) }
}

// Disturbed tells the Checker that somebody has done something to the run: what takes time to become well again has it anew.
func (s *Sim) Disturbed() { s.disturbed() }

// stopping is how long an orderly end may take.
const stopping = 3 * time.Second

// Stop ends the process in order: it says what it has to say, and ends when it has answered.
func (n *Node) Stop() {
	if !n.Up() {
		return
	}
	n.stop = true
	n.later(stopping, n.Crash)
	n.Do(gdoi.CmdStop{ID: 1})
}

// Life counts the starts of the node.
func (n *Node) Life() int { return n.life }

// Addresses of the node: one, or one of each family.
func (n *Node) Addresses() []netip.AddrPort {
	if n.other.IsValid() {
		return []netip.AddrPort{n.Addr, n.other}
	}
	return []netip.AddrPort{n.Addr}
}

// Excuse tells the Checker that an operator has removed a member from a group, or let it in again: nobody needs to be able to talk to
// it.
func (s *Sim) Excuse(n *Node, group string, removed bool) {
	c := s.checkOf(group)
	p := c.of(n)
	if p.removed == removed {
		return
	}
	if removed {
		c.count(p, -1)
		p.removed = true
		return
	}
	p.removed = false
	c.count(p, +1)
}

// KEK finds the key of PUSH messages by its SPI: on the disk of a key server, or in its token.
func (s *Sim) KEK(spi gdoi.KEKSPI) (key, iv []byte, ok bool) {
	for _, c := range s.checks {
		at := diskKey{keyserver.Bucket(c.group), "kek/" + spi.String()}
		for _, n := range s.KeyServers() {
			var r struct{ Key, IV []byte }
			if b := n.disk[at]; b == nil || json.Unmarshal(b, &r) != nil {
				continue
			}
			if r.Key == nil && n.token != nil {
				r.Key = n.token.keys[keyserver.KEKName(spi.String())]
			}
			if r.Key != nil {
				return r.Key, r.IV, true
			}
		}
	}
	return nil, nil, false
}
