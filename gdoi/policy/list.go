package policy

import (
	"errors"
	"fmt"
	"strings"
)

// MaxRules bounds a list. All rules, twice over (two epochs of keys), must fit into one GROUPKEY-PULL datagram;
// existing products stop at 100 as well.
const MaxRules = 100

// ErrInvalid is what List.Validate and List.WithLocal wrap.
var ErrInvalid = errors.New("policy: invalid access list")

// List is an ordered access list.
type List []Rule

// Lookup returns the action of the first rule that matches and its index; with no match, Deny and -1.
func (l List) Lookup(p Packet) (Action, int) {
	for i, r := range l {
		if r.Match(p) {
			return r.Action, i
		}
	}
	return Deny, -1
}

// String returns the rules one a line, without a newline at the end.
func (l List) String() string {
	lines := make([]string, len(l))
	for i, r := range l {
		lines[i] = r.String()
	}
	return strings.Join(lines, "\n")
}

// Strings returns the canonical text of each rule.
func (l List) Strings() []string {
	lines := make([]string, len(l))
	for i, r := range l {
		lines[i] = r.String()
	}
	return lines
}

// Permits returns the rules that encrypt, in order: the selectors of the group's security associations.
func (l List) Permits() List {
	var out List
	for _, r := range l {
		if r.Action == Permit {
			out = append(out, r)
		}
	}
	return out
}

// Equal says whether both lists hold the same rules in the same order.
func (l List) Equal(o List) bool {
	if len(l) != len(o) {
		return false
	}
	for i := range l {
		if l[i] != o[i] {
			return false
		}
	}
	return true
}

// WithLocal puts a member's own exceptions before the group's list. Local rules may only deny: a permit that the
// group does not know would encrypt to members that drop it.
func (l List) WithLocal(local List) (List, error) {
	for i, r := range local {
		if r.Action != Deny {
			return nil, fmt.Errorf("%w: local rule %d (%s): only deny rules may be local; a permit belongs into the group's policy on the key server", ErrInvalid, i+1, r)
		}
	}
	out := make(List, 0, len(local)+len(l))
	return append(append(out, local...), l...), nil
}

// Validate says whether the list can be a group's policy.
func (l List) Validate() error {
	if len(l) == 0 {
		return fmt.Errorf(`%w: it is empty; write at least one permit rule, "permit ip 10.0.0.0/8 10.0.0.0/8"`, ErrInvalid)
	}
	if len(l) > MaxRules {
		return fmt.Errorf("%w: %d rules; at most %d fit into a registration, so summarise prefixes", ErrInvalid, len(l), MaxRules)
	}
	for i, r := range l {
		if err := r.validate(); err != nil {
			return fmt.Errorf("%w: rule %d: %w", ErrInvalid, i+1, err)
		}
	}
	if len(l.Permits()) == 0 {
		return fmt.Errorf("%w: no permit rule, so nothing would be encrypted", ErrInvalid)
	}
	return nil
}

func (r Rule) validate() error {
	switch {
	case r.Action > Permit:
		return fmt.Errorf("unknown action %d", r.Action)
	case !r.Src.IsValid() || !r.Dst.IsValid():
		return errors.New("source or destination is not set")
	case r.Src.Masked() != r.Src || r.Dst.Masked() != r.Dst:
		return errors.New("a prefix has bits set beyond its length")
	case r.Src.Addr().Is4In6() || r.Dst.Addr().Is4In6():
		return errors.New("IPv4 mapped into IPv6")
	case r.Src.Addr().Is4() != r.Dst.Addr().Is4():
		return errors.New("source and destination are of different address families")
	case r.SrcPorts.Lo > r.SrcPorts.Hi || r.DstPorts.Lo > r.DstPorts.Hi:
		return errors.New("a port range ends before it starts")
	case !hasPorts(r.Proto) && (!r.SrcPorts.Any() || !r.DstPorts.Any()):
		return fmt.Errorf("protocol %s has no ports", protocolName(r.Proto))
	}
	return nil
}
