package widget

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Filter is what rows must satisfy: all of its terms. The words of a filter, separated by blanks:
//
//	lost             a cell contains it, whatever its case
//	!lost            none does
//	state=lost       the column is that; * stands for anything
//	state!=lost      it is not
//	text~window      the column contains it
//	drops>10         numbers: > >= < <=, with units: 10k, 2M, 50ms, 5m, 1h
//	"two words"      quotes keep blanks
type Filter struct{ terms []term }

type term struct {
	not   bool
	key   string // "" for any column
	op    string
	value string
	num   float64
	isNum bool
}

// operators, the longer first.
var operators = []string{">=", "<=", "!=", "=", ">", "<", "~"}

// ParseFilter reads a filter for a table with the columns of these keys. It fails for a column that there is not; what it
// returns then takes the word as text.
func ParseFilter(text string, keys []string) (*Filter, error) {
	f := &Filter{}
	var wrong error
	for _, word := range words(text) {
		t := term{value: strings.ToLower(word)}
		if rest, ok := strings.CutPrefix(word, "!"); ok {
			t.not, word, t.value = true, rest, strings.ToLower(rest)
		}
		if word == "" {
			continue
		}
		if key, op, value, ok := split(word); ok {
			if col, ok := column(key, keys); ok {
				t.key, t.op, t.value = col, op, strings.ToLower(value)
				t.num, t.isNum = Quantity(value)
				if value == "" && op != "=" && op != "!=" {
					continue // not typed to its end
				}
			} else {
				wrong = fmt.Errorf("no column %q here: %s", key, strings.Join(keys, " "))
			}
		}
		f.terms = append(f.terms, t)
	}
	return f, wrong
}

// words splits at blanks outside of quotes, and drops the quotes.
func words(s string) (out []string) {
	var b strings.Builder
	quoted, any := false, false
	flush := func() {
		if any {
			out = append(out, b.String())
		}
		b.Reset()
		any = false
	}
	for _, r := range s {
		switch {
		case r == '"':
			quoted, any = !quoted, true
		case r == ' ' && !quoted:
			flush()
		default:
			b.WriteRune(r)
			any = true
		}
	}
	flush()
	return out
}

// split takes a word apart at its first operator.
func split(word string) (key, op, value string, ok bool) {
	at := strings.IndexAny(word, "=<>~!")
	if at <= 0 {
		return "", "", "", false
	}
	for _, o := range operators {
		if strings.HasPrefix(word[at:], o) {
			return word[:at], o, word[at+len(o):], true
		}
	}
	return "", "", "", false
}

// column finds a key by its name, or by a beginning that no other has.
func column(name string, keys []string) (string, bool) {
	name, found := strings.ToLower(name), ""
	for _, k := range keys {
		if k == name {
			return k, true
		}
		if strings.HasPrefix(k, name) {
			if found != "" {
				return "", false
			}
			found = k
		}
	}
	return found, found != ""
}

// units of quantities; times are seconds.
var units = []struct {
	suffix string
	factor float64
}{{"ms", 1e-3}, {"us", 1e-6}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"%", 0.01}}

// Quantity reads a number with or without a unit.
func Quantity(s string) (float64, bool) {
	factor := 1.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok && rest != "" {
			s, factor = rest, u.factor
			break
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	return n * factor, err == nil
}

// Empty says that the filter lets everything through.
func (f *Filter) Empty() bool { return len(f.terms) == 0 }

// textual says whether some term looks at whole rows.
func (f *Filter) textual() bool {
	for i := range f.terms {
		if f.terms[i].key == "" {
			return true
		}
	}
	return false
}

// match says whether a row passes: text is all of it in small letters, cell one of its cells.
func (f *Filter) match(text string, cell func(key string) Cell) bool {
	for i := range f.terms {
		t := &f.terms[i]
		ok := false
		if t.key == "" {
			ok = strings.Contains(text, t.value)
		} else {
			ok = t.fits(cell(t.key))
		}
		if ok == t.not {
			return false
		}
	}
	return true
}

// fits compares a cell with the term's value.
func (t *term) fits(c Cell) bool {
	text := strings.ToLower(strings.TrimSpace(c.plain()))
	switch t.op {
	case "~":
		return strings.Contains(text, t.value)
	case "=":
		return t.equal(c, text)
	case "!=":
		return !t.equal(c, text)
	}
	if c.missing() || c.IsNum != t.isNum {
		return false
	}
	d := float64(strings.Compare(text, t.value))
	if c.IsNum {
		d = c.Num - t.num
	}
	switch t.op {
	case ">":
		return d > 0
	case ">=":
		return d >= 0
	case "<":
		return d < 0
	}
	return d <= 0
}

func (t *term) equal(c Cell, text string) bool {
	if c.IsNum && t.isNum {
		return c.Num == t.num || text == t.value
	}
	if strings.Contains(t.value, "*") {
		ok, err := path.Match(t.value, text)
		return ok && err == nil
	}
	return text == t.value
}
