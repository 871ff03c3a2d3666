package scenario

import (
	"cmp"
	"maps"
	"net/netip"

	"go.yaml.in/yaml/v4"
)

// Kind of a node: what it is in the picture of a GET VPN.
type Kind string

// The kinds of nodes.
const (
	KindKeyServer Kind = "ks"   // key server
	KindMember    Kind = "gm"   // group member: a gateway with a LAN
	KindCore      Kind = "core" // router of the private WAN
	KindHost      Kind = "host" // host on the LAN of a member
)

// Scenario is a whole scenario file.
type Scenario struct {
	File        string                       `yaml:"-"`
	Text        []byte                       `yaml:"-"` // the file as it was read
	Name        string                       `yaml:"name"`
	Title       string                       `yaml:"title"`
	Description string                       `yaml:"description"`
	Vars        map[string]string            `yaml:"vars"`
	Profiles    map[string]map[string]string `yaml:"profiles"`
	Alone       bool                         `yaml:"alone"`     // counts single packets while all of the machine is wanted: none runs beside it
	Multicast   bool                         `yaml:"multicast"` // the core routes multicast
	IPv6        netip.Prefix                 `yaml:"ipv6"`      // both families: see ipv6.go
	Protected   []netip.Prefix               `yaml:"protected"`
	Policy      []string                     `yaml:"policy"`
	Secrets     []string                     `yaml:"secrets"`
	PKI         *PKI                         `yaml:"pki"`
	Programs    map[string]Program           `yaml:"programs"`
	Services    map[string]Service           `yaml:"services"` // see service.go
	Nodes       []Node                       `yaml:"nodes"`
	Links       []Link                       `yaml:"links"`
	Steps       []Step                       `yaml:"steps"`

	Sabotage  *Sabotage `yaml:"sabotage"` // nil: nothing is known to break it; see sabotage.go
	Sabotaged bool      `yaml:"-"`        // it is broken now
	Control   bool      `yaml:"-"`        // it goes through the steps of its sabotage with nothing broken

	// Of an exercise (see task.go).
	Story  string   `yaml:"story"`  // what the trainee is told
	Faults []string `yaml:"faults"` // actions that break something once the members have registered; the trainee is not told
	Tasks  []Task   `yaml:"tasks"`

	Seed  uint64            `yaml:"-"` // what the values were drawn with; 0: nothing is drawn
	Drawn map[string]string `yaml:"-"` // the values of draw: (see draw.go), which are in no report

	root     *yaml.Node // the file, with its variables replaced
	declared []declared // what this file, and not its base, declares
	base     string     // the file of its base
	unnamed  bool       // the name is that of the base
	leftOut  []string   // nodes of the base that without: names
}

// Program is a daemon and the template of its configuration file.
type Program struct {
	Binary string `yaml:"binary"`
	Config string `yaml:"config"`
	at     Pos
}

// Node is one machine of the lab.
type Node struct {
	Name      string            `yaml:"name"`
	Kind      Kind              `yaml:"kind"`
	Program   string            `yaml:"program"`  // name in Programs; empty: no daemon
	Services  []string          `yaml:"services"` // names in Services: what runs beside the daemon, from up to down
	Manual    bool              `yaml:"manual"`   // the daemon is started by a step, not by up
	Outsider  bool              `yaml:"outsider"` // no part of the group: "all" leaves it out
	HSM       *HSM              `yaml:"hsm"`      // its token; nil: none
	Routes    []Route           `yaml:"routes"`
	NodeVars  map[string]string `yaml:"vars"`
	At        Pos               `yaml:"-"`
	Addresses []Address         `yaml:"-"` // filled from the links
}

// Configured is the node with another program, unless that is empty, and further variables, which go before its own.
func (n *Node) Configured(program string, vars map[string]string) *Node {
	out := *n
	out.Program = cmp.Or(program, n.Program)
	out.NodeVars = map[string]string{}
	maps.Copy(out.NodeVars, n.NodeVars)
	maps.Copy(out.NodeVars, vars)
	return &out
}

// Address is one interface of a node.
type Address struct {
	Interface string
	Prefix    netip.Prefix // address and length as on the interface
	Prefix6   netip.Prefix // the same of IPv6; invalid in a scenario of IPv4 alone
	Peer      string       // node at the other end of the link
}

// Route is a static route, "10.1.1.0/24 via 172.16.1.1" or "default via 172.16.1.2" in the file.
type Route struct {
	To  netip.Prefix `json:"to"`
	Via netip.Addr   `json:"via"`
	At  Pos          `json:"-"`
}

// Link is a point-to-point Ethernet between two nodes.
type Link struct {
	Ends []Endpoint `yaml:"ends"`
	MTU  int        `yaml:"mtu"` // 0: the system's default, 1500
	At   Pos        `yaml:"-"`
}

// Endpoint is one end of a link, "NODE INTERFACE ADDRESS/LENGTH" in the file.
type Endpoint struct {
	Node      string
	Interface string
	Prefix    netip.Prefix
	At        Pos
}

// Step is one entry of the timeline: a check, an action, or several of them at the same time.
type Step struct {
	Name     string
	Text     string // what happens here and why, for who looks on
	Check    string
	Params   *yaml.Node // the check's own keys, a mapping; the check decodes it strictly
	Message  string     // what it means that the check failed
	Hint     string     // where to look then
	Do       string     // action and its arguments
	Needs    string     // network: it builds on what only real nodes have, and the simulator skips it
	Parallel []Step
	At       Pos
}

// NeedsNetwork is what a step needs that builds on what only real nodes have; the simulator skips it.
const NeedsNetwork = "network"

// What is the step in words: its check and the name it has, or its action.
func (s *Step) What() string {
	switch {
	case s.Do != "":
		return s.Do
	case s.Check == "" || s.Check == s.Name:
		return s.Name
	}
	return s.Check + " " + s.Name
}

// Node returns the node of that name, or nil.
func (s *Scenario) Node(name string) *Node {
	for i := range s.Nodes {
		if s.Nodes[i].Name == name {
			return &s.Nodes[i]
		}
	}
	return nil
}

// Named returns the names of the nodes of a kind, in the order of the file, without outsiders.
func (s *Scenario) Named(kind Kind) []string {
	var names []string
	for _, n := range s.Nodes {
		if n.Kind == kind && !n.Outsider {
			names = append(names, n.Name)
		}
	}
	return names
}

// Address returns the first address of the node that a packet to it would carry: a host's LAN address, a gateway's
// address towards the core.
func (s *Scenario) Address(node string) netip.Addr { return s.main(node).Prefix.Addr() }

// Address6 is Address of IPv6; invalid in a scenario without.
func (s *Scenario) Address6(node string) netip.Addr { return s.main(node).Prefix6.Addr() }

func (s *Scenario) main(node string) Address {
	n := s.Node(node)
	if n == nil {
		return Address{}
	}
	for _, a := range n.Addresses {
		if peer := s.Node(a.Peer); peer != nil && (n.Kind == KindHost || peer.Kind == KindCore) {
			return a
		}
	}
	if len(n.Addresses) > 0 {
		return n.Addresses[0]
	}
	return Address{}
}

// LANAddress returns the address of a member on its LAN.
func (s *Scenario) LANAddress(node string) netip.Addr { return s.lan(node).Prefix.Addr() }

// LANAddress6 is LANAddress of IPv6; invalid in a scenario without.
func (s *Scenario) LANAddress6(node string) netip.Addr { return s.lan(node).Prefix6.Addr() }

func (s *Scenario) lan(node string) Address {
	if n := s.Node(node); n != nil {
		for _, a := range n.Addresses {
			if peer := s.Node(a.Peer); peer != nil && peer.Kind == KindHost {
				return a
			}
		}
	}
	return Address{}
}

// MemberOf returns the name of the member behind which a host lives, or "".
func (s *Scenario) MemberOf(host string) string {
	if n := s.Node(host); n != nil {
		for _, a := range n.Addresses {
			if peer := s.Node(a.Peer); peer != nil && peer.Kind == KindMember {
				return peer.Name
			}
		}
	}
	return ""
}

// Gateways returns the WAN addresses of all key servers and members, outsiders included: in the core they may appear in
// GDOI only.
func (s *Scenario) Gateways() []netip.Addr {
	var out []netip.Addr
	for _, n := range s.Nodes {
		if n.Kind == KindKeyServer || n.Kind == KindMember {
			out = append(out, s.Address(n.Name))
			if a := s.Address6(n.Name); a.IsValid() {
				out = append(out, a)
			}
		}
	}
	return out
}

// Territory returns the prefixes for which a node stands in a partition: its own addresses, and for a member the LANs
// behind it as well, because with address preservation its traffic carries host addresses.
func (s *Scenario) Territory(node string) []netip.Prefix {
	n := s.Node(node)
	if n == nil {
		return nil
	}
	var out []netip.Prefix
	for _, a := range n.Addresses {
		peer := s.Node(a.Peer)
		for _, p := range a.Prefixes() {
			if n.Kind != KindMember || peer == nil || peer.Kind != KindHost {
				p = netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
			}
			out = append(out, p.Masked())
		}
	}
	return out
}
