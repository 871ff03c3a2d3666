package app

import (
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/widget"
)

// head is the header of the table on the screen, in words.
func head(m *Model) []string {
	for _, l := range strings.Split(ansi.Strip(m.View()), "\n") {
		if strings.Contains(l, "MEMBER ") || strings.Contains(l, " MEMBER") && strings.Contains(l, "STATE") {
			return strings.Fields(l)
		}
	}
	return nil
}

// TestColumns: columns are chosen by command and in the list, stay while views change, and are what the next console gets.
func TestColumns(t *testing.T) {
	m := model(t, 100, 30)
	press(m, "2")
	m.execute("columns member,drops,state")
	if got := head(m); !slices.Equal(got, []string{"MEMBER", "DROPS", "STATE"}) {
		t.Errorf("after the command: %v", got)
	}
	press(m, "3", "2", "f")
	if !strings.Contains(m.View(), "[x] drops") || !strings.Contains(m.View(), "[ ] group") {
		t.Fatalf("the list is not there:\n%s", ansi.Strip(m.View()))
	}
	press(m, "down", "K", "down", "down", "space", "enter") // drops to the front, and state away
	if got := head(m); !slices.Equal(got, []string{"DROPS", "MEMBER"}) {
		t.Errorf("after the list: %v", got)
	}
	if got := m.Columns()["members"]; !slices.Equal(got, []string{"drops", "member"}) {
		t.Errorf("the next console gets %v", got)
	}
	press(m, "f", "space", "d", "esc") // left with esc: all as before
	if got := head(m); !slices.Equal(got, []string{"DROPS", "MEMBER"}) {
		t.Errorf("after esc: %v", got)
	}
	m.execute("columns nothing")
	if !strings.Contains(m.View(), `no column "nothing" here`) {
		t.Error("a wrong name is not told")
	}
	m.execute("columns all")
	if len(m.Columns()) != 0 {
		t.Errorf("what the view has by itself is kept as a choice: %v", m.Columns())
	}
	again := New(t.Context(), noSource{}, Options{Theme: m.theme, Columns: map[string]widget.Columns{"members": {"state", "member"}}})
	again.Update(fleetMsg{sourcetest.Fleet()})
	press(again, "2")
	if got := head(again); !slices.Equal(got, []string{"STATE", "MEMBER"}) {
		t.Errorf("what was kept shows %v", got)
	}
}

// TestLastColumnStays: a table without columns would be one without rows to choose.
func TestLastColumnStays(t *testing.T) {
	m := model(t, 100, 30)
	press(m, "2")
	m.execute("columns state")
	press(m, "f", "space", "enter")
	if got := m.Columns()["members"]; !slices.Equal(got, []string{"state"}) {
		t.Errorf("%v", got)
	}
}

// TestWide: all columns, and those at the end come on the screen.
func TestWide(t *testing.T) {
	m := model(t, 80, 24)
	press(m, "2", "}")
	if !strings.Contains(m.View(), "w makes it wide") {
		t.Error("sideways without wide says nothing")
	}
	narrow := head(m)
	if slices.Contains(narrow, "REGS") {
		t.Fatal("80 cells have room for all columns")
	}
	press(m, "w")
	for range 9 {
		press(m, "}")
	}
	if got := head(m); got[0] != "MEMBER" || !slices.Contains(got, "REGS") {
		t.Errorf("%v", got)
	}
	press(m, "w")
	if got := head(m); !slices.Equal(got, narrow) {
		t.Errorf("narrow again: %v", got)
	}
}
