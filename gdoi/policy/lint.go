package policy

import "fmt"

// Warning is a rule that is valid but probably not what the operator wants.
type Warning struct {
	Index int // of the rule, from 0; -1 for the list as a whole
	Text  string
}

// String returns the warning with the rule's number, from 1.
func (w Warning) String() string {
	if w.Index < 0 {
		return w.Text
	}
	return fmt.Sprintf("rule %d: %s", w.Index+1, w.Text)
}

const gdoiPort = 848

// Lint returns warnings in the order of the rules.
func (l List) Lint() []Warning {
	var out []Warning
	warn := func(i int, format string, args ...any) {
		out = append(out, Warning{i, fmt.Sprintf(format, args...)})
	}
	for i, r := range l {
		for j, e := range l[:i] {
			if e.Covers(r) {
				warn(i, "%s is never reached: rule %d (%s) matches all of it first", r, j+1, e)
				break
			}
		}
		if r.Action == Permit && !l.mirrored(r.Mirror()) {
			warn(i, "%s encrypts one direction only; add %s", r, r.Mirror())
		}
		if r.Action == Permit && (!portFits(r.SrcPorts) || !portFits(r.DstPorts)) {
			warn(i, "%s: members that do not know this implementation's access lists encrypt all ports; RFC 6407 can say one port or any", r)
		}
	}
	if i, ok := l.encryptsGDOI(); ok {
		warn(i, "%s encrypts GDOI itself; put \"deny udp any eq 848 any eq 848\" before it", l[i])
	}
	return out
}

// portFits says whether a SAT can say it: RFC 6407 §5.5.1 has one port, 0 for any.
func portFits(r PortRange) bool { return r.Any() || r.Single() && r.Lo != 0 }

// mirrored says whether some permit covers the whole of m.
func (l List) mirrored(m Rule) bool {
	for _, r := range l {
		if r.Action == Permit && r.Covers(m) {
			return true
		}
	}
	return false
}

// encryptsGDOI finds a permit that GDOI packets between addresses of its own prefixes reach.
func (l List) encryptsGDOI() (int, bool) {
	for i, r := range l {
		if r.Action != Permit {
			continue
		}
		g := r
		g.Proto, g.SrcPorts, g.DstPorts = protoUDP, PortRange{gdoiPort, gdoiPort}, PortRange{gdoiPort, gdoiPort}
		if !r.Covers(g) {
			continue
		}
		exempt := false
		for _, e := range l[:i] {
			exempt = exempt || e.Action == Deny && e.Covers(g)
		}
		if !exempt {
			return i, true
		}
	}
	return 0, false
}
