package widget

import (
	"fmt"
	"slices"
	"strings"
)

// Columns is which columns of a table somebody wants to see, by key, in order; empty: as the table has them.
type Columns []string

// ParseColumns changes a choice as a person says it: "state,drops" are those columns and no others, "-rtt" is as before
// without that one, "+rtt" with it. All is every column that the table has.
func ParseColumns(text string, now Columns, t *Table) (Columns, error) {
	all := t.Keys()
	var chosen Columns
	next := slices.Clone(now)
	if len(next) == 0 {
		next = all
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	for _, w := range words {
		name := strings.TrimLeft(w, "+-")
		if w == "all" {
			chosen = append(chosen, all...)
			continue
		}
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("no column %q here: %s", name, strings.Join(all, " "))
		}
		switch {
		case w[0] == '-':
			next = slices.DeleteFunc(next, func(k string) bool { return k == name })
			chosen = slices.DeleteFunc(chosen, func(k string) bool { return k == name })
		case w[0] == '+':
			if !slices.Contains(next, name) {
				next = append(next, name)
			}
		case !slices.Contains(chosen, name):
			chosen = append(chosen, name)
		}
	}
	if len(chosen) > 0 {
		next = chosen
	}
	if len(next) == 0 {
		return nil, fmt.Errorf("a table needs a column: %s", strings.Join(all, " "))
	}
	if slices.Equal(next, all) {
		return nil, nil
	}
	return next, nil
}

// Chosen lists the columns that are wanted, by index. What is wanted of another table is left out: those of one view differ a
// little with what there is to show.
func (t *Table) Chosen(s *Look) (out []int) {
	if s != nil {
		for _, k := range s.Columns {
			if i := slices.Index(t.Keys(), k); i >= 0 && !slices.Contains(out, i) {
				out = append(out, i)
			}
		}
	}
	if len(out) == 0 {
		for i := range t.Columns {
			out = append(out, i)
		}
	}
	return out
}
