package spd

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/esp/packet"
)

// Outcome is what policy wants done with an outbound packet.
type Outcome uint8

// Outcomes.
const (
	Clear      Outcome = iota // send unchanged
	Protect                   // seal with the group's SA
	FailClosed                // drop: it may need protection that is not there
)

// Verdict is the answer of Lookup. It has four fields and no more, so that the compiler keeps it in registers.
type Verdict struct {
	Outcome Outcome
	local   bool
	Group   int32 // the group that decided, -1 if none did
	rule    int32 // within the group's local or its own rules, -1 if none matched
}

// Table is the compiled policy of all groups.
type Table struct {
	groups []group
}

type group struct {
	name                 string
	registered, failOpen bool
	receiveOnly          bool
	local, rules         *list
	classes              []uint32 // of rules; nil: all 0
	protect              []prefix
}

type prefix struct {
	net, mask packet.Addr
	v6        bool
}

// exempt are the rules for what a member must be able to send to become registered at all, used only while it is not:
// GDOI, and the routing protocols without which there is no way to the key server.
var exempt = mustList(slices.Concat(exempts(all4), exempts(all6)))

func exempts(all netip.Prefix) []Rule {
	rule := func(proto uint8, src, dst Ports) Rule {
		return Rule{Proto: proto, Src: all, Dst: all, SrcPorts: src, DstPorts: dst}
	}
	gdoi, bgp := Ports{848, 848}, Ports{179, 179}
	return []Rule{
		rule(packet.ProtoUDP, gdoi, gdoi),
		rule(2, AnyPort, AnyPort),   // IGMP
		rule(88, AnyPort, AnyPort),  // EIGRP
		rule(89, AnyPort, AnyPort),  // OSPF
		rule(103, AnyPort, AnyPort), // PIM
		rule(packet.ProtoTCP, AnyPort, bgp),
		rule(packet.ProtoTCP, bgp, AnyPort),
	}
}

var (
	all4 = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	all6 = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
)

func mustList(rules []Rule) *list {
	l, err := newList(rules)
	if err != nil {
		panic(err)
	}
	return l
}

// New compiles the groups in the order in which they are to be asked. Lists that are the same as in prev (which may be
// nil) keep their hit counters.
func New(groups []Group, prev *Table) (*Table, error) {
	t := &Table{}
	for i, g := range groups {
		c := group{name: g.Name, registered: g.Registered, failOpen: g.FailOpen, receiveOnly: g.ReceiveOnly}
		if g.Classes != nil && len(g.Classes) != len(g.Rules) {
			return nil, fmt.Errorf("%w: group %s: %d rules have %d classes", ErrRule, g.Name, len(g.Rules), len(g.Classes))
		}
		c.classes = slices.Clone(g.Classes)
		for _, r := range g.Local {
			if r.Action != Deny {
				return nil, fmt.Errorf("%w: group %s: a local exception may only deny", ErrRule, g.Name)
			}
		}
		var err error
		if c.local, err = reuse(g.Local, prev, i, g.Name, true); err != nil {
			return nil, fmt.Errorf("group %s: local: %w", g.Name, err)
		}
		if c.rules, err = reuse(g.Rules, prev, i, g.Name, false); err != nil {
			return nil, fmt.Errorf("group %s: %w", g.Name, err)
		}
		for _, p := range g.Protect {
			if !p.IsValid() {
				return nil, fmt.Errorf("%w: group %s: a prefix to protect is not set", ErrRule, g.Name)
			}
			net, mask := masked(p)
			c.protect = append(c.protect, prefix{net, mask, p.Addr().Is6()})
		}
		if len(c.protect) == 0 && len(g.Rules) == 0 {
			c.protect = []prefix{{}, {v6: true}}
		}
		t.groups = append(t.groups, c)
	}
	return t, nil
}

func reuse(rules []Rule, prev *Table, i int, name string, local bool) (*list, error) {
	if prev != nil && i < len(prev.groups) && prev.groups[i].name == name {
		old := prev.groups[i].rules
		if local {
			old = prev.groups[i].local
		}
		if slices.Equal(old.source, rules) {
			return old, nil
		}
	}
	return newList(rules)
}

// Lookup decides about an outbound packet and does not count it.
func (t *Table) Lookup(f *packet.Flow) Verdict {
	denied := Verdict{Outcome: Clear, Group: -1, rule: -1}
	for i := range t.groups {
		g := &t.groups[i]
		v := g.lookup(f)
		v.Group = int32(i)
		if v.Outcome != Clear {
			return v
		}
		if denied.rule < 0 && v.rule >= 0 {
			denied = v
		}
	}
	return denied
}

func (g *group) lookup(f *packet.Flow) Verdict {
	if i := g.local.match(f); i >= 0 {
		return Verdict{rule: int32(i), local: true}
	}
	if !g.registered && (g.failOpen || exempt.match(f) >= 0) {
		return Verdict{rule: -1}
	}
	i := g.rules.match(f)
	v := Verdict{rule: int32(i)}
	switch {
	case g.receiveOnly:
	case i >= 0 && g.rules.rules[i].permit && g.registered:
		v.Outcome = Protect
	case !g.registered && (i >= 0 && g.rules.rules[i].permit || i < 0 && g.guarded(f)):
		v.Outcome = FailClosed
	}
	return v
}

func (g *group) guarded(f *packet.Flow) bool {
	for i := range g.protect {
		if p := &g.protect[i]; p.v6 == f.V6 && within(f.Dst, p.net, p.mask) {
			return true
		}
	}
	return false
}

// Class is that of the rule that gave the verdict, see Group.Classes.
func (t *Table) Class(v Verdict) uint32 {
	if v.Group < 0 || v.rule < 0 || v.local || t.groups[v.Group].classes == nil {
		return 0
	}
	return t.groups[v.Group].classes[v.rule]
}

// Permits says whether a group's own rules permit the packet in one direction or the other.
func (t *Table) Permits(group int, f *packet.Flow) bool { return t.groups[group].rules.eitherWay(f) }

// Count adds one to the hit counter of the rule that gave the verdict.
func (t *Table) Count(v Verdict) {
	if v.Group < 0 || v.rule < 0 {
		return
	}
	g := &t.groups[v.Group]
	if v.local {
		g.local.hits[v.rule].Add(1)
	} else {
		g.rules.hits[v.rule].Add(1)
	}
}

// Hits returns the counters of a group's local and own rules.
func (t *Table) Hits(group int) (local, rules []uint64) {
	g := &t.groups[group]
	return g.local.counts(), g.rules.counts()
}

func (l *list) counts() []uint64 {
	out := make([]uint64, len(l.hits))
	for i := range l.hits {
		out[i] = l.hits[i].Load()
	}
	return out
}
