package netcfg

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"

	"github.com/getvpn/getvpn/daemon/mcast"
)

// Net is one member's part of the kernel.
type Net struct {
	cfg Config

	mu      sync.Mutex
	groups  []Group
	up      bool
	v6      bool // IPv6 is protected, see inUse
	wan     int  // MTU
	tun     int
	live    *live
	mcast   *mcast.Router
	noMcast string // why there is none
	saved   []sysctl

	guardRules map[string]int // by chain, as set
	doubt      atomic.Bool    // somebody else has changed nftables
	repairs    []string       // of the Sync under way
}

// New checks the configuration; the kernel is not touched yet.
func New(cfg Config) (*Net, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Net{cfg: cfg}, nil
}

// SetGroups brings the guard, and after Up the routes, in line with the policy of all groups. The daemon calls it first of
// all, when it knows only what is configured, and at every change of policy or registration; also when Config.InnerMTU has
// another answer than before.
func (n *Net) SetGroups(groups []Group) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.setGroups(groups)
}

func (n *Net) setGroups(groups []Group) error {
	old := n.groups
	n.groups = slices.Clone(groups)
	if err := n.setGuard(); err != nil {
		n.groups = old
		return err
	}
	if !n.up {
		return nil
	}
	had := n.v6
	if n.learnIPv6(); n.v6 && !had { // MTU and routes are to follow
		if err := errors.Join(n.setSysctls6(), n.addRules()); err != nil {
			return err
		}
	}
	return errors.Join(n.setMTU(), n.syncRoutes(), n.syncMulticast())
}

// Prepare makes way for groups to come: from now on the kernel lets pass what either the policy in force or the one to
// come lets pass, and routes into the TUN what either protects. Then the engine may change over, and SetGroups ends the
// change. changed is false, and nothing was done, if no policy differs.
func (n *Net) Prepare(groups []Group) (changed bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	merged := slices.Clone(groups)
	for i := range merged {
		g := &merged[i]
		for j := range n.groups {
			if old := n.groups[j]; old.Name == g.Name && (old.before != nil || !old.samePolicy(*g)) {
				g.before, changed = &old, true
			}
		}
	}
	if !changed {
		return false, nil
	}
	return true, n.setGroups(merged)
}

// Up clears what a dead predecessor left, then sets up sysctls, TUN, rules and routes. The TUN must exist: opening it is
// esp/tun's. On error what was done is undone; the guard stays.
func (n *Net) Up() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.up {
		return nil
	}
	if err := n.removeLeftovers(); err != nil {
		return err
	}
	n.recallSysctls()
	n.learnIPv6()
	for _, step := range []func() error{n.setMTU, n.setSysctls, n.tunUp, n.syncRoutes, n.addRules} {
		if err := step(); err != nil {
			return errors.Join(err, n.undo())
		}
	}
	n.up = true
	return nil
}

// Down removes everything that Up and SetGroups made; the guard last, and only without KeepGuard. The TUN itself goes
// when its file is closed.
func (n *Net) Down() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	err := errors.Join(n.endMulticast(), n.undo(), n.endLive())
	n.up, n.v6 = false, false
	if !n.cfg.KeepGuard {
		err = errors.Join(err, n.removeGuard())
	}
	return err
}

func (n *Net) undo() error {
	return errors.Join(n.removeLeftovers(), n.restoreSysctls())
}

// MTU returns the MTU of WAN and TUN as last set.
func (n *Net) MTU() (wan, tun int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wan, n.tun
}

// setMTU asks for the WAN's MTU and gives the TUN what fits into it.
func (n *Net) setMTU() error {
	wan, err := n.link(n.cfg.WAN)
	if err != nil {
		return err
	}
	tun, err := n.link(n.cfg.TUN)
	if err != nil {
		return err
	}
	mtu := wan.Attrs().MTU
	inner := n.cfg.InnerMTU(mtu)
	if inner < minMTU {
		return fmt.Errorf("netcfg: %s has an MTU of %d, which leaves %d for packets in ESP; IPv4 needs %d", n.cfg.WAN, mtu, inner, minMTU)
	}
	inner4 := inner
	if n.v6 {
		inner = max(inner, minMTU6) // then the engine cuts or answers IPv4 packets
	}
	if tun.Attrs().MTU != inner {
		if err := netlink.LinkSetMTU(tun, inner); err != nil {
			return fmt.Errorf("netcfg: set MTU of %s to %d: %w", n.cfg.TUN, inner, err)
		}
	}
	n.wan, n.tun = mtu, inner
	return n.setMTU6(inner4)
}

// minMTU is what the kernel wants of an IPv4 interface (RFC 791 §3.2: every module forwards 68 octets).
const minMTU = 68

func (n *Net) link(name string) (netlink.Link, error) {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("netcfg: interface %s: %w", name, err)
	}
	return l, nil
}
