// Package source is where the console's data comes from: it watches one daemon's control socket, a directory of them, or a
// lab, keeps what they said last, and hands out an immutable Fleet. It reconnects by itself; what a daemon said before
// it went away stays, with its age, until it is back.
package source

import (
	"net"
	"sort"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// Node is one daemon as the console last saw it.
type Node struct {
	Name      string
	Role      string // control.RoleKeyServer, control.RoleGroupMember, or "" when never seen
	Socket    string
	Connected bool
	Snap      *control.Snapshot // nil until first seen; never modified
	Seen      time.Time         // when the last word came
	Problem   string            // why it is not connected
	Operator  bool              // it takes commands from whoever runs the console
	In, Out   []float64         // packets/s of a member's data path, one value a snapshot, oldest first
	Drops     []float64         // packets/s that it dropped, in the same way
	Keys      map[string]Series // of each TEK, by KeyName; never modified

	told time.Time // when Snap came
}

// Age says how old the node's data is.
func (n *Node) Age(now time.Time) time.Duration {
	if n.Seen.IsZero() {
		return 0
	}
	return now.Sub(n.Seen)
}

// Groups lists the names of a node's groups.
func (n *Node) Groups() (names []string) {
	if n.Snap == nil {
		return nil
	}
	if n.Snap.GM != nil {
		for i := range n.Snap.GM.Groups {
			names = append(names, n.Snap.GM.Groups[i].Name)
		}
	}
	if n.Snap.KS != nil {
		for i := range n.Snap.KS.Groups {
			names = append(names, n.Snap.KS.Groups[i].Name)
		}
	}
	return names
}

// Fleet is everything the console knows at one moment. It is a value: views only read it.
type Fleet struct {
	Title  string    // what the console is attached to
	Lab    string    // name of the lab, or ""
	State  *LabState // what getvpn-lab says of it; nil: no lab
	Course *Course   // what that lab is for; nil: it does not say
	Nodes  []Node    // sorted: key servers first, then by name
	Events []control.Event
	Time   time.Time
}

// KeyServers returns the key servers.
func (f *Fleet) KeyServers() []Node { return f.byRole(control.RoleKeyServer) }

// Members returns the group members.
func (f *Fleet) Members() []Node { return f.byRole(control.RoleGroupMember) }

func (f *Fleet) byRole(role string) []Node {
	var out []Node
	for _, n := range f.Nodes {
		if n.Role == role {
			out = append(out, n)
		}
	}
	return out
}

// Node finds a node by name.
func (f *Fleet) Node(name string) *Node {
	for i := range f.Nodes {
		if f.Nodes[i].Name == name {
			return &f.Nodes[i]
		}
	}
	return nil
}

// Groups lists the names of all groups that any node has, sorted.
func (f *Fleet) Groups() []string {
	set := map[string]bool{}
	for i := range f.Nodes {
		for _, g := range f.Nodes[i].Groups() {
			set[g] = true
		}
	}
	var out []string
	for g := range set {
		out = append(out, g)
	}
	sort.Strings(out)
	return out
}

// KSOf returns a key server that has the group: one that answers before one that does not, and its primary before others;
// of several primaries that of the latest term.
func (f *Fleet) KSOf(group string) (*Node, *control.KSGroup) {
	all := f.ServersOf(group)
	if len(all) == 0 {
		return nil, nil
	}
	best := all[0]
	for _, s := range all[1:] { // the first of those that are alike
		if rank(s.Node, s.Group) > rank(best.Node, best.Group) {
			best = s
		}
	}
	return best.Node, best.Group
}

// ServersOf lists what key servers say about a group, who has most to say last.
func (f *Fleet) ServersOf(group string) []ServerOf {
	var out []ServerOf
	for i := range f.Nodes {
		n := &f.Nodes[i]
		if n.Snap == nil || n.Snap.KS == nil {
			continue
		}
		for k := range n.Snap.KS.Groups {
			if g := &n.Snap.KS.Groups[k]; g.Name == group {
				out = append(out, ServerOf{n, g})
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return rank(out[i].Node, out[i].Group) < rank(out[j].Node, out[j].Group) })
	return out
}

// ServerOf is a group on a key server.
type ServerOf struct {
	Node  *Node
	Group *control.KSGroup
}

// rank says how much a key server has to say about a group.
func rank(n *Node, g *control.KSGroup) uint64 {
	r := uint64(0)
	if n.Connected {
		r = 1 << 62
	}
	if g.Coop != nil && g.Role == control.RolePrimary {
		r += 1<<61 + min(g.Coop.Term, 1<<60)
	}
	return r
}

// Host drops the port of an address.
func Host(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return addr
}

func sortNodes(nodes []Node) {
	order := func(role string) int {
		switch role {
		case control.RoleKeyServer:
			return 0
		case control.RoleGroupMember:
			return 1
		}
		return 2
	}
	sort.Slice(nodes, func(i, j int) bool {
		if a, b := order(nodes[i].Role), order(nodes[j].Role); a != b {
			return a < b
		}
		return nodes[i].Name < nodes[j].Name
	})
}
