package compose

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// network is all that the machine of a node needs to know: its container sees this file and not the scenario, which has what
// others are, what is going to break, and the solutions of exercises.
type network struct {
	Links     []end            `json:"links"`
	Routes    []scenario.Route `json:"routes"`
	Multicast []string         `json:"multicast,omitempty"` // interfaces between which it routes multicast
	Services  []program        `json:"services,omitempty"`  // other programs that it runs
}

// end is that of one link.
type end struct {
	Interface string         `json:"interface"`
	Addresses []netip.Prefix `json:"addresses"`
	MTU       int            `json:"mtu"`
	VNI       int            `json:"vni"`
	Peer      int            `json:"peer"` // the last number of the other end's address on wires
}

// networkOf is what the scenario says of one node.
func networkOf(s *scenario.Scenario, n *scenario.Node) network {
	out := network{Routes: n.Routes}
	for i, l := range s.Links {
		for e, mine := range l.Ends {
			if mine.Node == n.Name {
				out.Links = append(out.Links, end{mine.Interface, s.On(mine), mtu(l), i + 1, host(s, l.Ends[1-e].Node)})
			}
		}
	}
	if s.Multicast && n.Kind == scenario.KindCore {
		for _, l := range out.Links {
			out.Multicast = append(out.Multicast, l.Interface)
		}
	}
	return out
}

func mtu(l scenario.Link) int {
	if l.MTU == 0 {
		return 1500
	}
	return l.MTU
}

// networkFile is in a directory of its own, because containers are made before it is.
func networkFile(lab, node string) string {
	return filepath.Join(driver.Dir(lab), machinesDir, node, "network.json")
}

const machinesDir = "machines"

// writeNetworks writes these files, and makes what consoles of the host know the sockets by: each daemon has a directory for its own.
func (l *Lab) writeNetworks() error {
	lab, s := l.name, l.s
	for i := range s.Nodes {
		n := &s.Nodes[i]
		of := networkOf(s, n)
		for _, name := range n.Services {
			argv, err := l.WriteService(n, name)
			if err != nil {
				return err
			}
			of.Services = append(of.Services, program{name, argv})
		}
		b, err := json.MarshalIndent(of, "", "  ")
		if err != nil {
			return fmt.Errorf("network of %s: %w", n.Name, err)
		}
		file := networkFile(lab, n.Name)
		if err := driver.MakeDir(0o700, filepath.Dir(file)); err != nil {
			return err
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o600); err != nil {
			return fmt.Errorf("network of %s: %w", n.Name, err)
		}
		if n.Program == "" {
			continue
		}
		sockets := filepath.Join(driver.Dir(lab), socketsDir)
		if err := driver.MakeDir(0o755, sockets, n.Name); err != nil {
			return err
		}
		socket := n.Name + ".sock"
		err = os.Symlink(filepath.Join(n.Name, socket), filepath.Join(sockets, socket))
		if err != nil && !errors.Is(err, fs.ErrExist) { // of one who was interrupted here
			return fmt.Errorf("run directory: %w", err)
		}
	}
	return nil
}

const socketsDir = "sockets"

func readNetwork(lab, node string) (out network, err error) {
	b, err := os.ReadFile(networkFile(lab, node))
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		return out, fmt.Errorf("node %s: its network: %w", node, err)
	}
	return out, nil
}

// connect makes the links of a node, and its routes. A container that was stopped and started again begins anew: docker has
// given it another network namespace.
func (n network) connect() error {
	h, err := netlink.NewHandle()
	if err != nil {
		return err
	}
	defer h.Close()
	below, err := plug(h)
	if err != nil {
		return err
	}
	for _, l := range n.Links {
		remote, err := onWires(l.Peer)
		if err != nil {
			return err
		}
		attrs := netlink.LinkAttrs{Name: l.Interface, MTU: l.MTU, TxQLen: -1}
		link := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: l.VNI, VtepDevIndex: below, Port: port, Group: remote.AsSlice(), Learning: false}
		if err := h.LinkAdd(link); err != nil {
			return fmt.Errorf("vxlan %s to %s: %w", l.Interface, remote, err)
		}
		if err := driver.Configure(h, l.Interface, l.Addresses); err != nil {
			return fmt.Errorf("interface %s: %w", l.Interface, err)
		}
	}
	return driver.SetRoutes(h, n.Routes)
}

// onWires is the address of a node there.
func onWires(host int) (netip.Addr, error) {
	a, err := netip.ParseAddr(fmt.Sprintf("%s.%d", os.Getenv(wiresVariable), host))
	if err != nil {
		return a, fmt.Errorf("%s=%s: want the first three numbers of an address, as in 198.18.0", wiresVariable, os.Getenv(wiresVariable))
	}
	return a, nil
}
