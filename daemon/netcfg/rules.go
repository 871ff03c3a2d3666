package netcfg

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Offsets from Config.Preference; the package comment says what for.
const (
	prefMark = iota
	prefMarkEnd
	prefESP
	prefExempt
	prefLAN
	prefOwn
)

func (n *Net) rules(family int) []*netlink.Rule {
	c := n.cfg
	rule := func(offset, table int) *netlink.Rule {
		r := netlink.NewRule()
		r.Family = family
		r.Priority = c.Preference + offset
		r.Table = table
		r.Protocol = c.Protocol
		return r
	}
	var out []*netlink.Rule
	add := func(r *netlink.Rule) *netlink.Rule { out = append(out, r); return r }

	add(rule(prefMark, unix.RT_TABLE_MAIN)).Mark = c.Mark
	end := add(rule(prefMarkEnd, 0))
	end.Mark, end.Type = c.Mark, unix.RTN_UNREACHABLE
	in := add(rule(prefESP, c.TableIn))
	in.IifName, in.IPProto = c.WAN, protoESP
	if !c.NoOwnTraffic {
		for _, f := range c.Exempt {
			if family == unix.AF_INET6 && f.Proto == protoIGMP {
				continue
			}
			r := add(rule(prefExempt, unix.RT_TABLE_MAIN))
			r.IifName, r.IPProto = loopback, int(f.Proto)
			if f.Port == 0 {
				continue
			}
			r.Sport = netlink.NewRulePortRange(f.Port, f.Port)
			r = add(rule(prefExempt, unix.RT_TABLE_MAIN))
			r.IifName, r.IPProto = loopback, int(f.Proto)
			r.Dport = netlink.NewRulePortRange(f.Port, f.Port)
		}
	}
	for _, lan := range c.LAN {
		add(rule(prefLAN, c.TableOut)).IifName = lan
	}
	if !c.NoOwnTraffic {
		add(rule(prefOwn, c.TableOut)).IifName = loopback
	}
	return out
}

// loopback is the input interface of what the system itself sends.
const loopback = "lo"

func (n *Net) addRules() error {
	for _, family := range n.inUse() {
		for _, r := range n.rules(family) {
			switch err := netlink.RuleAdd(r); {
			case err == nil:
				n.repaired("%s was gone; it is back", describeRule(*r))
			case !errors.Is(err, os.ErrExist):
				return fmt.Errorf("netcfg: add %s: %w", describeRule(*r), err)
			}
		}
	}
	return nil
}

// ours says whether a rule is this member's: made by getvpn, at one of its preferences.
func (n *Net) ours(r netlink.Rule) bool {
	return r.Protocol == n.cfg.Protocol && r.Priority >= n.cfg.Preference && r.Priority <= n.cfg.Preference+prefOwn
}

func (n *Net) listRules() ([]netlink.Rule, error) {
	var out []netlink.Rule
	for _, family := range families() {
		all, err := netlink.RuleList(family)
		if err != nil {
			return nil, fmt.Errorf("netcfg: list rules: %w", err)
		}
		for _, r := range all {
			if n.ours(r) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// removeLeftovers deletes our rules and routes, whoever made them: this process or a predecessor that was killed.
func (n *Net) removeLeftovers() error {
	list, err := n.listRules()
	for _, r := range list {
		if derr := netlink.RuleDel(&r); derr != nil && !errors.Is(derr, os.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("netcfg: delete %s: %w", describeRule(r), derr))
		}
	}
	for _, family := range families() {
		for _, table := range []int{n.cfg.TableOut, n.cfg.TableIn} {
			err = errors.Join(err, n.flush(table, family))
		}
	}
	return err
}

func describeRule(r netlink.Rule) string {
	s := fmt.Sprintf("rule %d:", r.Priority)
	if r.Family == unix.AF_INET6 {
		s = fmt.Sprintf("IPv6 rule %d:", r.Priority)
	}
	if r.Mark != 0 {
		s += fmt.Sprintf(" fwmark %#x", r.Mark)
	}
	if r.IifName != "" {
		s += " iif " + r.IifName
	}
	if r.IPProto != 0 {
		s += fmt.Sprintf(" ipproto %d", max(r.IPProto, 0))
	}
	if r.Sport != nil {
		s += fmt.Sprintf(" sport %d", r.Sport.Start)
	}
	if r.Dport != nil {
		s += fmt.Sprintf(" dport %d", r.Dport.Start)
	}
	if r.Table == 0 {
		return s + " unreachable"
	}
	return s + fmt.Sprintf(" lookup %d", r.Table)
}
