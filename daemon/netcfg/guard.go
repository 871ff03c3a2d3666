package netcfg

import (
	"net/netip"
	"slices"
	"strconv"

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
//	chain input    hook input    iif WAN: ESP, exempt flows, ICMP errors, IPv6 of the link accept; else in_0, in_1 ...
//	chain output   hook output   oif WAN: ICMP about ESP drop; our ESP (mark), exempt flows, IPv6 of the link accept; else out_0, out_1 ...
//	chain forward  hook forward  iif TUN oif WAN drop; iif WAN ICMP about ESP drop; GDOI accept; iif WAN: in_0 ...; oif WAN: out_0 ...
//	chain in_N, out_N            the access list of the Nth fail-closed group, first match: deny returns, permit drops
//	chain in_N_K                 another list of that group (Also, or the one before): permit goes to the next, deny returns
//
// Both lists are the policy as it stands: a packet that comes in clear is one that its sender should have protected. Only
// what is guarded before the policy is known differs: outwards any source to Protect, inwards Protect to Protect.
// A permit with a protocol or ports also drops the fragments that do not show theirs (matchHidden).
// A deny returns and does not accept: another group may protect the packet, as in the engine's table.
//
// A second table, `getvpn_NAME_live`, has input and forward for the fail-open groups that are registered. It belongs to
// the daemon's socket, so it ends with the daemon: a fail-open member that is dead accepts what others send in clear.
const (
	listIn  = "in_"
	listOut = "out_"
)

// chain is what packets of one direction meet for one group: lists of which each may let a packet pass.
type chain [][]verdict

// inward is the chain for packets that arrive in clear; empty: all may pass.
func (g Group) inward() chain {
	if g.AcceptClear {
		return nil
	}
	out := chain{verdicts(g, true)}
	for _, l := range g.Also {
		other := g
		other.Rules = l
		out = append(out, verdicts(other, true))
	}
	return g.alsoBefore(out, Group.inward)
}

// outward is the chain for packets that leave in clear.
func (g Group) outward() chain {
	if g.SendClear {
		return nil
	}
	return g.alsoBefore(chain{verdicts(g, false)}, Group.outward)
}

// alsoBefore lets pass what the policy before the one that is coming lets pass.
func (g Group) alsoBefore(c chain, of func(Group) chain) chain {
	if g.before != nil {
		old := of(*g.before)
		if old == nil {
			return nil
		}
		c = append(c, old...)
	}
	return slices.CompactFunc(c, func(a, b []verdict) bool { return slices.Equal(a, b) })
}

// verdicts is one group's list. IPv4 and IPv6 alike: what the data path cannot protect must not pass either.
func verdicts(g Group, inward bool) (out []verdict) {
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

// guardedGroups are those with a part in the guard, and of a fail-open one that is alive, in the live table.
func guardedGroups(groups []Group, live bool) (out []Group) {
	for _, g := range groups {
		if g.FailOpen == live && (!live || g.Registered) {
			out = append(out, g)
		}
	}
	return out
}

// fill writes the guard into its empty table.
func (c *Config) fill(b *batch, groups []Group) {
	forward := b.hook("forward")
	b.rule(forward, iif(c.TUN), oif(c.WAN), b.count(countOpened), drop())
	c.dropESPErrors(b, forward)
	groups = guardedGroups(groups, false)
	if len(groups) == 0 {
		return
	}
	input, output := b.hook("input"), b.hook("output")
	c.muteESPErrors(b, output)
	c.fillInward(b, forward, input, groups)
	b.rule(output, oif(c.WAN), mark(c.Mark), l4(protoESP), accept())
	c.exempt(b, output, oif(c.WAN))
	for i, g := range groups {
		if b.lists(listOut+strconv.Itoa(i), g.outward(), countOutward) {
			b.rule(forward, oif(c.WAN), jump(listOut+strconv.Itoa(i)))
			b.rule(output, oif(c.WAN), jump(listOut+strconv.Itoa(i)))
		}
	}
}

// exempt lets pass on the WAN what is never protected: what stays on the link, and what the member needs to get its keys.
func (c *Config) exempt(b *batch, h *hook, wan []expr.Any) {
	for _, m := range ofTheLink() {
		b.rule(h, wan, m, accept())
	}
	for _, f := range c.Exempt {
		for _, m := range flowMatches(f) {
			b.rule(h, wan, m, accept())
		}
	}
}

// fillLive writes the live table.
func (c *Config) fillLive(b *batch, groups []Group) {
	if groups = guardedGroups(groups, true); len(groups) > 0 {
		c.fillInward(b, b.hook("forward"), b.hook("input"), groups)
	}
}

func (c *Config) fillInward(b *batch, forward, input *hook, groups []Group) {
	b.rule(forward, betweenGDOI(), accept()) // of others, behind us or before us
	b.rule(input, iif(c.WAN), l4(protoESP), accept())
	for _, typ := range []byte{3, 11, 12} { // RFC 792: unreachable, time exceeded, parameter problem
		b.rule(input, iif(c.WAN), v4(), l4(protoICMP), transport(0, []byte{typ}), accept())
	}
	b.rule(input, iif(c.WAN), icmp6(1, 4), accept()) // RFC 4443 §2.1: the errors
	c.exempt(b, input, iif(c.WAN))
	for i, g := range groups {
		if b.lists(listIn+strconv.Itoa(i), g.inward(), countInward) {
			b.rule(forward, iif(c.WAN), jump(listIn+strconv.Itoa(i)))
			b.rule(input, iif(c.WAN), jump(listIn+strconv.Itoa(i)))
		}
	}
}
