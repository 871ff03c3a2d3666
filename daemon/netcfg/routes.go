package netcfg

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// way is where table OUT sends a prefix.
type way uint8

const (
	intoTUN way = iota
	throw       // leave the table: main decides
)

// mainRoute is what planning needs of a route of the main table.
type mainRoute struct {
	dst netip.Prefix
	wan bool
}

// planRoutes computes table OUT, see the package comment.
func planRoutes(protected []netip.Prefix, main []mainRoute) map[netip.Prefix]way {
	plan := map[netip.Prefix]way{}
	for _, p := range protected {
		plan[p] = intoTUN
	}
	var thrown []netip.Prefix
	for _, r := range main {
		if !r.wan && slices.ContainsFunc(protected, func(p netip.Prefix) bool { return inside(r.dst, p) }) {
			plan[r.dst] = throw
			thrown = append(thrown, r.dst)
		}
	}
	for _, r := range main {
		if r.wan && slices.ContainsFunc(thrown, func(p netip.Prefix) bool { return p != r.dst && inside(r.dst, p) }) {
			if _, ok := plan[r.dst]; !ok {
				plan[r.dst] = intoTUN
			}
		}
	}
	if slices.ContainsFunc(protected, func(p netip.Prefix) bool { return inside(linkLocal6, p) }) {
		plan[linkLocal6] = throw
	}
	return plan
}

// inside says whether a is b or a part of it.
func inside(a, b netip.Prefix) bool { return a.Bits() >= b.Bits() && b.Contains(a.Addr()) }

// destinations lists what must enter the TUN, sorted: the destinations of the groups' permits, and Protect of groups that
// are not registered. A fail-open group that never registered has nothing to protect yet. Of IPv6 only what is named counts:
// a group that guards everything since nobody knows better leaves IPv6 to the guard. Nor does what stays on its link.
func destinations(groups []Group) []netip.Prefix {
	var out []netip.Prefix
	add := func(p netip.Prefix) {
		if p = p.Masked(); !inside(p, linkLocal6) && !inside(p, multicast6) {
			out = append(out, p)
		}
	}
	for _, g := range groups {
		for x := &g; x != nil; x = x.before {
			for _, r := range x.Rules.Permits() {
				add(r.Dst)
			}
			for _, p := range x.guarded() {
				if p.Addr().Is4() || len(x.Protect) > 0 {
					add(p)
				}
			}
		}
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out)
}

func (n *Net) syncRoutes() error {
	for _, family := range n.inUse() {
		if err := n.syncFamily(family); err != nil {
			return err
		}
	}
	return nil
}

func (n *Net) syncFamily(family int) error {
	tun, err := n.link(n.cfg.TUN)
	if err != nil {
		return err
	}
	main, err := n.mainRoutes(family, tun.Attrs().Index)
	if err != nil {
		return err
	}
	src, err := n.ownSource(family)
	if err != nil {
		return err
	}
	if n.cfg.Own != nil && src.IsValid() {
		n.cfg.Own(src)
	}
	protected := slices.DeleteFunc(destinations(n.groups), func(p netip.Prefix) bool { return p.Addr().Is6() != (family == unix.AF_INET6) })
	plan := planRoutes(protected, main)
	order := make([]netip.Prefix, 0, len(plan))
	for p := range plan {
		order = append(order, p)
	}
	// The narrow ones first: a throw must be there before the route that it cuts a hole into.
	slices.SortFunc(order, func(a, b netip.Prefix) int {
		if a.Bits() != b.Bits() {
			return b.Bits() - a.Bits()
		}
		return a.Compare(b)
	})
	have, err := n.tableRoutes(n.cfg.TableOut, family)
	if err != nil {
		return err
	}
	for _, p := range order {
		r := n.route(p, plan[p], tun.Attrs().Index, src)
		if slices.ContainsFunc(have, func(h netlink.Route) bool { return sameRoute(&h, r) }) {
			continue
		}
		if err := netlink.RouteReplace(r); err != nil {
			return fmt.Errorf("netcfg: route %s in table %d: %w", p, n.cfg.TableOut, err)
		}
	}
	if err := n.localDefault(family); err != nil {
		return err
	}
	for _, r := range have {
		if _, wanted := plan[prefixOf(r.Dst)]; !wanted {
			err = errors.Join(err, n.delRoute(r))
		}
	}
	return err
}

// route is one line of table OUT.
func (n *Net) route(p netip.Prefix, w way, tun int, src netip.Addr) *netlink.Route {
	r := &netlink.Route{Dst: ipNet(p), Table: n.cfg.TableOut, Protocol: netlink.RouteProtocol(n.cfg.Protocol), Type: unix.RTN_THROW}
	if w == intoTUN {
		// Scope universe although there is no next hop: the kernel looks a new route's gateway up with scope link and as
		// if by this system, and would find that a gateway inside a protected prefix is behind the TUN.
		r.Type, r.LinkIndex, r.Scope = unix.RTN_UNICAST, tun, netlink.SCOPE_UNIVERSE
		if src.IsValid() {
			r.Src = src.AsSlice()
		}
	}
	return r
}

// sameRoute compares what the kernel has with what route sets. For a throw of IPv6 the kernel names the loopback.
func sameRoute(have, r *netlink.Route) bool {
	return prefixOf(have.Dst) == prefixOf(r.Dst) && have.Type == r.Type && have.Src.Equal(r.Src) &&
		(have.LinkIndex == r.LinkIndex || r.Type == unix.RTN_THROW)
}

// localDefault makes table IN deliver everything locally.
func (n *Net) localDefault(family int) error {
	lo, err := n.link(loopback)
	if err != nil {
		return err
	}
	r := &netlink.Route{
		Dst: ipNet(anyOf(family)), Table: n.cfg.TableIn, LinkIndex: lo.Attrs().Index,
		Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST, Protocol: netlink.RouteProtocol(n.cfg.Protocol),
	}
	if have, err := n.tableRoutes(n.cfg.TableIn, family); err != nil || len(have) == 1 {
		return err
	}
	if err := netlink.RouteReplace(r); err != nil {
		return fmt.Errorf("netcfg: local default in table %d (is %s up?): %w", n.cfg.TableIn, loopback, err)
	}
	return nil
}

func (n *Net) mainRoutes(family, tun int) ([]mainRoute, error) {
	wan, err := n.link(n.cfg.WAN)
	if err != nil {
		return nil, err
	}
	list, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("netcfg: list the main table: %w", err)
	}
	var out []mainRoute
	for _, r := range list {
		// A blackhole or unreachable route is a summary's anchor; it says nothing about where hosts are.
		if r.Type != unix.RTN_UNICAST || r.LinkIndex == tun {
			continue
		}
		dst := prefixOf(r.Dst)
		if inside(dst, linkLocal6) || inside(dst, multicast6) {
			continue
		}
		viaWAN := r.LinkIndex == wan.Attrs().Index
		for _, hop := range r.MultiPath {
			viaWAN = viaWAN || hop.LinkIndex == wan.Attrs().Index
		}
		out = append(out, mainRoute{dst, viaWAN})
	}
	return out, nil
}

// tableRoutes lists our routes of a table.
func (n *Net) tableRoutes(table, family int) ([]netlink.Route, error) {
	filter := &netlink.Route{Table: table, Protocol: netlink.RouteProtocol(n.cfg.Protocol)}
	list, err := netlink.RouteListFiltered(family, filter, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return nil, fmt.Errorf("netcfg: list table %d: %w", table, err)
	}
	return list, nil
}

func (n *Net) flush(table, family int) error {
	list, err := n.tableRoutes(table, family)
	for _, r := range list {
		err = errors.Join(err, n.delRoute(r))
	}
	return err
}

func (n *Net) delRoute(r netlink.Route) error {
	if r.Dst == nil {
		r.Dst = ipNet(anyOf(r.Family))
	}
	if err := netlink.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("netcfg: delete route %s from table %d: %w", prefixOf(r.Dst), r.Table, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return any4
	}
	addr, _ := netip.AddrFromSlice(n.IP)
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), ones)
}
