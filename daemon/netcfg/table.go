package netcfg

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

type hook = nftables.Chain

// Counters of the guard, by the names that an operator sees. They stay while the policy changes.
const (
	countInward  = "clear-inbound"  // arrived in clear, though the policy wants it encrypted
	countOutward = "clear-outbound" // was about to leave in clear: the daemon is dead, or a route goes past it
	countOpened  = "opened-to-wan"  // decrypted, and not for the LAN
)

var counters = []string{countInward, countOutward, countOpened}

// batch fills one table.
type batch struct {
	conn  *nftables.Conn
	table *nftables.Table
	rules map[string]int // how many, by chain
}

// nlBuffer holds a transaction, which is one message, and the answers to each of its parts: some 1 KB for a rule and its
// answer. Members of 10,000 rules exist.
const nlBuffer = 64 << 20

// buffers is the option of a connection that has them.
var buffers = nftables.WithSockOptions(func(c *netlink.Conn) error {
	return errors.Join(c.SetReadBuffer(nlBuffer), c.SetWriteBuffer(nlBuffer))
})

// newConn opens nftables.
func newConn() (*nftables.Conn, error) {
	conn, err := nftables.New(buffers)
	if err != nil {
		return nil, fmt.Errorf("netcfg: nftables: %w", err)
	}
	return conn, nil
}

// replace empties a table but for its counters and fills it again, in one transaction.
// It returns how many rules the chains have.
func replace(conn *nftables.Conn, table *nftables.Table, fill func(*batch)) (map[string]int, error) {
	b := &batch{conn, table, map[string]int{}}
	old, err := chainsOf(conn, table)
	if err != nil {
		return nil, err
	}
	have, err := counts(conn, table)
	if err != nil {
		return nil, err
	}
	conn.FlushTable(table)
	for _, c := range old {
		conn.DelChain(c)
	}
	for _, name := range counters {
		if _, ok := have[name]; !ok {
			conn.AddObj(&nftables.NamedObj{Table: table, Name: name, Type: nftables.ObjTypeCounter, Obj: &expr.Counter{}})
		}
	}
	fill(b)
	if err := conn.Flush(); err != nil {
		return nil, fmt.Errorf("netcfg: install the leak guard %s (nf_tables in the kernel?): %w", table.Name, err)
	}
	return b.rules, nil
}

// ruleCounts is what replace returned, as the kernel sees it now.
func ruleCounts(conn *nftables.Conn, table *nftables.Table) (map[string]int, error) {
	chains, err := chainsOf(conn, table)
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, c := range chains {
		rules, err := conn.GetRules(table, c)
		if err != nil {
			return nil, fmt.Errorf("netcfg: read the guard: %w", err)
		}
		out[c.Name] = len(rules)
	}
	return out, nil
}

func chainsOf(conn *nftables.Conn, table *nftables.Table) ([]*nftables.Chain, error) {
	all, err := conn.ListChainsOfTableFamily(table.Family)
	if err != nil {
		return nil, fmt.Errorf("netcfg: list the guard's chains: %w", err)
	}
	return slices.DeleteFunc(all, func(c *nftables.Chain) bool { return c.Table.Name != table.Name }), nil
}

// counts reads the counters of a table; none when there is no table.
func counts(conn *nftables.Conn, table *nftables.Table) (map[string]uint64, error) {
	objs, err := conn.GetNamedObjects(table)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("netcfg: read the guard's counters: %w", err)
	}
	out := map[string]uint64{}
	for _, o := range objs {
		if o, ok := o.(*nftables.NamedObj); ok {
			if c, ok := o.Obj.(*expr.Counter); ok {
				out[o.Name] = c.Packets
			}
		}
	}
	return out, nil
}

// setGuard brings the guard, ours or a predecessor's, in line with the groups.
func (n *Net) setGuard() error {
	conn, err := newConn()
	if err != nil {
		return err
	}
	table := n.guardTable()
	if found, err := n.findGuard(); err != nil {
		return err
	} else if found == nil {
		conn.AddTable(table)
	}
	rules, err := replace(conn, table, func(b *batch) { n.cfg.fill(b, n.groups) })
	if err != nil {
		return err
	}
	n.guardRules = rules
	return n.setLive()
}

func (n *Net) guardTable() *nftables.Table {
	return &nftables.Table{Name: guardName(n.cfg.Name), Family: nftables.TableFamilyINet}
}

func (b *batch) hook(name string) *hook {
	at := map[string]*nftables.ChainHook{"input": nftables.ChainHookInput, "output": nftables.ChainHookOutput, "forward": nftables.ChainHookForward}
	pass := nftables.ChainPolicyAccept
	b.rules[name] = 0
	return b.conn.AddChain(&nftables.Chain{
		Name: name, Table: b.table, Type: nftables.ChainTypeFilter, Hooknum: at[name], Priority: nftables.ChainPriorityFilter, Policy: &pass,
	})
}

func (b *batch) rule(c *nftables.Chain, parts ...[]expr.Any) {
	r := &nftables.Rule{Table: b.table, Chain: c}
	for _, p := range parts {
		r.Exprs = append(r.Exprs, p...)
	}
	b.rules[c.Name]++
	b.conn.AddRule(r)
}

// count adds one to a counter of the table.
func (b *batch) count(name string) []expr.Any {
	return []expr.Any{&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: name}}
}

// lists makes the chains of one group and direction, unless nothing is to be dropped. What the last of the lists drops
// is dropped; what one of them lets pass returns to where the first was jumped to from, since each is left by a goto.
func (b *batch) lists(name string, lists chain, counter string) bool {
	if len(lists) == 0 {
		return false
	}
	nameOf := func(k int) string {
		if k == 0 {
			return name
		}
		return name + "_" + strconv.Itoa(k)
	}
	chains := make([]*nftables.Chain, len(lists))
	for k := range lists { // all of them before the first goto
		b.rules[nameOf(k)] = 0
		chains[k] = b.conn.AddChain(&nftables.Chain{Name: nameOf(k), Table: b.table})
	}
	for k, list := range lists {
		refuse := append(b.count(counter), drop()...)
		if k < len(lists)-1 {
			refuse = []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: nameOf(k + 1)}}
		}
		for _, v := range list {
			if v.drop {
				b.rule(chains[k], matchRule(v.rule), refuse)
				for _, m := range matchHidden(v.rule) {
					b.rule(chains[k], m, refuse)
				}
			} else {
				b.rule(chains[k], matchRule(v.rule), verdictReturn())
			}
		}
	}
	return true
}

// removeGuard deletes the guard, if it is there.
func (n *Net) removeGuard() error {
	table, err := n.findGuard()
	if err != nil || table == nil {
		return err
	}
	conn, err := newConn()
	if err != nil {
		return err
	}
	conn.DelTable(table)
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("netcfg: remove the leak guard %s: %w", table.Name, err)
	}
	return nil
}

func (n *Net) findGuard() (*nftables.Table, error) {
	conn, err := newConn()
	if err != nil {
		return nil, err
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
