package netcfg

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/getvpn/getvpn/gdoi/policy"
)

type rule = policy.Rule

// verdict is one line of the guard's lists: drop, or leave to the next group.
type verdict struct {
	rule
	drop bool
}

// The guard, for a member with a fail-closed group:
//
//	chain input    hook input    iif WAN: ESP, exempt flows, ICMP errors accept; else in_0, in_1 ...
//	chain output   hook output   oif WAN: our ESP (mark), exempt flows accept; else out_0, out_1 ...
//	chain forward  hook forward  iif TUN oif WAN drop; GDOI accept; iif WAN: in_0 ...; oif WAN: out_0 ...
//	chain in_N, out_N            the access list of the Nth fail-closed group, first match: deny returns, permit drops
//
// Both lists are the policy as it stands: a packet that comes in clear is one that its sender should have protected. Only
// what is guarded before the policy is known differs: outwards any source to Protect, inwards Protect to Protect.
// A deny returns and does not accept: another group may protect the packet, as in the engine's table.
const (
	listIn  = "in_"
	listOut = "out_"
)

// verdicts is one group's list, empty for a fail-open one. IPv4 and IPv6 alike: what the data path cannot protect must
// not pass either.
func verdicts(g Group, inward bool) (out []verdict) {
	if g.FailOpen {
		return nil
	}
	for _, list := range []policy.List{g.Local, g.Rules} {
		for _, r := range list {
			out = append(out, verdict{r, r.Action == policy.Permit})
		}
	}
	for _, dst := range g.guarded() {
		sources := []netip.Prefix{any4, any6}
		if inward {
			sources = g.guarded()
		}
		for _, src := range sources {
			if src.Addr().Is4() == dst.Addr().Is4() {
				r := rule{Action: policy.Permit, Src: src.Masked(), Dst: dst.Masked(), SrcPorts: policy.AnyPort, DstPorts: policy.AnyPort}
				out = append(out, verdict{r, true})
			}
		}
	}
	return out
}

// setGuard replaces the guard, ours or a predecessor's, in one transaction.
func (n *Net) setGuard() error {
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
	forward := b.hook("forward", nftables.ChainHookForward)
	b.rule(forward, iif(c.TUN), oif(c.WAN), count(), drop())
	lists := b.addLists(n.groups)
	if lists == 0 {
		return
	}
	for _, m := range flowMatches(GDOI) {
		b.rule(forward, m, accept())
	}
	b.jumps(forward, iif(c.WAN), listIn, lists)
	b.jumps(forward, oif(c.WAN), listOut, lists)

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
	b.jumps(input, iif(c.WAN), listIn, lists)
	b.jumps(output, oif(c.WAN), listOut, lists)
}

// addLists makes the chains of the fail-closed groups and returns how many there are.
func (b *batch) addLists(groups []Group) int {
	lists := 0
	for _, g := range groups {
		if g.FailOpen {
			continue
		}
		b.addList(b.list(listName(listIn, lists)), verdicts(g, true))
		b.addList(b.list(listName(listOut, lists)), verdicts(g, false))
		lists++
	}
	return lists
}

func listName(direction string, i int) string { return direction + strconv.Itoa(i) }

func (b *batch) addList(c *nftables.Chain, list []verdict) {
	for _, v := range list {
		if v.drop {
			b.rule(c, matchRule(v.rule), count(), drop())
		} else {
			b.rule(c, matchRule(v.rule), verdictReturn())
		}
	}
}

func (b *batch) jumps(from *nftables.Chain, when []expr.Any, direction string, lists int) {
	for i := range lists {
		b.rule(from, when, jump(listName(direction, i)))
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
