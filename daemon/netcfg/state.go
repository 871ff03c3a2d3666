package netcfg

import (
	"errors"
	"fmt"
	"sort"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// State lists what the kernel holds of ours at this moment, in words for an operator.
type State struct {
	WANMTU     int      `json:"wan_mtu"`
	TUNMTU     int      `json:"tun_mtu"`
	Rules      []string `json:"rules"`
	Routes     []string `json:"routes"`
	Guard      string   `json:"guard"`       // name of the table, empty when there is none
	GuardDrops uint64   `json:"guard_drops"` // since the guard was last replaced
	Sysctls    []string `json:"sysctls"`     // changed by us
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
	for _, table := range []int{n.cfg.TableOut, n.cfg.TableIn} {
		routes, rerr := n.tableRoutes(table)
		err = errors.Join(err, rerr)
		for _, r := range routes {
			s.Routes = append(s.Routes, n.describeRoute(r))
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
		drops, derr := guardDrops(guard)
		s.GuardDrops, err = drops, errors.Join(err, derr)
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

// guardDrops adds up the counters, which only dropping rules have.
func guardDrops(table *nftables.Table) (uint64, error) {
	conn, err := nftables.New()
	if err != nil {
		return 0, fmt.Errorf("netcfg: nftables: %w", err)
	}
	chains, err := conn.ListChainsOfTableFamily(table.Family)
	if err != nil {
		return 0, fmt.Errorf("netcfg: list the guard's chains: %w", err)
	}
	var total uint64
	for _, chain := range chains {
		if chain.Table.Name != table.Name {
			continue
		}
		rules, err := conn.GetRules(table, chain)
		if err != nil {
			return total, fmt.Errorf("netcfg: read the guard's counters: %w", err)
		}
		for _, r := range rules {
			for _, e := range r.Exprs {
				if c, ok := e.(*expr.Counter); ok {
					total += c.Packets
				}
			}
		}
	}
	return total, nil
}
