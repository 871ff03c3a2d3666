package policy

import (
	"fmt"
	"net/netip"
	"strings"
)

// Level says how sure a Finding is.
type Level uint8

// Levels.
const (
	Hint    Level = iota // right in some networks
	Warning              // probably not what the operator wants
)

// String is the word in front of a printed finding.
func (l Level) String() string {
	if l == Warning {
		return "warning"
	}
	return "hint"
}

// Codes of findings; stable.
const (
	CodeUnreachable = "unreachable" // earlier rules match all of it
	CodeOverlap     = "overlap"     // a permit and a deny, or two SAs or groups, claim the same packets
	CodeAsymmetric  = "asymmetric"  // one direction only
	CodePorts       = "ports"       // does not fit into RFC 6407's SAT
	CodeLockOut     = "lock-out"    // encrypts what reaches devices that cannot decrypt
	CodeFamily      = "family"      // a protocol of the other address family
	CodeTooMany     = "too-many"    // more permits than existing products take
)

// Source is one access list of a group; the lists of a group are searched one after the other, as if they were one.
type Source struct {
	Name  string // of the SA; empty when the group has only one
	Rules List
}

// Finding is a rule that is valid but perhaps not what the operator wants.
type Finding struct {
	Level Level
	Code  string
	List  int    // index of the access list
	Index int    // of the rule in it, from 0; -1 for the group as a whole
	Rule  string // its text
	Text  string // what, why, what to do
	By    []int  // of an unreachable rule: those that match all of it first, counted from 0 over all access lists
}

// String is the text with the rule's number in its access list, from 1.
func (f Finding) String() string {
	if f.Index < 0 {
		return f.Text
	}
	return fmt.Sprintf("rule %d: %s", f.Index+1, f.Text)
}

// Surroundings is what a policy is judged against.
type Surroundings struct {
	// Servers are addresses of key servers: they hold no traffic keys.
	Servers []netip.Addr
}

// MaxPermits is how many permits a group has at most on existing products, over all its access lists.
const MaxPermits = 100

// Lint is the findings for one access list.
func (l List) Lint() []Finding { return Lint([]Source{{Rules: l}}, Surroundings{}) }

// Lint looks at the access lists of one group. Findings are in the order of the rules, those of the group as a whole last.
func Lint(lists []Source, around Surroundings) []Finding {
	j := &judge{around: around, told: map[string]bool{}}
	for i, s := range lists {
		for k, r := range s.Rules {
			j.all = append(j.all, r)
			j.at = append(j.at, where{i, k, s.Name})
		}
	}
	for i := range j.all {
		if j.unreachable(i) {
			continue
		}
		j.overlap(i)
		j.asymmetric(i)
		j.lockOut(i)
		j.family(i)
		if r := j.all[i]; r.Action == Permit && (!portFits(r.SrcPorts) || !portFits(r.DstPorts)) {
			j.say(i, Warning, CodePorts, "%s: members that do not know this implementation's access lists encrypt all ports; RFC 6407 can say one port or any", r)
		}
	}
	if n := len(j.all.Permits()); n > MaxPermits {
		j.out = append(j.out, Finding{Level: Warning, Code: CodeTooMany, Index: -1, Text: fmt.Sprintf(
			"%d permits; existing products take at most %d in a group: summarise prefixes", n, MaxPermits)})
	}
	return j.out
}

// where is where a rule of the effective list stands.
type where struct {
	list, index int
	name        string
}

// judge looks at the effective list: all access lists of a group, in order.
type judge struct {
	all    List
	at     []where
	around Surroundings
	told   map[string]bool // services whose lock-out has been reported
	out    []Finding
}

func (j *judge) say(i int, l Level, code, format string, args ...any) {
	j.out = append(j.out, Finding{
		Level: l, Code: code, List: j.at[i].list, Index: j.at[i].index, Rule: j.all[i].String(), Text: fmt.Sprintf(format, args...),
	})
}

// ref names a rule with its text, as seen from rule i.
func (j *judge) ref(i, other int) string {
	return fmt.Sprintf("%s (%s)", j.number(i, other), j.all[other])
}

func (j *judge) number(i, other int) string {
	n := fmt.Sprintf("rule %d", j.at[other].index+1)
	if j.at[other].list != j.at[i].list {
		n += " of " + j.at[other].name
	}
	return n
}

// unreachable: earlier rules, one or several together, match all of it.
func (j *judge) unreachable(i int) bool {
	r := j.all[i]
	for k, e := range j.all[:i] {
		if e.Covers(r) {
			what := "remove it"
			if e.Action != r.Action {
				what = "move it before that one, or remove it"
			}
			j.say(i, Warning, CodeUnreachable, "%s is never reached: %s matches all of it first; %s", r, j.ref(i, k), what)
			j.hidden(k)
			return true
		}
	}
	if len(r.box().left(j.all[:i])) > 0 {
		return false
	}
	var by []string
	var all []int
	for k, e := range j.all[:i] {
		if e.overlaps(r) {
			by, all = append(by, j.number(i, k)), append(all, k)
		}
	}
	j.say(i, Warning, CodeUnreachable, "%s is never reached: %s together match all of it first; move it up, or remove it", r, strings.Join(by, ", "))
	j.hidden(all...)
	return true
}

// hidden says which rules the last finding is about.
func (j *judge) hidden(by ...int) { j.out[len(j.out)-1].By = by }

// overlap: rules of different actions of which neither holds the other, so that order decides about a part of each.
// A deny that is meant as an exception is smaller than its permit, or says "any" where it is wider.
func (j *judge) overlap(i int) {
	r := j.all[i]
	for k, e := range j.all[:i] {
		if e.Covers(r) || r.Covers(e) || !e.reaches(r, j.all[:k]) {
			continue
		}
		switch {
		case e.Action == Permit && r.Action == Deny:
			j.say(i, Warning, CodeOverlap, "%s clears only a part of what it says: %s encrypts the rest first; put it before that one if it is meant as an exception", r, j.ref(i, k))
			return
		case e.Action == Deny && r.Action == Permit && crosses(e, r):
			j.say(i, Warning, CodeOverlap, "%s encrypts only a part of what it says: %s clears the rest first; write the prefixes of the two so that one holds the other", r, j.ref(i, k))
			return
		case e.Action == Permit && r.Action == Permit && j.at[i].list != j.at[k].list:
			j.say(i, Hint, CodeOverlap, "%s shares traffic with %s, whose SA protects what both match", r, j.ref(i, k))
			return
		}
	}
}

// crosses says whether a deny is wider than a permit at one end, without saying "any", and narrower at the other.
func crosses(deny, permit Rule) bool {
	if deny.Proto != 0 && deny.Proto != permit.Proto || !deny.SrcPorts.covers(permit.SrcPorts) || !deny.DstPorts.covers(permit.DstPorts) {
		return false
	}
	wider := func(d, p netip.Prefix) bool { return d.Bits() > 0 && d != p && covers(d, p) }
	narrower := func(d, p netip.Prefix) bool { return d != p && covers(p, d) }
	return wider(deny.Src, permit.Src) && narrower(deny.Dst, permit.Dst) || wider(deny.Dst, permit.Dst) && narrower(deny.Src, permit.Src)
}

// asymmetric: the answers to what a rule matches are treated otherwise.
func (j *judge) asymmetric(i int) {
	r := j.all[i]
	m := r.Mirror()
	if r.Action == Permit {
		// Nobody sends from a multicast address, so there are no answers.
		if !multicast(r.Dst) && !multicast(r.Src) && len(m.box().left(j.all.Permits())) > 0 {
			j.say(i, Warning, CodeAsymmetric, "%s encrypts one direction only; add %s", r, m)
		}
		return
	}
	if m == r {
		return
	}
	excepts := false // some permit would encrypt what the rule clears
	for k := i + 1; k < len(j.all); k++ {
		excepts = excepts || j.all[k].Action == Permit && r.reaches(j.all[k], j.all[:i])
	}
	for k, p := range j.all {
		if excepts && p.Action == Permit && m.reaches(p, j.all[:k]) {
			j.say(i, Warning, CodeAsymmetric, "%s clears one direction only: %s encrypts the answers; put %s before it", r, j.ref(i, k), m)
			return
		}
	}
}

// family: a protocol that the rule's address family does not have.
func (j *judge) family(i int) {
	r := j.all[i]
	v4 := r.Src.Addr().Is4()
	switch {
	case v4 && r.Proto == protoICMP6:
		j.say(i, Warning, CodeFamily, "%s matches nothing: icmp6 is IPv6's; write icmp for IPv4, or IPv6 places", r)
	case !v4 && (r.Proto == protoICMP || r.Proto == protoIGMP):
		j.say(i, Warning, CodeFamily, "%s matches nothing: %s is IPv4's, and its work in IPv6 is done by icmp6", r, protocolName(r.Proto))
	}
}

func multicast(p netip.Prefix) bool {
	return p.Addr().IsMulticast() && (p.Bits() >= 4 && p.Addr().Is4() || p.Bits() >= 8 && !p.Addr().Is4())
}

// portFits says whether a SAT can say it: RFC 6407 §5.5.1 has one port, 0 for any.
func portFits(r PortRange) bool { return r.Any() || r.Single() && r.Lo != 0 }
