package netcfg

import (
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/daemon/mcast"
)

var anyMulticast = netip.MustParsePrefix("224.0.0.0/4")

// multicast lists what the groups protect on its way to multicast groups. A rule for all destinations does not count: who
// means multicast names it, and the kernel's multicast routing is taken over only then.
func multicast(groups []Group) (out []mcast.Permit) {
	for _, g := range groups {
		for x := &g; x != nil; x = x.before {
			for _, r := range x.Rules.Permits() {
				p := mcast.Permit{Src: r.Src.Masked(), Dst: r.Dst.Masked()}
				if inside(p.Dst, anyMulticast) && !slices.Contains(out, p) {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// syncMulticast starts, changes and ends multicast routing between LANs and TUN, as the policy needs it.
func (n *Net) syncMulticast() error {
	permits := multicast(n.groups)
	switch {
	case len(permits) == 0 || len(n.cfg.LAN) == 0:
		return n.endMulticast()
	case n.mcast != nil && n.mcast.Stale():
		if err := n.endMulticast(); err != nil {
			return err
		}
	case n.mcast != nil:
		n.mcast.SetPermits(permits)
		return n.mcast.Err()
	}
	var err error
	n.mcast, err = mcast.Start(mcast.Config{LAN: n.cfg.LAN, WAN: n.cfg.WAN, TUN: n.cfg.TUN}, permits)
	if err == nil {
		n.noMcast = ""
		return nil
	}
	// Unicast goes on without. The watch tries again every few seconds; the operator hears of it once.
	if n.noMcast == err.Error() {
		return nil
	}
	n.noMcast = err.Error()
	return err
}

func (n *Net) endMulticast() error {
	if n.mcast == nil {
		return nil
	}
	err := n.mcast.Close()
	n.mcast = nil
	return err
}
