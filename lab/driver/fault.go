package driver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	vns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/scenario"
)

// faultTable begins the name of the nftables tables that hold faults; a node's own tables are never touched.
const faultTable = "gvl_fault_"

// PortGDOI is what key servers and members speak at (RFC 6407 §3).
const PortGDOI = 848

// family is where an IP header has its addresses (RFC 791 §3.1, RFC 8200 §3).
type family struct {
	name                string
	proto               byte
	key                 nftables.SetDatatype
	source, destination uint32 // offsets
	length              uint32
}

var families = []family{
	{"4", unix.NFPROTO_IPV4, nftables.TypeIPAddr, 12, 16, 4},
	{"6", unix.NFPROTO_IPV6, nftables.TypeIP6Addr, 8, 24, 16},
}

// Partition makes the network drop everything between two sides. Core routers drop by addresses, with the LANs of a
// member on its side; where two nodes of different sides are neighbours, their link is cut at both ends. A cut of control
// alone drops only UDP from or to the port of GDOI.
//
// With a duration the kernel itself lifts the fault: the rules match through sets whose elements time out, so a fault
// ends also when nobody is left to end it.
func (c *Common) Partition(p scenario.Partition, d time.Duration) error {
	return c.change(func(st *State) error {
		table := fmt.Sprintf("%s%d", faultTable, time.Now().UnixNano())
		for _, n := range c.s.Nodes {
			cut := c.cutInterfaces(n, p)
			byAddress := n.Kind == scenario.KindCore
			if !byAddress && len(cut) == 0 {
				continue
			}
			f := &filter{table: table, timeout: d, interfaces: cut, control: p.Control}
			if byAddress {
				f.a, f.b = c.territory(p.A), c.territory(p.B)
			}
			if err := c.nft(n.Name, f.install); err != nil {
				return fmt.Errorf("partition at %s: %w", n.Name, err)
			}
		}
		fault := Fault{Kind: "partition", Spec: p.String(), Since: time.Now().UTC(), By: who()}
		if d > 0 {
			until := fault.Since.Add(d)
			fault.Until = &until
		}
		st.Faults = append(activeFaults(st.Faults), fault)
		return nil
	})
}

// Heal lifts all faults.
func (c *Common) Heal() error {
	return c.change(func(st *State) error {
		for _, n := range c.s.Nodes {
			err := c.nft(n.Name, func(c *nftables.Conn) error {
				tables, err := c.ListTables()
				if err != nil {
					return err
				}
				for _, t := range tables {
					if strings.HasPrefix(t.Name, faultTable) {
						c.DelTable(t)
					}
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("healing %s: %w", n.Name, err)
			}
		}
		st.Faults = []Fault{}
		return c.returnTokens()
	})
}

func activeFaults(all []Fault) []Fault {
	return slices.DeleteFunc(slices.Clone(all), func(f Fault) bool { return f.Until != nil && time.Now().After(*f.Until) })
}

func (c *Common) nft(node string, fn func(*nftables.Conn) error) error {
	path, err := c.m.Namespace(node)
	if err != nil {
		return err
	}
	ns, err := vns.GetFromPath(path)
	if err != nil {
		return err
	}
	defer ns.Close()
	conn, err := nftables.New(nftables.WithNetNSFd(int(ns)))
	if err != nil {
		return err
	}
	if err := fn(conn); err != nil {
		return err
	}
	return conn.Flush()
}

func (c *Common) territory(nodes []string) []netip.Prefix {
	var out []netip.Prefix
	for _, n := range nodes {
		out = append(out, c.s.Territory(n)...)
	}
	return out
}

// cutInterfaces are those of n whose neighbour is on the other side.
func (c *Common) cutInterfaces(n scenario.Node, p scenario.Partition) []string {
	other := p.B
	if slices.Contains(p.B, n.Name) {
		other = p.A
	} else if !slices.Contains(p.A, n.Name) {
		return nil
	}
	var out []string
	for _, a := range n.Addresses {
		if slices.Contains(other, a.Peer) {
			out = append(out, a.Interface)
		}
	}
	return out
}

// filter is the part of one fault on one node.
type filter struct {
	table      string
	timeout    time.Duration
	a, b       []netip.Prefix
	interfaces []string
	control    bool
}

// only is what a packet must match besides; each of the alternatives is a rule of its own.
func (f *filter) only() [][]expr.Any {
	if !f.control {
		return [][]expr.Any{nil}
	}
	var out [][]expr.Any
	for _, offset := range []uint32{0, 2} { // source and destination port (RFC 768)
		out = append(out, []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_UDP}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{PortGDOI >> 8, PortGDOI & 0xff}},
		})
	}
	return out
}

func (f *filter) install(c *nftables.Conn) error {
	t := c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: f.table})
	chain := c.AddChain(&nftables.Chain{Name: "cut", Table: t, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw})
	add := func(match ...expr.Any) {
		for _, only := range f.only() {
			c.AddRule(&nftables.Rule{Table: t, Chain: chain,
				Exprs: slices.Concat(match, only, []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}})})
		}
	}
	if len(f.interfaces) > 0 {
		set := &nftables.Set{Table: t, Name: "links", KeyType: nftables.TypeIFName, HasTimeout: f.timeout > 0}
		var elements []nftables.SetElement
		for _, i := range f.interfaces {
			key := make([]byte, 16) // IFNAMSIZ
			copy(key, i)
			elements = append(elements, nftables.SetElement{Key: key, Timeout: f.timeout})
		}
		if err := c.AddSet(set, elements); err != nil {
			return err
		}
		add(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
			&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID})
	}
	for _, m := range families {
		a, b := m.of(f.a), m.of(f.b)
		if len(a) == 0 || len(b) == 0 {
			continue
		}
		sides := make([]*nftables.Set, 2)
		for i, side := range [][]netip.Prefix{a, b} {
			sides[i] = &nftables.Set{Table: t, Name: []string{"a", "b"}[i] + m.name, KeyType: m.key, Interval: true, HasTimeout: f.timeout > 0}
			if err := c.AddSet(sides[i], intervals(side, f.timeout)); err != nil {
				return err
			}
		}
		for i := range sides {
			from, to := sides[i], sides[1-i]
			add(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{m.proto}},
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: m.source, Len: m.length},
				&expr.Lookup{SourceRegister: 1, SetName: from.Name, SetID: from.ID},
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: m.destination, Len: m.length},
				&expr.Lookup{SourceRegister: 1, SetName: to.Name, SetID: to.ID})
		}
	}
	return nil
}

// of is the prefixes of the family.
func (m family) of(all []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(all), func(p netip.Prefix) bool { return p.Addr().Is4() != (m.proto == unix.NFPROTO_IPV4) })
}

// intervals turns prefixes into the half-open ranges of an interval set.
func intervals(prefixes []netip.Prefix, timeout time.Duration) []nftables.SetElement {
	var out []nftables.SetElement
	for _, p := range prefixes {
		out = append(out, nftables.SetElement{Key: p.Masked().Addr().AsSlice(), Timeout: timeout})
		last := p.Masked().Addr().AsSlice()
		for bit := p.Bits(); bit < 8*len(last); bit++ {
			last[bit/8] |= 0x80 >> (bit % 8)
		}
		end, _ := netip.AddrFromSlice(last)
		if end = end.Next(); end.IsValid() {
			out = append(out, nftables.SetElement{Key: end.AsSlice(), IntervalEnd: true})
		}
	}
	return out
}
