package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	vns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Sysctls of every node, set before its interfaces exist so that they inherit them. Reverse path filtering is off, because
// checks send with forged sources: what stops those must be the daemons and not the kernel. IPv6 is off where the scenario has
// none, because its neighbour discovery would be noise in every capture; where it has, addresses are good at once (nobody looks
// for duplicates) and nobody asks for routers: there is nothing but what the scenario says.
var (
	sysctls = map[string]string{
		"net/ipv4/conf/all/rp_filter":     "0",
		"net/ipv4/conf/default/rp_filter": "0",
	}
	withoutIPv6 = map[string]string{
		"net/ipv6/conf/all/disable_ipv6":     "1",
		"net/ipv6/conf/default/disable_ipv6": "1",
	}
	withIPv6 = map[string]string{
		"net/ipv6/conf/all/disable_ipv6":             "0",
		"net/ipv6/conf/default/disable_ipv6":         "0",
		"net/ipv6/conf/all/accept_dad":               "0",
		"net/ipv6/conf/default/accept_dad":           "0",
		"net/ipv6/conf/default/accept_ra":            "0",
		"net/ipv6/conf/default/router_solicitations": "0",
	}
)

// nodeSysctls are those of one node: routers forward.
func nodeSysctls(s *scenario.Scenario, n *scenario.Node) []map[string]string {
	routes := n.Kind == scenario.KindCore || n.Kind == scenario.KindMember
	forward, forward6 := map[string]string{}, map[string]string{}
	if routes {
		forward["net/ipv4/ip_forward"] = "1"
		forward6["net/ipv6/conf/all/forwarding"] = "1"
	}
	if !s.IPv6.IsValid() {
		return []map[string]string{sysctls, withoutIPv6, forward}
	}
	return []map[string]string{sysctls, withIPv6, forward, forward6}
}

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
		err := driver.Enter(place(lab, n.Name), func() error {
			for _, set := range nodeSysctls(s, &n) {
				for name, value := range set {
					if err := setSysctl(name, value); err != nil {
						return err
					}
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
			return fmt.Errorf("%s%v: link %s-%s: %w", s.File, l.At, l.Ends[0].Node, l.Ends[1].Node, err)
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
		if err := configure(end.h, end.e.Interface, s.On(end.e)); err != nil {
			return fmt.Errorf("interface %s of %s: %w", end.e.Interface, end.e.Node, err)
		}
	}
	return nil
}

func configure(h *netlink.Handle, iface string, addrs []netip.Prefix) error {
	link, err := h.LinkByName(iface)
	if err != nil {
		return err
	}
	for _, p := range addrs {
		a := &netlink.Addr{IPNet: ipnet(p)}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrAdd(link, a); err != nil {
			return err
		}
	}
	return h.LinkSetUp(link)
}

func ipnet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func buildRoutes(lab string, n scenario.Node) error {
	h, ns, err := at(lab, n.Name)
	if err != nil {
		return err
	}
	defer ns.Close()
	defer h.Close()
	lo, err := h.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	if err := h.LinkSetUp(lo); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	for _, r := range n.Routes {
		if err := h.RouteAdd(&netlink.Route{Dst: ipnet(r.To), Gw: r.Via.AsSlice()}); err != nil {
			return fmt.Errorf("route %s via %s: %w", r.To, r.Via, err)
		}
	}
	return nil
}
