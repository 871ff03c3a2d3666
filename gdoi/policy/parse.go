package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ErrSyntax is what every Error wraps.
var ErrSyntax = errors.New("policy: not a rule")

// Error is a rule that cannot be understood: where, why, and what to write instead.
type Error struct {
	Line   int // of a list, from 1; 0 when a single rule was parsed
	Column int // of the offending word, in octets from 1
	Rule   string
	Text   string
}

// Error returns one line with place and reason.
func (e *Error) Error() string {
	where := fmt.Sprintf("column %d", e.Column)
	if e.Line > 0 {
		where = fmt.Sprintf("line %d, %s", e.Line, where)
	}
	return fmt.Sprintf("policy: %s of %q: %s", where, e.Rule, e.Text)
}

// Unwrap returns ErrSyntax.
func (e *Error) Unwrap() error { return ErrSyntax }

// ParseRule reads one rule; the error, if any, is an *Error.
func ParseRule(s string) (Rule, error) {
	p := &parser{text: s}
	r, err := p.rule()
	if err != nil {
		return Rule{}, err
	}
	return r, nil
}

// maxReported bounds the errors of one list: a list may come off the wire, and its error into the journal.
const maxReported = 20

// ParseList reads one rule a line. Empty lines and lines that start with # or ! say nothing. Bad lines are reported
// together (errors.Join of *Error), up to 20.
func ParseList(text string) (List, error) {
	var (
		l    List
		errs []error
	)
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, " \t\r")
		if s := strings.TrimLeft(line, " \t"); s == "" || s[0] == '#' || s[0] == '!' {
			continue
		}
		p := &parser{text: line, line: i + 1}
		r, err := p.rule()
		if err != nil {
			if errs = append(errs, err); len(errs) == maxReported {
				break
			}
			continue
		}
		l = append(l, r)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return l, nil
}

// parser walks over the words of one rule.
type parser struct {
	text string
	line int
	ip6  bool // the protocol was written as ipv6
	pos  int  // where the next word is looked for
	at   int  // where the current word starts
	word string
}

// next moves to the next word; "" at the end of the rule.
func (p *parser) next() string {
	i := p.pos
	for i < len(p.text) && (p.text[i] == ' ' || p.text[i] == '\t') {
		i++
	}
	j := i
	for j < len(p.text) && p.text[j] != ' ' && p.text[j] != '\t' {
		j++
	}
	p.at, p.pos, p.word = i, j, strings.ToLower(p.text[i:j])
	return p.word
}

// peek returns the next word without moving.
func (p *parser) peek() string {
	save := *p
	w := p.next()
	*p = save
	return w
}

func (p *parser) fail(format string, args ...any) error {
	return &Error{Line: p.line, Column: p.at + 1, Rule: p.text, Text: fmt.Sprintf(format, args...)}
}

// place is a parsed place; wild says that "any" was written and the family is still open.
type place struct {
	prefix netip.Prefix
	wild   bool
}

func (p *parser) rule() (r Rule, err error) {
	switch p.next() {
	case "permit":
		r.Action = Permit
	case "deny":
		r.Action = Deny
	case "":
		return r, p.fail(`the rule is empty; write, for example, "permit ip 10.0.0.0/8 10.0.0.0/8"`)
	default:
		return r, p.fail(`%q is not an action; a rule starts with permit (encrypt) or deny (send in clear)`, p.word)
	}
	if r.Proto, err = p.protocol(); err != nil {
		return r, err
	}
	src, err := p.place("source")
	if err != nil {
		return r, err
	}
	if r.SrcPorts, err = p.ports(r.Proto); err != nil {
		return r, err
	}
	dst, err := p.place("destination")
	if err != nil {
		return r, err
	}
	dstAt := p.at
	if r.DstPorts, err = p.ports(r.Proto); err != nil {
		return r, err
	}
	switch p.next() {
	case "":
	case "fragments":
		return r, p.fail("fragments is not supported: a later fragment has no ports, so it matches the rules for any port, and no others")
	default:
		return r, p.fail("%q is left over; the rule ends after the destination and its ports", p.word)
	}
	r.Src, r.Dst = src.prefix, dst.prefix
	if src.wild && dst.wild && (p.ip6 || r.Proto == protoICMP6) {
		r.Src, r.Dst = any6, any6
	}
	if src.wild && !dst.wild && dst.prefix.Addr().Is6() {
		r.Src = any6
	}
	if dst.wild && !src.wild && src.prefix.Addr().Is6() {
		r.Dst = any6
	}
	if p.ip6 && (r.Src.Addr().Is4() || r.Dst.Addr().Is4()) {
		p.at = dstAt
		return r, p.fail("the protocol is ipv6 and a place is IPv4; write ip for IPv4")
	}
	if r.Src.Addr().Is4() != r.Dst.Addr().Is4() {
		p.at = dstAt
		return r, p.fail("source and destination are of different address families; write one rule for IPv4 and one for IPv6")
	}
	return r, nil
}

func (p *parser) protocol() (uint8, error) {
	w := p.next()
	if w == "" {
		return 0, p.fail("the protocol is missing; write ip or ipv6 for any, or tcp, udp, icmp, ..., or a number")
	}
	if w == wordIPv6 {
		p.ip6 = true
		return 0, nil
	}
	if n, ok := lookup(protocols, w); ok {
		return uint8(n), nil
	}
	n, err := strconv.ParseUint(w, 10, 8)
	if err != nil {
		return 0, p.fail("%q is not a protocol; known are ipv6 %s, and numbers 0 to 255", w, nameList(protocols))
	}
	return uint8(n), nil
}

func (p *parser) place(what string) (place, error) {
	switch w := p.next(); {
	case w == "":
		return place{}, p.fail("the %s is missing; write any, host ADDRESS or a prefix such as 10.0.0.0/8", what)
	case w == "any":
		return place{any4, true}, nil
	case w == "any4":
		return place{any4, false}, nil
	case w == "any6":
		return place{any6, false}, nil
	case w == "host":
		if p.next() == "" {
			return place{}, p.fail("an address must follow host")
		}
		a, err := netip.ParseAddr(p.word)
		if err != nil || a.Zone() != "" || a.Is4In6() {
			return place{}, p.fail("%q is not an address; host takes one such as 10.1.2.3 or 2001:db8::1", p.word)
		}
		return place{netip.PrefixFrom(a, a.BitLen()), false}, nil
	default:
		x, err := p.prefix(what)
		return place{x, false}, err
	}
}

func (p *parser) prefix(what string) (netip.Prefix, error) {
	x, err := netip.ParsePrefix(p.word)
	if err == nil && x.Addr().Is4In6() {
		return x, p.fail("%q maps IPv4 into IPv6; write the IPv4 prefix itself", p.word)
	}
	if err == nil && x.Masked() != x {
		return x, p.fail("%s has bits set beyond its length; did you mean %s?", x, x.Masked())
	}
	if err == nil {
		return x, nil
	}
	a, aerr := netip.ParseAddr(p.word)
	if aerr != nil {
		return x, p.fail("%q is not a %s; write any, host ADDRESS or a prefix such as 10.0.0.0/8", p.word, what)
	}
	if mask, merr := netip.ParseAddr(p.peek()); merr == nil {
		return x, p.fail("wildcards and masks are not supported; write %s in place of %s %s", suggest(a, mask), a, mask)
	}
	return x, p.fail("%s has no prefix length; write host %s or %s/%d", a, a, a, a.BitLen())
}

// suggest turns an address with a wildcard or a netmask into what to write, if that is possible.
func suggest(a, mask netip.Addr) string {
	const never = "a prefix such as 10.0.0.0/8 (several rules, if the mask has holes)"
	if !a.Is4() || !mask.Is4() {
		return never
	}
	if a == netip.IPv4Unspecified() {
		return "any"
	}
	m := mask.As4()
	v := uint32(m[0])<<24 | uint32(m[1])<<16 | uint32(m[2])<<8 | uint32(m[3])
	if m[0]&0x80 != 0 { // a netmask starts with a one, a wildcard with a zero
		v = ^v
	}
	if v&(v+1) != 0 {
		return never
	}
	bits := 32
	for ; v != 0; v >>= 1 {
		bits--
	}
	return netip.PrefixFrom(a, bits).Masked().String()
}

func (p *parser) ports(proto uint8) (PortRange, error) {
	op := p.peek()
	switch op {
	case "eq", "range", "lt", "gt":
		p.next()
	case "neq":
		p.next()
		return AnyPort, p.fail("neq is not supported; write an opposite rule with eq before this one")
	default:
		return AnyPort, nil
	}
	if !hasPorts(proto) {
		return AnyPort, p.fail("protocol %s has no ports; only tcp, udp, sctp, dccp and udplite have", protocolName(proto))
	}
	a, err := p.port()
	if err != nil {
		return AnyPort, err
	}
	switch op {
	case "lt":
		if a == 0 {
			return AnyPort, p.fail("no port is less than 0")
		}
		return PortRange{0, a - 1}, nil
	case "gt":
		if a == 65535 {
			return AnyPort, p.fail("no port is greater than 65535")
		}
		return PortRange{a + 1, 65535}, nil
	case "range":
		b, err := p.port()
		if err != nil {
			return AnyPort, err
		}
		if b < a {
			return AnyPort, p.fail("the range ends before it starts; write range %d %d", b, a)
		}
		return PortRange{a, b}, nil
	}
	return PortRange{a, a}, nil
}

func (p *parser) port() (uint16, error) {
	w := p.next()
	if n, ok := lookup(ports, w); ok {
		return n, nil
	}
	n, err := strconv.ParseUint(w, 10, 16)
	if err != nil {
		return 0, p.fail("%q is not a port; write 0 to 65535, or one of %s", w, nameList(ports))
	}
	return uint16(n), nil
}
