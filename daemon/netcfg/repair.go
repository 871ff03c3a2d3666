package netcfg

import (
	"errors"
	"fmt"
	"maps"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Repaired is reported by Watch when somebody else had changed what the member depends on, and it has been put right.
type Repaired struct{ What string }

func (r *Repaired) Error() string { return "netcfg: " + r.What }

// Sync repairs guard, sysctls, MTU, interface state, routes and rules after a change; it does nothing when Up was not
// called. What one step cannot do does not keep the others from being done. Repairs of what others broke are among the
// errors, as *Repaired.
func (n *Net) Sync() (errs []error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.up {
		return nil
	}
	n.repairs = nil
	for _, step := range []func() error{
		n.syncGuard, n.addRules, n.setMTU, n.setSysctls, n.tunUp, n.syncRoutes, n.syncMulticast,
	} {
		if err := step(); err != nil {
			errs = append(errs, parts(err)...)
		}
	}
	for _, what := range n.repairs {
		errs = append(errs, &Repaired{what})
	}
	return errs
}

// parts takes an error of errors.Join apart.
func parts(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}

// repaired notes what Sync has put right.
func (n *Net) repaired(format string, args ...any) {
	if n.up {
		n.repairs = append(n.repairs, fmt.Sprintf(format, args...))
	}
}

// syncGuard puts the guard back if it is not what it was.
func (n *Net) syncGuard() (err error) {
	doubt := n.doubt.Swap(false)
	defer func() {
		if doubt && err != nil {
			n.doubt.Store(true)
		}
	}()
	found, err := n.findGuard()
	if err != nil {
		return err
	}
	what := "was gone"
	if found != nil {
		if !doubt {
			return nil
		}
		conn, err := newConn()
		if err != nil {
			return err
		}
		have, err := ruleCounts(conn, found)
		if err != nil || maps.Equal(have, n.guardRules) {
			return err
		}
		what = "had been changed"
	}
	if err := n.setGuard(); err != nil {
		return err
	}
	n.repaired("the leak guard, nftables table inet %s, %s; it is back", guardName(n.cfg.Name), what)
	return nil
}

// tunUp sets the TUN up, and says so if it was not.
func (n *Net) tunUp() error {
	tun, err := n.link(n.cfg.TUN)
	if err != nil {
		return err
	}
	if err := n.tunIPv6(); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(tun); err != nil {
		return fmt.Errorf("netcfg: set %s up: %w", n.cfg.TUN, err)
	}
	if tun.Attrs().RawFlags&unix.IFF_UP == 0 {
		n.repaired("%s was down; it is up", n.cfg.TUN)
	}
	return nil
}

// Links returns the indices of WAN and TUN; 0 for one that is not there. One that was deleted and made again has another.
func (n *Net) Links() (wan, tun int, err error) {
	index := func(name string) int {
		l, lerr := netlink.LinkByName(name)
		if lerr != nil {
			if _, gone := errors.AsType[netlink.LinkNotFoundError](lerr); !gone {
				err = fmt.Errorf("netcfg: interface %s: %w", name, lerr)
			}
			return 0
		}
		return l.Attrs().Index
	}
	wan, tun = index(n.cfg.WAN), index(n.cfg.TUN)
	return wan, tun, err
}
