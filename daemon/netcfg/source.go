package netcfg

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ownSource picks the source of the member's own traffic: an address that the policy covers, LAN before WAN; else the WAN's.
func (n *Net) ownSource(family int) (netip.Addr, error) {
	v6 := family == unix.AF_INET6
	if n.cfg.Source.IsValid() && n.cfg.Source.Is6() == v6 {
		return n.cfg.Source, nil
	}
	var first netip.Addr
	for _, name := range append(slices.Clone(n.cfg.LAN), n.cfg.WAN) {
		l, err := netlink.LinkByName(name)
		if err != nil {
			continue // a LAN interface may come later; the watch sees it
		}
		addrs, err := netlink.AddrList(l, family)
		if err != nil {
			return netip.Addr{}, fmt.Errorf("netcfg: addresses of %s: %w", name, err)
		}
		for _, a := range addrs {
			addr, ok := netip.AddrFromSlice(a.IP)
			if addr = addr.Unmap(); !ok || addr.Is6() != v6 || linkLocal6.Contains(addr) || v6 && a.Flags&unusable != 0 {
				continue
			}
			if name == n.cfg.WAN && !first.IsValid() {
				first = addr
			}
			for _, g := range n.groups {
				if slices.ContainsFunc(g.Rules.Permits(), func(r rule) bool { return r.Src.Contains(addr) }) {
					return addr, nil
				}
			}
		}
	}
	return first, nil
}

// unusable are the IPv6 addresses that do not last, and those that are not ours yet.
const unusable = unix.IFA_F_TEMPORARY | unix.IFA_F_DEPRECATED | unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED
