package source

import (
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// Cooperation is how the key servers of a group stand to each other, put together from what all of them say.
type Cooperation struct {
	Group     string
	Split     string        // what key servers do that cannot reach each other: fork or continue
	Servers   []Server      // by number
	Sides     [][]*Server   // those that live, by who reaches whom; more than one: they are split
	Primaries []*Server     // that say so themselves
	Merging   bool          // keys of several sides are being brought together
	MergeLeft time.Duration // until the keys of one side have ended; zero: not known
	Since     time.Time     // when the first of them missed another; zero: none is missed
}

// Server is one key server of a Cooperation.
type Server struct {
	ID      int
	Name    string // of its node, "ks 3" when it was never seen
	Address string
	Node    *Node            // nil: never seen
	Group   *control.KSGroup // what it says itself, also when that is old; nil: nothing
	Told    *control.CoopPeer
	Hangs   bool // it keeps its connection, and says nothing
}

// A key server that shares a group tells of it every second, since its timers change all the time. hung is how long it may
// say nothing; missed is how long when others that do talk miss it too.
const (
	hung   = 5 * time.Second
	missed = 1500 * time.Millisecond
)

// Hangs says whether a node keeps its connection and says nothing.
func (f *Fleet) Hangs(n *Node) bool {
	if !n.Connected || n.Snap == nil {
		return false
	}
	if n.Snap.KS == nil || !shares(n.Snap.KS) {
		return counting(n.Snap) && n.Age(f.Time) > hung
	}
	for i := range n.Snap.KS.Groups {
		if g := &n.Snap.KS.Groups[i]; g.Coop != nil && f.hangs(n, g) {
			return true
		}
	}
	return false
}

func shares(ks *control.KeyServer) bool {
	return slices.ContainsFunc(ks.Groups, func(g control.KSGroup) bool { return g.Coop != nil })
}

// counting says whether a daemon has keys, whose lives it tells every second; one without may have nothing to tell for long.
func counting(s *control.Snapshot) bool {
	if s.KS != nil {
		return slices.ContainsFunc(s.KS.Groups, func(g control.KSGroup) bool { return len(g.TEKs) > 0 })
	}
	return s.GM != nil && slices.ContainsFunc(s.GM.Groups, func(g control.GMGroup) bool { return len(g.TEKs) > 0 })
}

// hangs says so of one that shares a group. A witness has talked lately itself: if nobody has, it is the console that was
// held up.
func (f *Fleet) hangs(n *Node, g *control.KSGroup) bool {
	age := n.Age(f.Time)
	if !n.Connected || age <= missed {
		return false
	}
	if age > hung {
		return true
	}
	miss := false
	f.eachOwn(g.Name, func(o *Node, other *control.KSGroup) {
		miss = miss || o.Connected && o.Age(f.Time) <= missed && slices.ContainsFunc(other.Coop.Peers, func(p control.CoopPeer) bool {
			return p.ID == g.Coop.ID && (p.Link == control.LinkSilent || p.Link == control.LinkDown)
		})
	})
	return miss
}

// Self is what a server that answers says of the cooperation; nil: it does not answer.
func (s *Server) Self() *control.Coop {
	if s.Group == nil || !s.Node.Connected || s.Hangs {
		return nil
	}
	return s.Group.Coop
}

// Lives says whether somebody hears of it: the console, or one of its peers if the console never saw it.
func (s *Server) Lives() bool {
	return s.Self() != nil || s.Node == nil && s.Told != nil && s.Told.Link == control.LinkUp
}

// Cooperation describes the key servers of a group; nil: no key server of it is one of several.
func (f *Fleet) Cooperation(group string) *Cooperation {
	c := &Cooperation{Group: group}
	f.eachOwn(group, func(n *Node, g *control.KSGroup) {
		s := c.server(g.Coop.ID)
		if s.Node == nil || n.Connected {
			s.Node, s.Group, s.Name, s.Address = n, g, n.Name, g.Coop.Address
			s.Hangs = f.hangs(n, g)
		}
		if c.Split == "" || n.Connected {
			c.Split = g.Coop.Split
		}
	})
	if len(c.Servers) == 0 {
		return nil
	}
	f.eachOwn(group, func(n *Node, g *control.KSGroup) {
		for i := range g.Coop.Peers {
			p := &g.Coop.Peers[i]
			s := c.server(p.ID)
			if s.Name == "" {
				s.Name, s.Address = fmt.Sprintf("ks %d", p.ID), p.Address
			}
			if n.Connected && fresher(p, s.Told) {
				s.Told = p
			}
		}
	})
	c.judge()
	return c
}

// eachOwn calls f with what each key server says of a group that it shares.
func (f *Fleet) eachOwn(group string, do func(*Node, *control.KSGroup)) {
	for _, s := range f.ServersOf(group) {
		if s.Group.Coop != nil {
			do(s.Node, s.Group)
		}
	}
}

// fresher says whether a was heard of more lately than b.
func fresher(a, b *control.CoopPeer) bool {
	return b == nil || b.Heard < 0 && a.Heard >= 0 || a.Heard >= 0 && a.Heard < b.Heard
}

// server finds a key server by number, or adds it.
func (c *Cooperation) server(id int) *Server {
	at, ok := slices.BinarySearchFunc(c.Servers, id, func(s Server, id int) int { return s.ID - id })
	if !ok {
		c.Servers = slices.Insert(c.Servers, at, Server{ID: id})
	}
	return &c.Servers[at]
}

// Server is the key server with a number; nil: there is none.
func (c *Cooperation) Server(id int) *Server {
	for i := range c.Servers {
		if c.Servers[i].ID == id {
			return &c.Servers[i]
		}
	}
	return nil
}

// Name is how consoles call a key server.
func (c *Cooperation) Name(id int) string {
	if s := c.Server(id); s != nil {
		return s.Name
	}
	if id == 0 {
		return "nobody"
	}
	return fmt.Sprintf("ks %d", id)
}

// judge finds sides and primaries.
func (c *Cooperation) judge() {
	for i := range c.Servers {
		s := &c.Servers[i]
		self := s.Self()
		if s.Lives() && !slices.ContainsFunc(c.Sides, func(side []*Server) bool { return slices.Contains(side, s) }) {
			c.Sides = append(c.Sides, c.reach(nil, s))
		}
		if self == nil {
			continue
		}
		if self.Role == control.RolePrimary {
			c.Primaries = append(c.Primaries, s)
		}
		if c.Merging = c.Merging || self.Merging; self.Merging {
			c.MergeLeft = max(c.MergeLeft, time.Duration(self.MergeLeft*float64(time.Second)))
		}
		if t := self.SplitSince; len(self.Unreachable) > 0 && !t.IsZero() && (c.Since.IsZero() || t.Before(c.Since)) {
			c.Since = t
		}
	}
}

// reach adds to side all that s reaches, one over the other.
func (c *Cooperation) reach(side []*Server, s *Server) []*Server {
	side = append(side, s)
	for i := range c.Servers {
		if o := &c.Servers[i]; o.Lives() && !slices.Contains(side, o) && (s.Sees(o.ID) || o.Sees(s.ID)) {
			side = c.reach(side, o)
		}
	}
	return side
}

// Sees says whether a key server hears another one.
func (s *Server) Sees(id int) bool {
	self := s.Self()
	if self == nil {
		return s.Node == nil && s.Told != nil && slices.Contains(s.Told.Sees, id)
	}
	return slices.ContainsFunc(self.Peers, func(p control.CoopPeer) bool { return p.ID == id && p.Link == control.LinkUp })
}
