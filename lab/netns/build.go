package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	vns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

func setSysctl(name, value string) error {
	err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644) //nolint:gosec // a kernel file
	if errors.Is(err, os.ErrNotExist) {
		return nil // a kernel without IPv6 needs no switch for it
	}
	if err != nil {
		return fmt.Errorf("sysctl %s: %w", name, err)
	}
	return nil
}

// buildNetwork makes namespaces, links, addresses and routes.
func buildNetwork(lab string, s *scenario.Scenario) error {
	for _, n := range s.Nodes {
		if err := createNamespace(prefix(lab) + n.Name); err != nil {
			return err
		}
		if err := mark(lab, n.Name); err != nil {
			return err
		}
		err := driver.Enter(place(lab, n.Name), func() error {
			for name, value := range driver.Sysctls(s, &n) {
				if err := setSysctl(name, value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	for _, l := range s.Links {
		if err := buildLink(lab, s, l); err != nil {
			return fmt.Errorf("%s: link %s-%s: %w", s.Where(l.At), l.Ends[0].Node, l.Ends[1].Node, err)
		}
	}
	for _, n := range s.Nodes {
		if err := buildRoutes(lab, n); err != nil {
			return fmt.Errorf("node %s: %w", n.Name, err)
		}
	}
	return nil
}

// at opens rtnetlink in the namespace of a node.
func at(lab, node string) (*netlink.Handle, vns.NsHandle, error) {
	ns, err := vns.GetFromPath(place(lab, node))
	if err != nil {
		return nil, ns, fmt.Errorf("namespace of %s: %w", node, err)
	}
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		ns.Close()
		return nil, ns, fmt.Errorf("netlink in %s: %w", node, err)
	}
	return h, ns, nil
}

func buildLink(lab string, s *scenario.Scenario, l scenario.Link) error {
	a, b := l.Ends[0], l.Ends[1]
	ha, nsa, err := at(lab, a.Node)
	if err != nil {
		return err
	}
	defer nsa.Close()
	defer ha.Close()
	hb, nsb, err := at(lab, b.Node)
	if err != nil {
		return err
	}
	defer nsb.Close()
	defer hb.Close()

	// Made in one namespace with the peer in the other: no interface of the lab is ever seen in the tool's own.
	veth := netlink.NewVeth(netlink.LinkAttrs{Name: a.Interface, MTU: l.MTU, TxQLen: -1})
	veth.PeerName, veth.PeerNamespace, veth.PeerMTU = b.Interface, netlink.NsFd(nsb), uint32(l.MTU) //nolint:gosec // checked
	if err := ha.LinkAdd(veth); err != nil {
		return fmt.Errorf("veth: %w", err)
	}
	for _, end := range []struct {
		h *netlink.Handle
		e scenario.Endpoint
	}{{ha, a}, {hb, b}} {
		if err := driver.Configure(end.h, end.e.Interface, s.On(end.e)); err != nil {
			return fmt.Errorf("interface %s of %s: %w", end.e.Interface, end.e.Node, err)
		}
	}
	return nil
}

func buildRoutes(lab string, n scenario.Node) error {
	h, ns, err := at(lab, n.Name)
	if err != nil {
		return err
	}
	defer ns.Close()
	defer h.Close()
	return driver.SetRoutes(h, n.Routes)
}
