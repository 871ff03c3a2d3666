package netcfg

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const sysNet6 = "/proc/sys/net/ipv6"

// minMTU6 is the least of an IPv6 interface (RFC 8200 §5): the kernel ends IPv6 on a narrower one.
const minMTU6 = 1280

var (
	linkLocal6 = netip.MustParsePrefix("fe80::/10")
	linkGroups = netip.MustParsePrefix("ff02::/16")
	multicast6 = netip.MustParsePrefix("ff00::/8")
)

// hasIPv6 says whether this kernel has IPv6 at all.
func hasIPv6() bool {
	_, err := os.Stat(sysNet6)
	return err == nil
}

// families are those that the kernel has something of ours in, or could have from a predecessor.
func families() []int {
	if hasIPv6() {
		return []int{unix.AF_INET, unix.AF_INET6}
	}
	return []int{unix.AF_INET}
}

func anyOf(family int) netip.Prefix {
	if family == unix.AF_INET6 {
		return any6
	}
	return any4
}

// inUse are the families that the member protects: of IPv6 nothing is touched before a policy names it, since it changes
// what the system does with router advertisements.
func (n *Net) inUse() []int {
	if n.v6 {
		return families()
	}
	return []int{unix.AF_INET}
}

// learnIPv6 sees whether the groups protect IPv6. Once they did it stays, until Down.
func (n *Net) learnIPv6() {
	n.v6 = n.v6 || hasIPv6() && slices.ContainsFunc(destinations(n.groups), func(p netip.Prefix) bool { return p.Addr().Is6() })
}

// tunIPv6 switches IPv6 on the TUN on or off. The kernel has no business of its own there: no address, no router
// solicitation, no router's advice.
func (n *Net) tunIPv6() error {
	set := func(name, value string) error {
		path := filepath.Join(sysNet6, "conf", n.cfg.TUN, name)
		if old, err := readSysctl(path); err == nil && old == value {
			return nil // in a container nobody may write here, and need not where the defaults are as they must be
		}
		err := os.WriteFile(path, []byte(value), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // no IPv6, no such file
			return fmt.Errorf("netcfg: %s of %s: %w", name, n.cfg.TUN, err)
		}
		return nil
	}
	if !n.v6 {
		err := set("disable_ipv6", "1")
		if errors.Is(err, unix.EROFS) {
			return nil // a container: nothing is routed there, and the engine drops what the kernel says by itself
		}
		return err
	}
	return errors.Join(n.noAddress(), set("accept_ra", "0"), set("disable_ipv6", "0"))
}

// noAddress keeps the kernel from giving the TUN a link-local address. It is asked by netlink, which works in a container too.
func (n *Net) noAddress() error {
	have, err := readSysctl(filepath.Join(sysNet6, "conf", n.cfg.TUN, "addr_gen_mode"))
	if err != nil || have == strconv.Itoa(nl.IN6_ADDR_GEN_MODE_NONE) {
		return nil //nolint:nilerr // no IPv6, no such file
	}
	tun, err := n.link(n.cfg.TUN)
	if err == nil {
		err = netlink.LinkSetIP6AddrGenMode(tun, nl.IN6_ADDR_GEN_MODE_NONE)
	}
	if err != nil {
		return fmt.Errorf("netcfg: no IPv6 address for %s: %w", n.cfg.TUN, err)
	}
	return nil
}

// setMTU6 gives IPv6 on the TUN its own MTU, which is smaller by the longer outer header: the kernel then answers what is
// larger. The kernel sets it back whenever the MTU of the interface changes.
func (n *Net) setMTU6(inner int) error {
	if !n.v6 {
		return nil
	}
	if err := n.tunIPv6(); err != nil { // again: the kernel ends IPv6 on an interface below 1280, and forgets
		return err
	}
	inner -= outerDifference
	if n.cfg.InnerMTU6 != nil {
		inner = n.cfg.InnerMTU6()
	}
	path := filepath.Join(sysNet6, "conf", n.cfg.TUN, "mtu")
	want := strconv.Itoa(max(inner, minMTU6))
	if have, err := readSysctl(path); err != nil || have == want {
		return err
	}
	err := os.WriteFile(path, []byte(want), 0)
	if errors.Is(err, unix.EROFS) {
		return nil // a container: the engine answers what is too large, as it does for what the kernel lets through
	}
	if err != nil {
		return fmt.Errorf("netcfg: set the IPv6 MTU of %s to %s: %w", n.cfg.TUN, want, err)
	}
	return nil
}

// outerDifference is what the IPv6 header is longer than IPv4's.
const outerDifference = 20

// setSysctls6 switches IPv6 forwarding on. A router does not listen to router advertisements, so an interface that did
// would lose its default route and in time its addresses: it is told to go on (accept_ra 2).
func (n *Net) setSysctls6() error {
	if len(n.cfg.LAN) == 0 {
		return nil
	}
	all := filepath.Join(sysNet6, "conf/all/forwarding")
	v, err := readSysctl(all)
	if err != nil || v != "0" {
		return err
	}
	names, err := os.ReadDir(filepath.Join(sysNet6, "conf"))
	if err != nil {
		return fmt.Errorf("netcfg: %w", err)
	}
	for _, name := range names {
		dir := filepath.Join(sysNet6, "conf", name.Name())
		if slices.Contains([]string{"all", "default", loopback, n.cfg.TUN}, name.Name()) {
			continue
		}
		forwards, ferr := readSysctl(filepath.Join(dir, "forwarding"))
		ra, rerr := readSysctl(filepath.Join(dir, "accept_ra"))
		if ferr != nil || rerr != nil {
			continue // the interface has just gone
		}
		if forwards == "0" && ra == "1" {
			if err := n.setSysctl(filepath.Join(dir, "accept_ra"), ra, "2"); err != nil {
				return err
			}
		}
	}
	return n.setSysctl(all, v, "1")
}
