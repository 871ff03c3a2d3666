package widget

import (
	"slices"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/tui/theme"
)

func letters() *Table {
	t := &Table{Len: 2, ID: func(i int) string { return "row " + string(rune('0'+i)) }}
	for _, k := range []string{"a", "b", "c", "d"} {
		t.Columns = append(t.Columns, Column{Title: " " + strings.ToUpper(k), Drop: 1, Min: 6, Cell: func(int) Cell { return Text(" " + k + k) }})
	}
	return t
}

func TestParseColumns(t *testing.T) {
	for _, c := range []struct {
		text string
		now  Columns
		want Columns
		says string
	}{
		{"a,b", nil, Columns{"a", "b"}, ""}, {"b a", nil, Columns{"b", "a"}, ""}, {"-c", nil, Columns{"a", "b", "d"}, ""}, {"a,b,-b", nil, Columns{"a"}, ""},
		{"+d", Columns{"c", "a"}, Columns{"c", "a", "d"}, ""}, {"-c", Columns{"c", "a"}, Columns{"a"}, ""}, {"all", Columns{"c"}, nil, ""},
		{"a,b,c,d", Columns{"c"}, nil, ""}, {"all,-d", nil, Columns{"a", "b", "c"}, ""}, {"a,a", nil, Columns{"a"}, ""},
		{"x", nil, nil, `no column "x" here: a b c d`}, {"-a", Columns{"a"}, nil, "needs a column"},
	} {
		got, err := ParseColumns(c.text, c.now, letters())
		if !slices.Equal(got, c.want) || (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q of %v: %v, %v", c.text, c.now, got, err)
		}
	}
}

func TestChosenColumns(t *testing.T) {
	th, err := theme.New("mono")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		look  Look
		width int
		head  string
	}{
		{"all", Look{Still: true}, 40, " A       B       C       D"},
		{"narrow: the last goes first", Look{Still: true}, 24, " A       B       C"},
		{"other order: the sign of the cursor has a place of its own", Look{Columns: Columns{"c", "a"}}, 40, "  C       A"},
		{"chosen and narrow", Look{Still: true, Columns: Columns{"d", "c", "b"}}, 16, "  D       C"},
		{"of another table", Look{Still: true, Columns: Columns{"x"}}, 40, " A       B       C       D"},
		{"wide, from the third on", Look{Still: true, Wide: true, Side: 2}, 24, " A       D"},
		{"wide, too far", Look{Still: true, Wide: true, Side: 20}, 24, " A       D"},
		{"wide: a column that is cut is on the screen", Look{Still: true, Wide: true}, 20, " A       B       C"},
	} {
		lines := letters().View(th, &c.look, c.width, 3)
		if got := strings.TrimRight(lines[0], " "); got != c.head {
			t.Errorf("%s: %q, want %q", c.name, got, c.head)
		}
		for _, l := range lines {
			if Width(l) != c.width {
				t.Errorf("%s: %d cells: %q", c.name, Width(l), l)
			}
		}
	}
	look := Look{Columns: Columns{"c", "a"}}
	letters().View(th, &look, 40, 3)
	if k := look.ColumnAt(letters(), 2); k != "c" {
		t.Errorf("at cell 2 is %q", k)
	}
}
