package sourcetest

import (
	"fmt"
	"time"

	"github.com/getvpn/getvpn/tui/source"
)

// Lab returns the fleet of Fleet with the lab that it runs in: a LAN behind each member, and two routers between them.
func Lab() *source.Fleet {
	f := Fleet()
	s := &source.LabState{Scenario: "basic"}
	node := func(name, kind, addr, router string) {
		s.Nodes = append(s.Nodes, source.LabNode{Name: name, Kind: kind, Addresses: []string{addr + "/30"}})
		if router != "" {
			s.Links = append(s.Links, source.LabLink{A: name, B: router})
		}
	}
	node("p1", "core", "172.16.0.1", "")
	node("p2", "core", "172.16.0.2", "p1")
	node("ks1", "ks", "172.16.100.1", "p1")
	for i := 1; i <= 4; i++ {
		node(fmt.Sprintf("gm%d", i), "gm", fmt.Sprintf("172.16.%d.2", i), fmt.Sprintf("p%d", 1+(i-1)/2))
		node(fmt.Sprintf("h%d", i), "host", fmt.Sprintf("10.1.%d.10", i), fmt.Sprintf("gm%d", i))
	}
	s.Nodes = append(s.Nodes, source.LabNode{Name: "x1", Kind: "gm", Outsider: true})
	f.State = s
	return f
}

// Cut returns that fleet while its network is cut.
func Cut() *source.Fleet {
	f := Lab()
	until := Now.Add(12 * time.Second)
	f.State.Faults = []source.LabFault{
		{Kind: "partition", Spec: "ks1,gm1/gm3,gm4", Since: Now.Add(-18 * time.Second), Until: &until},
		{Kind: "partition", Spec: "ks1/gm2 only control", Since: Now.Add(-3 * time.Second)},
	}
	return f
}
