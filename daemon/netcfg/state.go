package netcfg

import (
	"errors"
	"fmt"
	"sort"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// State lists what the kernel holds of ours at this moment, in words for an operator.
type State struct {
	WANMTU     int               `json:"wan_mtu"`
	TUNMTU     int               `json:"tun_mtu"`
	Rules      []string          `json:"rules"`
	Routes     []string          `json:"routes"`
	Guard      string            `json:"guard"`       // name of the table, empty when there is none
	GuardDrops uint64            `json:"guard_drops"` // since the guard was put in place
	Drops      map[string]uint64 `json:"drops"`       // the same by reason
	Sysctls    []string          `json:"sysctls"`     // changed by us
}

// State asks the kernel.
func (n *Net) State() (State, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := State{WANMTU: n.wan, TUNMTU: n.tun}
	rules, err := n.listRules()
	for _, r := range rules {
		s.Rules = append(s.Rules, describeRule(r))
	}
	for _, family := range families() {
		for _, table := range []int{n.cfg.TableOut, n.cfg.TableIn} {
			routes, rerr := n.tableRoutes(table, family)
			err = errors.Join(err, rerr)
			for _, r := range routes {
				s.Routes = append(s.Routes, n.describeRoute(r))
			}
		}
	}
	sort.Strings(s.Routes)
	for _, c := range n.saved {
		s.Sysctls = append(s.Sysctls, c.path+" was "+c.value)
	}
	guard, gerr := n.findGuard()
	err = errors.Join(err, gerr)
	if guard != nil {
		s.Guard = "inet " + guard.Name
		var derr error
		s.Drops, derr = n.drops()
		for _, count := range s.Drops {
			s.GuardDrops += count
		}
		err = errors.Join(err, derr)
	}
	return s, err
}

func (n *Net) describeRoute(r netlink.Route) string {
	to := "dev " + n.cfg.TUN
	switch r.Type {
	case unix.RTN_THROW:
		to = "throw"
	case unix.RTN_LOCAL:
		to = "local"
	}
	s := fmt.Sprintf("table %d: %s %s", r.Table, prefixOf(r.Dst), to)
	if r.Src != nil {
		s += " src " + r.Src.String()
	}
	return s
}

// Drops returns the counters of the guard by name, those of a dead predecessor included.
func (n *Net) Drops() (map[string]uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.drops()
}

func (n *Net) drops() (map[string]uint64, error) {
	conn, err := newConn()
	if err != nil {
		return nil, err
	}
	out, err := counts(conn, n.guardTable())
	if err != nil || n.live == nil {
		return out, err
	}
	more, err := counts(n.live.conn, n.live.table)
	for name, count := range more {
		out[name] += count
	}
	return out, err
}
