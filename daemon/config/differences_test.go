package config

import (
	"strings"
	"testing"
)

func TestDifferences(t *testing.T) {
	for _, row := range []struct{ name, was, is, fresh, gone string }{
		{"the same", "a: 1\nb: 2", "a: 1\nb: 2", "", ""},
		{"changed", "a: 1\n  b: 2", "a: 1\n  b: 3\nc: 4", "b: 3|c: 4", "b: 2"},
		{"gone", "a: 1\nb: 2", "a: 1", "", "b: 2"},
	} {
		fresh, gone := Differences(row.was, row.is)
		if strings.Join(fresh, "|") != row.fresh || strings.Join(gone, "|") != row.gone {
			t.Errorf("%s: %q, %q", row.name, fresh, gone)
		}
	}
}
