package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getvpn/getvpn/gdoi/policy"
)

// decoder collects the mistakes of one file.
type decoder struct {
	file     string
	dir      string // relative paths start here
	lines    []string
	errs     []*Error
	warnings []string
	hints    []string
	listsAt  map[string][]*value // access lists by group, for what is said about them when all are known
	now      time.Time           // zero: the clock's; for the validity of certificates
	open     bool                // others than the owner may read the configuration file
	hidden   map[int]bool        // lines that no error shows
}

func (d *decoder) failAt(line, col int, format string, args ...any) {
	e := &Error{File: d.file, Line: line, Column: col, Text: fmt.Sprintf(format, args...)}
	if line >= 1 && line <= len(d.lines) {
		e.Source = strings.TrimRight(d.lines[line-1], "\r")
	}
	d.errs = append(d.errs, e)
}

func (d *decoder) fail(v *value, format string, args ...any) {
	d.failAt(v.line, v.col, format, args...)
}

func (d *decoder) warn(v *value, format string, args ...any) {
	d.warnings = append(d.warnings, fmt.Sprintf("%s:%d:%d: ", d.file, v.line, v.col)+fmt.Sprintf(format, args...))
}

// hide keeps the line of a value, which may have a secret in it, out of all errors.
func (d *decoder) hide(v *value) {
	if d.hidden == nil {
		d.hidden = map[int]bool{}
	}
	d.hidden[v.line] = true
	for _, p := range v.pairs {
		d.hide(p.key)
		d.hide(p.val)
	}
}

// err returns all mistakes in the order of their places.
func (d *decoder) err() error {
	for _, e := range d.errs {
		if d.hidden[e.Line] {
			e.Source = ""
		}
	}
	slices.SortStableFunc(d.errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	var errs []error
	for _, e := range d.errs {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// field is a key that a mapping may have.
type field struct {
	key      string
	required bool
	set      func(*value)
}

func opt(key string, set func(*value)) field  { return field{key, false, set} }
func must(key string, set func(*value)) field { return field{key, true, set} }

// object decodes a mapping; fields are set in the order in which they are listed here, not in the file's.
func (d *decoder) object(v *value, fields ...field) {
	if v.kind != mapping {
		d.fail(v, "expected a mapping (key: value), found %s", v.describe())
		return
	}
	have := map[string]*value{}
	for _, p := range v.pairs {
		have[p.key.text] = p.val
		if !slices.ContainsFunc(fields, func(f field) bool { return f.key == p.key.text }) {
			d.fail(p.key, "unknown key %q; %s", p.key.text, suggest(p.key.text, fields))
		}
	}
	var missing []string
	for _, f := range fields {
		val, ok := have[f.key]
		switch {
		case ok && val.bad:
		case ok && val.null():
			d.fail(val, "%s has no value", f.key)
		case ok:
			f.set(val)
		case f.required:
			missing = append(missing, f.key)
		}
	}
	if len(missing) > 0 {
		d.fail(v, "missing here: %s", strings.Join(missing, ", "))
	}
}

// suggest names the nearest known key, or all of them.
func suggest(key string, fields []field) string {
	var names []string
	best, bestDist := "", 3
	for _, f := range fields {
		names = append(names, f.key)
		if n := distance(key, f.key); n < bestDist {
			best, bestDist = f.key, n
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "known here: " + strings.Join(names, ", ")
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := min(row[j+1]+1, row[j]+1, diag)
			if a[i] != b[j] {
				next = min(row[j+1]+1, row[j]+1, diag+1)
			}
			diag, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

// list decodes each item of a sequence.
func (d *decoder) list(item func(*value)) func(*value) {
	return func(v *value) {
		if v.kind != sequence {
			d.fail(v, "expected a list, found %s", v.describe())
			return
		}
		for _, i := range v.items {
			item(i)
		}
	}
}

// word decodes a scalar with f, whose error is put at the value's place.
func word[T any](d *decoder, into *T, f func(string) (T, error)) func(*value) {
	return func(v *value) {
		if v.kind != scalar || v.null() {
			d.fail(v, "expected a value, found %s", v.describe())
			return
		}
		t, err := f(v.text)
		if err != nil {
			d.fail(v, "%s", trim(err))
			return
		}
		*into = t
	}
}

// trim takes package prefixes off an error's text: the place says enough.
func trim(err error) string {
	s := err.Error()
	for _, p := range []string{"gdoi: ", "suite: ", "policy: ", "pki: ", "netip: ", "coop: "} {
		s = strings.TrimPrefix(s, p)
	}
	return s
}

func (d *decoder) str(into *string) func(*value) {
	return word(d, into, func(s string) (string, error) {
		if s == "" {
			return "", errors.New("must not be empty")
		}
		return s, nil
	})
}

// name is a string that may stand in file names and consoles.
func (d *decoder) name(into *string) func(*value) {
	return word(d, into, func(s string) (string, error) {
		ok := s != "" && len(s) <= 64
		for _, r := range s {
			ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
		}
		if !ok || strings.HasPrefix(s, ".") {
			return "", fmt.Errorf("%q is not a name; use 1 to 64 letters, digits, dots and - _ signs", s)
		}
		return s, nil
	})
}

func (d *decoder) oneOf(into *string, words ...string) func(*value) {
	return word(d, into, func(s string) (string, error) {
		if !slices.Contains(words, s) {
			return "", fmt.Errorf("%q is not known here; use %s", s, strings.Join(words, " or "))
		}
		return s, nil
	})
}

func (d *decoder) boolean(into *bool) func(*value) {
	return word(d, into, func(s string) (bool, error) {
		switch s {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return false, fmt.Errorf("expected true or false, found %q", s)
	})
}

func (d *decoder) integer(into *int, lo, hi int) func(*value) {
	return word(d, into, func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < lo || n > hi {
			return 0, fmt.Errorf("expected a number from %d to %d, found %q", lo, hi, s)
		}
		return n, nil
	})
}

func (d *decoder) duration(into *time.Duration, lo, hi time.Duration) func(*value) {
	return word(d, into, func(s string) (time.Duration, error) { return period(s, lo, hi) })
}

func period(s string, lo, hi time.Duration) (time.Duration, error) {
	t, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; write 30s, 90m or 24h", s)
	}
	if t < lo || t > hi {
		return 0, fmt.Errorf("%s is out of range; use %s to %s", s, short(lo), short(hi))
	}
	return t, nil
}

// unread is what stands for seconds that could not be read: a default in their place is nobody's to mend.
const unread = -1

// seconds is a duration that travels in whole seconds.
func (d *decoder) seconds(into *time.Duration, lo, hi time.Duration) func(*value) {
	return func(v *value) {
		*into = unread
		word(d, into, func(s string) (time.Duration, error) {
			t, err := period(s, lo, hi)
			if err == nil && t%time.Second != 0 {
				err = fmt.Errorf("%s: lifetimes travel in whole seconds", s)
			}
			return t, err
		})(v)
	}
}

// short is a duration without needless zeros.
func short(t time.Duration) string {
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

const gdoiPort = 848

// endpoint is an address with a port; 848 if none is written.
func (d *decoder) endpoint(into *netip.AddrPort) func(*value) {
	return word(d, into, func(s string) (netip.AddrPort, error) {
		if a, err := netip.ParseAddr(s); err == nil {
			if rest, ok := strings.CutSuffix(s, ":848"); ok && a.Is6() {
				return netip.AddrPort{}, fmt.Errorf(`%s is an address without a port; write "[%s]:848" if 848 is the port, and "[%s]:848" if it is not`, s, rest, s)
			}
			return netip.AddrPortFrom(a, gdoiPort), routed(a)
		}
		ap, err := netip.ParseAddrPort(s)
		if err != nil || ap.Port() == 0 {
			return netip.AddrPort{}, fmt.Errorf(`%q is not an address; write 10.0.0.1, 10.0.0.1:848, 2001:db8::1 or "[2001:db8::1]:848" (in quotes)`, s)
		}
		return ap, routed(ap.Addr())
	})
}

// routed refuses addresses that GDOI cannot be spoken with across a network.
func routed(a netip.Addr) error {
	switch {
	case a.Zone() != "" || a.Is6() && a.IsLinkLocalUnicast():
		return fmt.Errorf("%s is good on one link only, and GDOI is routed; use a global or a unique local address (fd00::/8)", a)
	case a.Is4In6():
		return fmt.Errorf("%s is the IPv4 address %s; write that", a, a.Unmap())
	}
	return nil
}

// endpoints is one endpoint, or a list of two: one of IPv4 and one of IPv6.
func (d *decoder) endpoints(into *Endpoints) func(*value) {
	return eachFamily(d, into, (*decoder).endpoint, netip.AddrPort.Addr)
}

// eachFamily reads one item, or two of different address families, into IPv4's before IPv6's.
func eachFamily[L ~[]T, T any](d *decoder, into *L, item func(*decoder, *T) func(*value), addr func(T) netip.Addr) func(*value) {
	return func(v *value) {
		items := []*value{v}
		if v.kind == sequence {
			items = v.items
		}
		n := len(d.errs)
		var out L
		for _, i := range items {
			var x T
			item(d, &x)(i)
			out = append(out, x)
		}
		switch {
		case len(d.errs) > n:
			return
		case len(out) == 0 || len(out) > 2:
			d.fail(v, "write one address, or a list of two: one of IPv4 and one of IPv6")
			return
		case len(out) == 2 && addr(out[0]).Is4() == addr(out[1]).Is4():
			d.fail(v, "two addresses of one family; of each, IPv4 and IPv6, there is at most one")
			return
		case len(out) == 2 && addr(out[0]).Is6():
			slices.Reverse(out)
		}
		*into = out
	}
}

func (d *decoder) addr(into *netip.Addr) func(*value) {
	return word(d, into, func(s string) (netip.Addr, error) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return a, fmt.Errorf("%q is not an address; write 10.0.0.1 or 2001:db8::1", s)
		}
		return a, routed(a)
	})
}

// prefix is an address or a prefix.
func (d *decoder) prefix(into *netip.Prefix) func(*value) {
	return word(d, into, func(s string) (netip.Prefix, error) {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			return netip.PrefixFrom(a, a.BitLen()), nil
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return p, fmt.Errorf("%q is not an address or prefix; write 10.1.0.1, 10.1.0.0/16 or 2001:db8:1::/48", s)
		}
		if p.Addr().Is4In6() {
			return p, fmt.Errorf("%s maps IPv4 into IPv6; write the IPv4 prefix itself", p)
		}
		if p.Masked() != p {
			return p, fmt.Errorf("%s has bits set beyond its length; did you mean %s?", p, p.Masked())
		}
		return p, nil
	})
}

// rules decodes a list of access-list rules; a mistake is reported at its word.
func (d *decoder) rules(into *policy.List) func(*value) {
	return d.list(func(v *value) {
		if v.kind != scalar || v.null() {
			d.fail(v, "expected a rule as text, found %s", v.describe())
			return
		}
		r, err := policy.ParseRule(v.text)
		var pe *policy.Error
		switch {
		case errors.As(err, &pe) && !v.block:
			col := v.col + v.quote + utf8.RuneCountInString(v.text[:min(max(pe.Column-1, 0), len(v.text))])
			d.failAt(v.line, col, "%s", pe.Text)
		case err != nil:
			d.fail(v, "%s", trim(err))
		default:
			*into = append(*into, r)
		}
	})
}
