package app

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"

	"github.com/getvpn/getvpn/tui/action"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/view"
)

var update = flag.Bool("update", false, "rewrite the golden screens")

// TestMain sets the time zone of the screens before anything runs.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

type noSource struct{}

func (noSource) Next(ctx context.Context) (*source.Fleet, bool) { <-ctx.Done(); return nil, false }

// bare is a console that has not heard of anything yet.
func bare(t *testing.T) *Model {
	t.Helper()
	th, err := theme.New("dark")
	if err != nil {
		t.Fatal(err)
	}
	m := New(t.Context(), noSource{}, Options{Theme: th, Write: true})
	m.now = func() time.Time { return sourcetest.Now }
	return m
}

func model(t *testing.T, w, h int) *Model {
	t.Helper()
	m := bare(t)
	m.Update(tea.WindowSizeMsg{Width: w, Height: h})
	m.Update(fleetMsg{sourcetest.Fleet()})
	return m
}

// named are the keys that write nothing.
var named = map[string]tea.KeyType{
	"enter": tea.KeyEnter, "esc": tea.KeyEsc, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "backspace": tea.KeyBackspace, "up": tea.KeyUp, "down": tea.KeyDown, "tab": tea.KeyTab,
	"ctrl+right": tea.KeyCtrlRight, "ctrl+left": tea.KeyCtrlLeft,
}

func keyMsg(k string) tea.KeyMsg {
	if t, ok := named[k]; ok {
		return tea.KeyMsg{Type: t}
	}
	if k == "space" {
		return tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
}

func press(m *Model, keys ...string) tea.Cmd {
	var cmd tea.Cmd
	for _, k := range keys {
		_, cmd = m.Update(keyMsg(k))
	}
	return cmd
}

var sizes = []struct {
	name string
	w, h int
}{{"60x20", 60, 20}, {"80x24", 80, 24}, {"132x43", 132, 43}, {"200x60", 200, 60}}

// screens are what people see, and the keys that lead there. What must be on the screen at every size, however little room
// there is, is what somebody would miss who looks for the trouble.
var screens = []struct {
	name  string
	keys  []string
	fleet func() *source.Fleet
	must  string // between bars
}{
	{"pulse", nil, nil, "gm4|down|GROUP blue|sending|waiting|gm3|re-registering"}, {"members", []string{"2", "down"}, nil, "gm4|down|re-registering|STATE"},
	{"rekey", []string{"3"}, nil, "ROLLOVER of group blue|ACKS|gm4"}, {"alone", []string{"4"}, nil, "Every key server here is alone"},
	{"sas", []string{"5"}, nil, "5ca1ab1e|c0ffee42|sending|WITHOUT|missing|SENDER IDS"}, {"policy", []string{"6"}, nil, "deny tcp any any eq 22|in clear|HITS|nothing is pending"},
	{"policy-pending", []string{"6", "down", "down", "down"}, sourcetest.Linted, "unreachable|never reached|PENDING|rule 3"},
	{"policy-unknown", []string{"6"}, nil, "not known|recording"},
	{"events", []string{"7"}, nil, "gm3|reregistering|auth-failed"}, {"node", []string{"down", "enter"}, nil, "registered|replay window|KEYS of gm1"},
	{"sa", []string{"5", "enter"}, nil, "REPLAY WINDOWS of gm1|gm4|down|NOT HERE|301"},
	{"topology", []string{"8"}, sourcetest.Lab, "ks1|gm4|p1"}, {"topology-cut", []string{"8", "v", "v"}, sourcetest.Cut, "gm3|CUT 1|CUT 2|2 marked"},
	{"topology-coop", []string{"8"}, sourcetest.Split, "SPLIT|ks3"}, {"topology-large", []string{"8"}, large, "ks1"},
	{"help", []string{"?"}, nil, "Move|esc"}, {"help-search", []string{"?", "k", "e", "k"}, nil, "KEK|backspace"}, {"ask", []string{"R"}, nil, "yes, do it|any other key: no|blue"},
	{"ask-name", []string{"2", "down", "X", "b", "l"}, nil, "type the group's name|> bl"},
	{"filter", []string{"2", "/", "s", "e", "q", "<", "1", "2", "enter"}, nil, "filter|seq<12|gm3"}, {"sorted", []string{"2", ">", ">", ">", "o"}, nil, "reversed"},
	{"columns", []string{"2", "f", "down", "down", "space"}, nil, "COLUMNS of members|[ ] state|keep"}, {"wide", []string{"2", "w", "}", "}"}, nil, "MEMBER|gm4"},
	{"palette", []string{":", "r", "e"}, nil, ":re|rekey"},
	{"palette-argument", []string{":", "r", "e", "m", "o", "v", "e", "-", "m", "e", "m", "b", "e", "r", "space", "b", "l", "u", "e", "space", "tab", "tab"}, nil, "remove-member blue gm2"},
	{"custody", []string{"9"}, sourcetest.Custody, "ks2|lost|token"}, {"custody-ask", []string{"9", "down", "down", "W"}, sourcetest.Custody, "Replace the key that ks1|yes, do it"},
	{"custody-none", []string{"9"}, nil, "custody"},
	{"lab", []string{"0"}, sourcetest.Lab, "basic"}, {"lab-try", []string{"0", "down", "down", "down", "enter"}, sourcetest.Lab, "basic"}, {"lab-none", []string{"0"}, outside, "lab"},
	{"lab-tasks", []string{"0", "down", "down"}, sourcetest.Exercise, "points"}, {"lab-task", []string{"0", "down", "down", "enter"}, sourcetest.Exercise, "points"},
	{"lab-steps", []string{"0", "down", "down", "down"}, sourcetest.Running, "running"}, {"lab-sides", []string{"8", "v", "b"}, sourcetest.Lab, "marked"},
	{"coop", []string{"4"}, sourcetest.Coop, "ks1|primary|ks3|blocked"}, {"coop-pulse", nil, sourcetest.Coop, "ks3|blocked|gm4"}, {"coop-node", []string{":", "n", "o", "d", "e", "space", "k", "s", "1", "enter"}, sourcetest.Coop, "primary|KEYS of ks1"},
	{"coop-sas", []string{"5"}, sourcetest.Coop, "5ca1ab1e|sending"}, {"coop-ask", []string{"4", "down", "H"}, sourcetest.Coop, "ks2|yes, do it"},
	{"gone", []string{"4"}, sourcetest.Gone, "hangs|ks2|primary"}, {"gone-pulse", nil, sourcetest.Gone, "hangs: ks1|DEGRADED"},
	{"split", []string{"4", "down", "down"}, sourcetest.Split, "SPLIT|ks3"}, {"split-pulse", nil, sourcetest.Split, "SPLIT: blue|ks3"}, {"split-sas", []string{"5"}, sourcetest.Split, "SPLIT|5ca1ab1e"},
	{"groups", nil, groups, "group3|EXPIRING"}, {"groups-one", []string{"down", "down", "enter"}, groups, "group3"},
	{"large", nil, large, "ks1|members"}, {"large-members", []string{"2", "G"}, large, "10000"}, {"large-rekey", []string{"3"}, large, "ACKS"}, {"large-member", []string{"2", "enter"}, large, "acknowledgements"},
}

// answers are what comes after the keys of some screens.
var answers = map[string]tea.Msg{
	"policy": pendingMsg{&view.Pending{Plans: sourcetest.Unchanged()}}, "policy-pending": pendingMsg{&view.Pending{Plans: sourcetest.Changed()}},
}

// TestScreens runs the program over a terminal and compares what is on its screen in the end.
func TestScreens(t *testing.T) {
	lipgloss.SetColorProfile(termenv.TrueColor) // whatever is drawn is drawn in colours, and cut by people who forget them
	defer lipgloss.SetColorProfile(termenv.Ascii)
	for _, size := range sizes {
		for _, screen := range screens {
			t.Run(size.name+"-"+screen.name, func(t *testing.T) {
				m, fleet := bare(t), sourcetest.Fleet
				if screen.fleet != nil {
					fleet = screen.fleet
				}
				got := perform(t, m, size.w, size.h, append(append([]tea.Msg{fleetMsg{fleet()}}, keys(screen.keys...)...), answers[screen.name])...)
				drawn := m.View()
				lines := strings.Split(drawn, "\n")
				if len(lines) != size.h {
					t.Errorf("%d lines, want %d", len(lines), size.h)
				}
				for i, l := range lines {
					if w := ansi.StringWidth(l); w != size.w {
						t.Errorf("line %d is %d cells wide, want %d: %q", i, w, size.w, l)
					}
				}
				if got != trimmed(drawn) {
					t.Errorf("the terminal does not show what was drawn:\n%s", got)
				}
				foot := strings.TrimSpace(ansi.Strip(lines[len(lines)-1]))
				if !strings.Contains(foot, "esc ") && (!strings.Contains(foot, "? help") || !strings.HasSuffix(foot, "q quit")) {
					t.Errorf("the footer does not say how to get help, or away: %q", foot)
				}
				for _, want := range strings.Split(screen.must, "|") {
					if !strings.Contains(got, want) {
						t.Errorf("no %q on the screen:\n%s", want, got)
					}
				}
				compare(t, filepath.Join("testdata", size.name+"-"+screen.name+".txt"), got)
			})
		}
	}
}

// TestNoOldScreens: every golden screen is compared with one of the program.
func TestNoOldScreens(t *testing.T) {
	wanted := map[string]bool{}
	for _, size := range sizes {
		for _, screen := range screens {
			wanted[size.name+"-"+screen.name+".txt"] = true
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "*x*-*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !wanted[filepath.Base(f)] {
			t.Errorf("%s is of a screen that there is no more", f)
		}
	}
}

// compare compares a golden file, or rewrites it.
func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("differs from %s (rewrite with -update after a look):\n%s", golden, got)
	}
}

func trimmed(s string) string {
	lines := strings.Split(ansi.Strip(s), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// outside is a console that is not attached to a lab.
func outside() *source.Fleet {
	f := sourcetest.Fleet()
	f.Lab, f.Title = "", "/run/getvpn"
	return f
}

func groups() *source.Fleet { return sourcetest.Groups(6) }
func large() *source.Fleet  { return sourcetest.Large(10_000) }

// ran answers the question on the screen with a verb that notes that it was done.
func ran(m *Model, result error) *int {
	n := new(int)
	m.ask.run = func(context.Context) (action.Result, error) { *n++; return action.Result{Text: "well done"}, result }
	return n
}

func TestKillAsksFirst(t *testing.T) {
	m := model(t, 100, 30)
	if cmd := press(m, "down", "K"); cmd != nil || m.ask == nil {
		t.Fatal("kill did not ask")
	}
	if !strings.Contains(ansi.Strip(m.View()), "Kill gm1") {
		t.Errorf("the question does not name the node:\n%s", ansi.Strip(m.View()))
	}
	if cmd := press(m, "n"); cmd != nil || m.ask != nil {
		t.Error("no was not taken as no")
	}
	press(m, "K")
	n := ran(m, errors.New("lab says no"))
	cmd := press(m, "y")
	if cmd == nil {
		t.Fatal("yes did nothing")
	}
	m.Update(cmd())
	if *n != 1 || !strings.Contains(m.View(), "lab says no") {
		t.Errorf("ran %d times; the failure is not on the screen:\n%s", *n, m.View())
	}
}

// TestTheWorstIsTyped: removing a member needs the group's name; a y, a part of the name or esc do nothing.
func TestTheWorstIsTyped(t *testing.T) {
	for _, row := range []struct {
		keys []string
		runs int
	}{
		{[]string{"y", "enter"}, 0}, {[]string{"b", "l", "u", "enter"}, 0}, {[]string{"b", "l", "u", "e", "esc"}, 0}, {[]string{"b", "l", "u", "e", "enter"}, 1},
	} {
		m := model(t, 100, 30)
		press(m, "2", "X")
		if m.ask == nil || m.ask.typed != "blue" {
			t.Fatalf("removing a member asks %+v", m.ask)
		}
		n := ran(m, nil)
		if cmd := press(m, row.keys...); cmd != nil {
			m.Update(cmd())
		}
		if *n != row.runs {
			t.Errorf("%q removed %d times, want %d", row.keys, *n, row.runs)
		}
	}
}

// TestReadOnly: without --write no key and no command may act, and each says what to do.
func TestReadOnly(t *testing.T) {
	for _, keys := range [][]string{{"r"}, {"R"}, {"2", "X"}, {"2", "C"}, {"4", "H"}, {"6", "A"}, {"K"}, {"S"}, {"P"}, {"D"}, {"U"}, {":", "r", "e", "k", "e", "y", "space", "b", "l", "u", "e", "enter"}} {
		m := model(t, 100, 30)
		m.write = false
		if cmd := press(m, keys...); cmd != nil || m.ask != nil || !strings.Contains(m.View(), "--write") {
			t.Errorf("%q acts on a read-only console, or does not say why not:\n%s", keys, m.message())
		}
	}
	m := model(t, 100, 30)
	m.write = false
	if strings.Contains(m.footer(), "rekey") {
		t.Error("the footer offers what cannot be done")
	}
}

// TestTheSocketsRole: a daemon that takes no commands from this user is not asked, even with --write.
func TestTheSocketsRole(t *testing.T) {
	m := model(t, 100, 30)
	f := sourcetest.Fleet()
	for i := range f.Nodes {
		f.Nodes[i].Operator = false
	}
	m.Update(fleetMsg{f})
	press(m, "r")
	if m.ask != nil || !strings.Contains(m.View(), "takes no commands") {
		t.Errorf("a viewer is asked:\n%s", m.View())
	}
}

func TestKillOutsideALab(t *testing.T) {
	m := model(t, 100, 30)
	f := sourcetest.Fleet()
	f.Lab = ""
	m.Update(fleetMsg{f})
	press(m, "K")
	if m.ask != nil || !strings.Contains(m.View(), "--lab") {
		t.Errorf("killing outside a lab must say what to do:\n%s", m.View())
	}
}

func TestFreezeKeepsTheScreen(t *testing.T) {
	m := model(t, 100, 30)
	press(m, "space")
	m.Update(fleetMsg{&source.Fleet{Title: "other"}})
	if !strings.Contains(m.View(), "gm1") || !strings.Contains(m.View(), "frozen") {
		t.Error("the frozen screen changed")
	}
	press(m, "K")
	if m.ask != nil {
		t.Error("an action on a picture of the past")
	}
	if title := strings.Split(ansi.Strip(m.View()), "\n")[0]; !strings.Contains(title, "frozen") {
		t.Errorf("the header does not say that the screen is frozen, and a message hides the other word: %q", title)
	}
	press(m, "space")
	if strings.Contains(m.View(), "gm1") {
		t.Error("the screen stayed frozen")
	}
}

func TestCursorSurvivesFewerRows(t *testing.T) {
	m := model(t, 80, 24)
	press(m, "down", "down", "down", "down")
	f := sourcetest.Fleet()
	f.Nodes = f.Nodes[:1]
	m.Update(fleetMsg{f})
	_ = m.View()
	if got := m.subject().Node; got != "ks1" {
		t.Errorf("cursor stands on %q", got)
	}
}

// TestNothingFits: a table without rows says that the filter is why, and comes back without it.
func TestNothingFits(t *testing.T) {
	for _, h := range []int{10, 30} {
		m := model(t, 80, h)
		press(m, "2", "/")
		press(m, strings.Split("state=nonsense", "")...)
		press(m, "enter")
		if text := ansi.Strip(m.View()); !strings.Contains(text, "nothing fits /state=nonsense") || !strings.Contains(text, "0 of 4 shown") {
			t.Errorf("in %d lines an empty table does not say why:\n%s", h, text)
		}
		press(m, "esc")
		if text := ansi.Strip(m.View()); strings.Contains(text, "nothing fits") {
			t.Errorf("the filter is cleared:\n%s", text)
		}
	}
}

// TestCursorStaysOnItsRow: rows come and go above it.
func TestCursorStaysOnItsRow(t *testing.T) {
	m := model(t, 80, 24)
	press(m, "2", "down", "down")
	_ = m.View()
	f := sourcetest.Fleet()
	f.Nodes = append(f.Nodes[:1:1], f.Nodes[2:]...) // gm1 has gone
	m.Update(fleetMsg{f})
	if got := m.subject().Node; got != "gm3" {
		t.Errorf("the cursor went from gm3 to %q", got)
	}
}

// TestThereAndBack: enter goes in, esc comes back to the same row, and the way is on the screen.
func TestThereAndBack(t *testing.T) {
	m := model(t, 100, 30)
	press(m, "down", "down", "enter", "enter")
	if line := strings.Split(ansi.Strip(m.View()), "\n")[1]; !strings.Contains(line, "pulse") || !strings.Contains(line, "gm2") || !strings.Contains(line, "SA 5ca1ab1e") {
		t.Errorf("the way is %q", line)
	}
	press(m, "esc", "esc")
	if len(m.stack) != 1 || m.subject().Node != "gm2" {
		t.Errorf("esc led to %+v, on %q", m.top().place, m.subject().Node)
	}
	press(m, "2", "down", "3", "2")
	if m.row() != 1 {
		t.Error("a view is not as it was left")
	}
}

func TestCommands(t *testing.T) {
	for _, row := range []struct{ line, want string }{
		{"members blue", "members of blue"}, {"node gm3", "KEYS of gm3"}, {"sort drops desc", "by drops, reversed"}, {"sort nothing", "no column"},
		{"nonsense", "there is no command"}, {"rekey", "usage: rekey GROUP"}, {"rekey blue --what", "has no --what"}, {"kill gm1 gm2", "Kill gm1, gm2"},
		{"ev", "EVENTS"}, {"theme light", "theme light"}, {"theme x", "unknown"}, {"export x.pdf", "ending says"}, {"partition ks1/gm1 --for 30s", "between ks1 and gm1 for 30s"},
	} {
		m := model(t, 110, 30)
		m.execute(row.line)
		if !strings.Contains(ansi.Strip(m.View()), row.want) {
			t.Errorf(":%s does not show %q:\n%s", row.line, row.want, ansi.Strip(m.View()))
		}
	}
}

func TestHistory(t *testing.T) {
	m := model(t, 80, 24)
	for _, c := range []string{"members", "events"} {
		press(m, ":")
		press(m, strings.Split(c, "")...)
		press(m, "enter")
	}
	press(m, ":", "x", "up", "up")
	if got := m.prompt.input.Value(); got != "members" {
		t.Errorf("two up is %q", got)
	}
	press(m, "down", "down")
	if got := m.prompt.input.Value(); got != "x" {
		t.Errorf("what was typed became %q", got)
	}
}

// TestHelpHasEveryKey: whatever the key map has is in the help, and no key has two meanings.
func TestHelpHasEveryKey(t *testing.T) {
	m := model(t, 200, 100) // all of it
	seen := map[string]bool{}
	for i := range m.keys {
		for _, k := range m.keys[i].Keys() {
			if seen[k] {
				t.Errorf("%q has two meanings", k)
			}
			seen[k] = true
		}
		if c := &m.keys[i]; c.block != "" && c.Help().Desc == "" {
			t.Errorf("%q is not explained", c.Keys())
		}
	}
	press(m, "?")
	text := ansi.Strip(m.View())
	press(m, "pgdown")
	text += ansi.Strip(m.View())
	for _, want := range []string{"remove member, or those marked", "ctrl+s", ":partition SIDES", "view events", ":hint TASK"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in the help:\n%s", want, text)
		}
	}
}

// TestCutChoosesSides: what is marked on the topology is one side, all other daemons the other; a paused node goes on.
func TestCutChoosesSides(t *testing.T) {
	m := model(t, 100, 40)
	m.Update(fleetMsg{sourcetest.Lab()})
	press(m, "8", "/", "=", "backspace", "n", "o", "d", "e", "~", "g", "m", "enter", "v", "v", "D")
	if m.ask == nil || !strings.Contains(m.ask.text, "between gm1 gm2 and ks1 gm3 gm4 until") {
		t.Fatalf("asked: %+v", m.ask)
	}
	press(m, "n")
	f := sourcetest.Lab()
	f.State.Node("gm3").Wanted = "paused"
	m.Update(fleetMsg{f})
	press(m, "P")
	if m.ask == nil || !strings.Contains(m.ask.text, "Let gm3 go on") {
		t.Errorf("on %s asked: %+v", m.subject().Node, m.ask)
	}
}

// TestCutBetweenTwoSides: what is marked for either side is cut, routers and hosts as well, and nothing else is.
func TestCutBetweenTwoSides(t *testing.T) {
	m := model(t, 100, 40)
	m.Update(fleetMsg{sourcetest.Lab()})
	press(m, "8", "b", "D")
	if m.ask != nil || !strings.Contains(m.flash.text, "first side") {
		t.Errorf("a cut with one side: asked %+v, said %q", m.ask, m.flash.text)
	}
	press(m, "b", "up", "v", "/", "h", "3", "enter", "b", "D") // p2 changes sides
	if m.ask == nil || !strings.Contains(m.ask.text, "between p2 and p1 h3 until") {
		t.Errorf("asked: %+v", m.ask)
	}
}

// TestSidesAreDrawnAndCleared: the footer says how to mark, the drawing shows it, and after a cut nothing is marked.
func TestSidesAreDrawnAndCleared(t *testing.T) {
	m := model(t, 100, 40)
	m.Update(fleetMsg{sourcetest.Lab()})
	press(m, "8")
	if foot := ansi.Strip(m.footer()); !strings.Contains(foot, "b other side") {
		t.Errorf("the footer is %q", foot)
	}
	press(m, "v", "b") // p1 and p2
	if text := ansi.Strip(m.View()); !strings.Contains(text, "✓[p1]") || !strings.Contains(text, "≠[p2]") {
		t.Errorf("the marks are not in the drawing:\n%s", text)
	}
	for _, row := range []struct {
		result error
		marks  int
	}{{errors.New("lab says no"), 2}, {nil, 0}} {
		press(m, "D")
		ran(m, row.result)
		m.Update(press(m, "y")())
		if n := len(m.top().look.Marks) + len(m.top().look.Far); n != row.marks {
			t.Errorf("%d marks after a cut with %v, want %d", n, row.result, row.marks)
		}
	}
	if text := ansi.Strip(m.View()); strings.Contains(text, "✓") || strings.Contains(text, "≠") {
		t.Errorf("a mark is still drawn:\n%s", text)
	}
}

// TestExercise: the keys of a lab that sets tasks, and what they ask.
func TestExercise(t *testing.T) {
	m := model(t, 100, 40)
	m.Update(fleetMsg{sourcetest.Lab()})
	press(m, "0", "i")
	if m.ask != nil || !strings.Contains(m.flash.text, "choose a task") {
		t.Errorf("a hint for nothing: %q", m.flash.text)
	}
	press(m, "down", "down", "t")
	if got := m.prompt.input.Value(); m.prompt.mode != commandPrompt || got != "rekey blue" {
		t.Errorf("t typed %q", got)
	}
	press(m, "enter")
	if m.ask == nil || m.ask.verb != "rekey" {
		t.Errorf("what was typed asked %+v", m.ask)
	}
	press(m, "n")
	m.Update(fleetMsg{sourcetest.Exercise()})
	for _, row := range []struct {
		keys []string
		want string
	}{
		{[]string{"down", "i"}, "next hint of task registered"},
		{[]string{"down", "down", "enter", "i"}, "next hint of task traffic"}, // on its page, too
		{[]string{"esc", "Y"}, "ends the exercise"},
		{[]string{"B"}, "Begin again"},
		{[]string{":", "h", "i", "n", "t", "space", "r", "e", "k", "tab", "enter"}, "task rekeys"},
	} {
		press(m, "g")
		press(m, row.keys...)
		if m.ask == nil || !strings.Contains(m.ask.text, row.want) {
			t.Errorf("%v asked %+v, want %q", row.keys, m.ask, row.want)
		}
		press(m, "n")
	}
	m.write = false
	press(m, "c")
	if !strings.Contains(m.flash.text, "--write") {
		t.Errorf("a console that looks on was not refused: %q", m.flash.text)
	}
}

func TestTinyAndEmpty(t *testing.T) {
	m := model(t, 20, 5)
	if !strings.Contains(m.View(), "40x10") {
		t.Error("a tiny terminal is not told what is needed")
	}
	m = model(t, 80, 24)
	m.Update(fleetMsg{&source.Fleet{Title: "/run/getvpn"}})
	for _, tab := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "0"} {
		press(m, tab, "enter", "down", "r", "X", ">", "v", "D", "esc", "esc")
		_ = m.View()
	}
}

func TestKeysInOneRead(t *testing.T) {
	m := model(t, 100, 30)
	if cmd := press(m, "Ky"); cmd == nil || m.ask != nil {
		t.Error("the answer that came with the question's key was lost")
	}
}

// TestMouse: a click chooses a row, a second one opens it, a click on a header sorts.
func TestMouse(t *testing.T) {
	m := model(t, 100, 30)
	press(m, "2")
	click := func(text string) {
		for y, l := range strings.Split(ansi.Strip(m.View()), "\n") {
			if y > 1 && strings.Contains(l, text) {
				x := ansi.StringWidth(l[:strings.Index(l, text)])
				m.Update(tea.MouseMsg{X: x, Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
				return
			}
		}
		t.Fatalf("no %q on the screen", text)
	}
	click("gm3")
	if m.subject().Node != "gm3" {
		t.Errorf("the cursor is on %q", m.subject().Node)
	}
	click("STATE")
	if m.top().look.Sort != "state" {
		t.Errorf("sorted by %q", m.top().look.Sort)
	}
	click("gm3")
	if len(m.stack) != 2 {
		t.Error("the second click did not open it")
	}
}
