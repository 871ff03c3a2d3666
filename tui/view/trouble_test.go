package view

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/theme"
)

func onto(t *testing.T, fleet *source.Fleet, w, h int) *Frame {
	t.Helper()
	th, err := theme.New("dark")
	if err != nil {
		t.Fatal(err)
	}
	return &Frame{Theme: th, Fleet: fleet, Width: w, Height: h}
}

// TestDeadPrimaryLosesNobody: what a key server said before it died is no judgement of members while another one is primary.
func TestDeadPrimaryLosesNobody(t *testing.T) {
	f := sourcetest.Gone()
	f.Nodes[0].Connected = false
	got := rekeyGroups(f, "")
	if len(got) != 1 || got[0].KeyServer != "ks2" {
		t.Errorf("%d rollovers, the first of %s", len(got), got[0].KeyServer)
	}
	for i := range f.Nodes { // nobody else answers: what it said last is all there is
		if f.Nodes[i].Role == control.RoleKeyServer {
			f.Nodes[i].Connected = false
		}
	}
	if got = rekeyGroups(f, ""); len(got) == 0 {
		t.Error("nothing is left of a group whose key servers are all away")
	}
}

// TestSilentMember: a member that keeps its connection and says nothing is in trouble, wherever it is shown; in a lab, where it was
// paused, it is said so.
func TestSilentMember(t *testing.T) {
	f := sourcetest.Lab()
	gm2 := f.Node("gm2")
	gm2.Seen = sourcetest.Now.Add(-7 * time.Second)
	for _, want := range []string{"hangs", "paused"} {
		for _, v := range []View{Pulse{}, Members{}, Rekey{}, Topology{}} {
			text := ansi.Strip(strings.Join(drawn(v, onto(t, f, 160, 50)), "\n"))
			said := false
			for _, l := range strings.Split(text, "\n") {
				said = said || strings.Contains(l, "gm2") && strings.Contains(l, "× "+want)
			}
			if !said {
				t.Errorf("%s does not say that gm2 %s:\n%s", v.Name(), want, text)
			}
		}
		f.State.Node("gm2").Wanted = "paused"
	}
	if text := ansi.Strip(strings.Join(drawn(Pulse{}, onto(t, f, 160, 50)), "\n")); !strings.Contains(text, "has said nothing for 00:07") || !strings.Contains(text, "2/4 registered") {
		t.Errorf("the pulse counts it, or does not say why:\n%s", text)
	}
}

// TestTroubleFirst: where not all nodes fit, those in trouble are on the screen.
func TestTroubleFirst(t *testing.T) {
	for _, row := range []struct {
		h     int
		first string
	}{{20, "gm4"}, {50, "ks1"}} {
		f := onto(t, sourcetest.Coop(), 80, row.h)
		p := Pulse{}.Page(f)
		if got := p.Table.ID(0); got != row.first {
			t.Errorf("in %d lines %s is first, want %s", row.h, got, row.first)
		}
	}
}

// TestWarningsStay: members that go about their business do not push a warning out of the pulse.
func TestWarningsStay(t *testing.T) {
	f := sourcetest.Fleet()
	f.Events = []control.Event{
		{Time: sourcetest.Now.Add(-10 * time.Minute), Severity: "error", Text: "long ago", Node: "gm1"},
		{Time: sourcetest.Now.Add(-time.Minute), Severity: "warning", Text: "the one that matters", Node: "gm1"},
	}
	for range 50 {
		f.Events = append(f.Events, control.Event{Time: sourcetest.Now.Add(-time.Second), Severity: "info", Text: "retired", Node: "gm2"})
	}
	f.Events = append(f.Events, control.Event{Time: sourcetest.Now, Severity: "info", Text: "the newest", Node: "gm2"})
	lines := onto(t, f, 100, 30).telling(4)
	text := ansi.Strip(strings.Join(lines, "\n"))
	if len(lines) != 4 || !strings.Contains(ansi.Strip(lines[0]), "the one that matters") || !strings.Contains(ansi.Strip(lines[3]), "the newest") || strings.Contains(text, "long ago") {
		t.Errorf("%d lines:\n%s", len(lines), text)
	}
}

// TestTellingIsTheJournal: events of one moment stand as the journal has them, and the latest is the last, however few lines there are.
func TestTellingIsTheJournal(t *testing.T) {
	f := sourcetest.Fleet()
	f.Events = nil
	for _, text := range []string{"first", "second", "third", "fourth"} {
		severity := "info"
		if text == "second" {
			severity = "warning"
		}
		f.Events = append(f.Events, control.Event{Time: sourcetest.Now, Severity: severity, Text: text, Node: "gm1"})
	}
	for n, want := range map[int]string{1: "fourth", 2: "second fourth", 3: "second third fourth", 5: "first second third fourth"} {
		var got []string
		for _, l := range onto(t, f, 100, 30).telling(n) {
			words := strings.Fields(ansi.Strip(l))
			got = append(got, words[len(words)-1])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%d lines tell of %v, want %s", n, got, want)
		}
	}
}
