package driver

import (
	"fmt"
	"maps"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

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

// Sysctls are those of one node, by their path below /proc/sys: routers forward.
func Sysctls(s *scenario.Scenario, n *scenario.Node) map[string]string {
	routes := n.Kind == scenario.KindCore || n.Kind == scenario.KindMember
	all := maps.Clone(sysctls)
	if routes {
		all["net/ipv4/ip_forward"] = "1"
	}
	if !s.IPv6.IsValid() {
		maps.Copy(all, withoutIPv6)
		return all
	}
	maps.Copy(all, withIPv6)
	if routes {
		all["net/ipv6/conf/all/forwarding"] = "1"
	}
	return all
}

// Configure gives an interface its addresses and switches it on.
func Configure(h *netlink.Handle, iface string, addrs []netip.Prefix) error {
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

// SetRoutes switches loopback on and adds the static routes of a node, whose interfaces are up.
func SetRoutes(h *netlink.Handle, routes []scenario.Route) error {
	lo, err := h.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	if err := h.LinkSetUp(lo); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	for _, r := range routes {
		if err := h.RouteAdd(&netlink.Route{Dst: ipnet(r.To), Gw: r.Via.AsSlice()}); err != nil {
			return fmt.Errorf("route %s via %s: %w", r.To, r.Via, err)
		}
	}
	return nil
}
