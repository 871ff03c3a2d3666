package control

import (
	"net/netip"
	"strings"
)

// LocalTo is the address that the node speaks to a peer from, without its port: Local may be two, one of each family. A peer
// that is no address:port means the first.
func (s *Snapshot) LocalTo(peer string) string {
	p, perr := netip.ParseAddrPort(peer)
	first := ""
	for _, text := range strings.Split(s.Local, ", ") {
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			continue
		}
		if perr == nil && a.Addr().Is4() == p.Addr().Is4() {
			return a.Addr().String()
		}
		if first == "" {
			first = a.Addr().String()
		}
	}
	return first
}

// MemberAddress is the address that key servers know a member by in a group.
func (s *Snapshot) MemberAddress(group string) string {
	if s.GM != nil {
		for i := range s.GM.Groups {
			if g := &s.GM.Groups[i]; g.Name == group {
				return s.LocalTo(g.RegisteredWith)
			}
		}
	}
	return s.LocalTo("")
}
