package widget

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/theme"
)

func mono(t testing.TB) *theme.Theme {
	t.Helper()
	th, err := theme.New("mono")
	if err != nil {
		t.Fatal(err)
	}
	return th
}

type animal struct {
	name  string
	level theme.Level
	state string
	drops int
}

func zoo() *Table {
	all := []animal{
		{"gm10", theme.Good, "registered", 5}, {"gm2", theme.Broken, "LOST", 12}, {"gm1", theme.Good, "registered", 40}, {"ams1", theme.Caution, "re-registering", 0}, {"x", theme.Neutral, "-", -1},
	}
	t := &Table{Len: len(all), ID: func(i int) string { return all[i].name }}
	t.Columns = []Column{
		{Title: " NAME", Cell: func(i int) Cell { return Text(" " + all[i].name) }},
		{Title: "STATE", Cell: func(i int) Cell { return State(all[i].level, all[i].state) }},
		{Title: "DROPS", Right: true, Drop: 1, Cell: func(i int) Cell {
			if all[i].drops < 0 {
				return None()
			}
			return Short(all[i].drops)
		}},
	}
	return t
}

func ids(t *Table, s *Look) string {
	var out []string
	for _, i := range s.Rows(t) {
		out = append(out, t.ID(i))
	}
	return strings.Join(out, " ")
}

func TestFilter(t *testing.T) {
	for _, row := range []struct{ filter, want string }{
		{"", "gm10 gm2 gm1 ams1 x"}, {"lost", "gm2"}, {"!ams", "gm10 gm2 gm1 x"}, {"gm !lost", "gm10 gm1"},
		{"state=lost", "gm2"}, {"state=LOST drops>10", "gm2"}, {"state=lost drops>12", ""}, {"drops>=5", "gm10 gm2 gm1"}, {"drops<5", "ams1"}, {"drops=40", "gm1"},
		{"state=re*", "gm10 gm1 ams1"}, {"state~register", "gm10 gm1 ams1"}, {"state!=registered", "gm2 ams1 x"}, {"!state=registered", "gm2 ams1 x"},
		{"drops>0.01k", "gm2 gm1"}, {"dr>10", "gm2 gm1"}, {"drops>", "gm10 gm2 gm1 ams1 x"}, {"!", "gm10 gm2 gm1 ams1 x"}, {`name="gm1"`, "gm1"},
		{"none=5", ""},
	} {
		s := &Look{Filter: row.filter}
		if got := ids(zoo(), s); got != row.want {
			t.Errorf("%q leaves %q, want %q", row.filter, got, row.want)
		}
		if wrong := row.filter == "none=5"; (s.Wrong != nil) != wrong {
			t.Errorf("%q: %v", row.filter, s.Wrong)
		}
	}
	if n, ok := Quantity("50ms"); !ok || n != 0.05 {
		t.Errorf("50ms is %v", n)
	}
}

func TestSort(t *testing.T) {
	for _, row := range []struct {
		sort string
		desc bool
		want string
	}{
		{"name", false, "ams1 gm1 gm2 gm10 x"}, {"name", true, "x gm10 gm2 gm1 ams1"}, {"drops", false, "ams1 gm10 gm2 gm1 x"}, {"drops", true, "gm1 gm2 gm10 ams1 x"},
		{"state", false, "gm2 ams1 gm10 gm1 x"}, {"nothing", false, "gm10 gm2 gm1 ams1 x"},
	} {
		if got := ids(zoo(), &Look{Sort: row.sort, Desc: row.desc}); got != row.want {
			t.Errorf("by %s, reversed %t: %q, want %q", row.sort, row.desc, got, row.want)
		}
	}
}

// TestCursorKeepsItsRow: a table made anew in another order leaves the cursor on its object.
func TestCursorKeepsItsRow(t *testing.T) {
	table, s := zoo(), &Look{}
	s.Move(table, 2)
	if s.ID != "gm1" {
		t.Fatalf("the cursor is on %q", s.ID)
	}
	s.Sort = "drops"
	again := zoo()
	if at := s.Cursor(again); at != 3 || again.ID(s.Row(again)) != "gm1" {
		t.Errorf("the cursor is at %d, on %q", at, again.ID(s.Row(again)))
	}
	s.Filter = "ams"
	if s.Row(again) != 3 {
		t.Errorf("the only row is not chosen: %d", s.Row(again))
	}
	s.Filter = "nobody"
	if s.Row(again) != -1 {
		t.Error("a row of an empty table is chosen")
	}
	s.Move(again, 1)
	s.Mark(again)
}

// TestView: every line is as wide as asked, columns go when there is no room, and the cursor is seen without colours.
func TestView(t *testing.T) {
	table, s := zoo(), &Look{}
	s.Move(table, 4)
	for _, size := range [][2]int{{60, 6}, {24, 4}, {10, 3}, {60, 2}} {
		lines := table.View(mono(t), s, size[0], size[1])
		if len(lines) > size[1] {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, l := range lines {
			if w := ansi.StringWidth(l); w != size[0] {
				t.Errorf("%v: a line of %d cells: %q", size, w, l)
			}
		}
		if last := ansi.Strip(lines[len(lines)-1]); !strings.HasPrefix(last, "›x") {
			t.Errorf("%v: the cursor is not in sight: %q", size, last)
		}
		if wide := strings.Contains(lines[0], "DROPS"); wide != (size[0] > 24) {
			t.Errorf("%v: header %q", size, lines[0])
		}
	}
	s.Mark(table)
	s.Move(table, -1)
	if text := ansi.Strip(strings.Join(table.View(mono(t), s, 60, 9), "\n")); !strings.Contains(text, "✓x") || !strings.Contains(text, "›ams1") {
		t.Errorf("mark and cursor:\n%s", text)
	}
}

// TestOnlyWhatIsSeen: a large table asks for the cells on the screen, not for all of them.
func TestOnlyWhatIsSeen(t *testing.T) {
	asked := 0
	table := &Table{Len: 10_000, ID: func(i int) string { return fmt.Sprint(i) }, Columns: []Column{{Title: "N", Cell: func(i int) Cell { asked++; return Int(i) }}}}
	s := &Look{}
	table.View(mono(t), s, 80, 24)
	s.Move(table, 5000)
	table.View(mono(t), s, 80, 24)
	if asked > 4*23 {
		t.Errorf("%d cells were asked for to draw two screens of 23", asked)
	}
}

func TestFollow(t *testing.T) {
	n := 3
	table := func() *Table {
		return &Table{Len: n, Follows: true, ID: func(i int) string { return fmt.Sprint(i) }, Columns: []Column{{Title: "N", Cell: func(i int) Cell { return Int(i) }}}}
	}
	s := &Look{Follow: true}
	if s.Row(table()) != 2 {
		t.Error("it does not begin at the end")
	}
	n = 5
	if s.Row(table()) != 4 {
		t.Error("it did not follow")
	}
	s.Move(table(), -1)
	n = 7
	if s.Row(table()) != 3 {
		t.Error("who went back is carried away")
	}
	s.Move(table(), 10)
	n = 9
	if s.Row(table()) != 8 {
		t.Error("who came to the end is not carried along")
	}
}
