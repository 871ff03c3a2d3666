package netcfg

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/getvpn/getvpn/gdoi/policy"
)

type rule = policy.Rule

// verdict is one line of the guard's lists.
type verdict struct {
	rule
	drop bool
}

// The guard, for a member with a fail-closed group:
//
//	chain input    hook input    iif WAN: ESP, exempt flows, ICMP errors accept; else list in
//	chain output   hook output   oif WAN: our ESP (mark), exempt flows accept; else list out
//	chain forward  hook forward  iif TUN oif WAN drop; GDOI accept; iif WAN: list in; oif WAN: list out
//	chain in, out                the access lists, first match: deny accepts, permit drops
//
// Both lists are the policy as it stands: a packet that comes in clear is one that its sender should have protected. Only
// what is guarded before the policy is known differs: outwards any source to Protect, inwards Protect to Protect.
const (
	listIn  = "in"
	listOut = "out"
)

// verdicts flattens the groups' lists, in order. v4 and v6 alike: what the data path cannot protect must not pass either.
func verdicts(groups []Group, inward bool) (out []verdict, closed bool) {
	for _, g := range groups {
		closed = closed || !g.FailOpen
		for _, r := range g.Rules {
			out = append(out, verdict{r, r.Action == policy.Permit && !g.FailOpen})
		}
		if g.Registered || g.FailOpen {
			continue
		}
		for _, dst := range g.Protect {
			sources := []netip.Prefix{netip.PrefixFrom(unspecified(dst.Addr()), 0)}
			if inward {
				sources = g.Protect
			}
			for _, src := range sources {
				if src.Addr().Is4() == dst.Addr().Is4() {
					r := rule{Action: policy.Permit, Src: src.Masked(), Dst: dst.Masked(), SrcPorts: policy.AnyPort, DstPorts: policy.AnyPort}
					out = append(out, verdict{r, true})
				}
			}
		}
	}
	return out, closed
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// known says whether there is anything to guard by.
func known(groups []Group) bool {
	for _, g := range groups {
		if len(g.Rules) > 0 || len(g.Protect) > 0 {
			return true
		}
	}
	return false
}

// setGuard replaces the guard in one transaction. A predecessor's guard stays when we know nothing to put in its place.
func (n *Net) setGuard() error {
	if !n.guarded && !known(n.groups) {
		if found, err := n.findGuard(); err != nil || found != nil {
			return err
		}
	}
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("netcfg: nftables: %w", err)
	}
	table := &nftables.Table{Name: guardName(n.cfg.Name), Family: nftables.TableFamilyINet}
	conn.AddTable(table) // so that deleting cannot fail
	conn.DelTable(table)
	conn.AddTable(table)
	n.fill(&batch{conn, table})
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("netcfg: install the leak guard %s (nf_tables in the kernel?): %w", table.Name, err)
	}
	n.guarded = true
	return nil
}

// batch adds to one table.
type batch struct {
	conn  *nftables.Conn
	table *nftables.Table
}

func (b *batch) list(name string) *nftables.Chain {
	return b.conn.AddChain(&nftables.Chain{Name: name, Table: b.table})
}

func (b *batch) hook(name string, hook *nftables.ChainHook) *nftables.Chain {
	accept := nftables.ChainPolicyAccept
	return b.conn.AddChain(&nftables.Chain{
		Name: name, Table: b.table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityFilter, Policy: &accept,
	})
}

func (b *batch) rule(c *nftables.Chain, parts ...[]expr.Any) {
	r := &nftables.Rule{Table: b.table, Chain: c}
	for _, p := range parts {
		r.Exprs = append(r.Exprs, p...)
	}
	b.conn.AddRule(r)
}

func (n *Net) fill(b *batch) {
	c := n.cfg
	inward, closed := verdicts(n.groups, true)
	outward, _ := verdicts(n.groups, false)
	in, out := b.list(listIn), b.list(listOut)
	forward := b.hook("forward", nftables.ChainHookForward)
	b.rule(forward, iif(c.TUN), oif(c.WAN), count(), drop())
	if !closed {
		return
	}
	b.addList(in, inward)
	b.addList(out, outward)
	for _, m := range flowMatches(GDOI) {
		b.rule(forward, m, accept())
	}
	b.rule(forward, iif(c.WAN), jump(listIn))
	b.rule(forward, oif(c.WAN), jump(listOut))

	input := b.hook("input", nftables.ChainHookInput)
	b.rule(input, iif(c.WAN), l4(protoESP), accept())
	for _, typ := range []byte{3, 11, 12} { // RFC 792: unreachable, time exceeded, parameter problem
		b.rule(input, iif(c.WAN), v4(), l4(protoICMP), transport(0, []byte{typ}), accept())
	}
	output := b.hook("output", nftables.ChainHookOutput)
	b.rule(output, oif(c.WAN), mark(c.Mark), l4(protoESP), accept())
	for _, f := range c.Exempt {
		for _, m := range flowMatches(f) {
			b.rule(input, iif(c.WAN), m, accept())
			b.rule(output, oif(c.WAN), m, accept())
		}
	}
	b.rule(input, iif(c.WAN), jump(listIn))
	b.rule(output, oif(c.WAN), jump(listOut))
}

func (b *batch) addList(c *nftables.Chain, list []verdict) {
	for _, v := range list {
		if v.drop {
			b.rule(c, matchRule(v.rule), count(), drop())
		} else {
			b.rule(c, matchRule(v.rule), accept())
		}
	}
}

// removeGuard deletes the guard, if it is there.
func (n *Net) removeGuard() error {
	table, err := n.findGuard()
	if err != nil || table == nil {
		return err
	}
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("netcfg: nftables: %w", err)
	}
	conn.DelTable(table)
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("netcfg: remove the leak guard %s: %w", table.Name, err)
	}
	n.guarded = false
	return nil
}

func (n *Net) findGuard() (*nftables.Table, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("netcfg: nftables: %w", err)
	}
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("netcfg: list nftables tables: %w", err)
	}
	for _, t := range tables {
		if t.Name == guardName(n.cfg.Name) {
			return t, nil
		}
	}
	return nil, nil
}
