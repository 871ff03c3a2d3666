package app

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/record"
	"github.com/getvpn/getvpn/tui/action"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/theme"
)

// film is a recording of two minutes: the test fleet, an event every ten seconds, a warning after 45 s and 75 s, an error after 90 s, and gm2
// that is silent from the first minute on.
func film(t *testing.T, torn bool) *record.Recording {
	t.Helper()
	var b bytes.Buffer
	w, err := record.NewWriter(&b, record.Header{Title: "lab basic", Lab: "basic", Started: sourcetest.Now}, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put := func(f record.Frame) {
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	seq := uint64(100)
	say := func(at time.Time, name, severity string) {
		seq++
		put(record.Frame{At: at, Node: "ks1", Watch: &control.Watch{Event: &control.Event{Seq: seq, Time: at, Node: "ks1", Name: name, Severity: severity, Group: "blue", Text: fmt.Sprint("word ", seq)}}})
	}
	for s := range 121 {
		at := sourcetest.Now.Add(time.Duration(s) * time.Second)
		for _, n := range sourcetest.Fleet().Nodes {
			if s > 60 && n.Name == "gm2" || n.Snap == nil {
				continue
			}
			n.Snap.Time = at
			put(record.Frame{At: at, Node: n.Name, Role: n.Role, Watch: &control.Watch{Snapshot: n.Snap}})
		}
		switch {
		case s == 0:
			say(at.Add(-time.Hour), "started", "warning") // before the recording
		case s == 60:
			put(record.Frame{At: at, Node: "gm2", Role: "gm", Gone: "not running (no socket)"})
		case s == 45, s == 75:
			say(at, "rekey-late", "warning")
		case s == 90:
			say(at, "rekey-failed", "error")
		case s%10 == 0:
			say(at, "rekey-sent", "info")
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text := b.Bytes()
	if torn {
		text = text[:len(text)-100]
	}
	rec, err := record.Read(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	rec.Path = "/tmp/film.rec"
	return rec
}

// cinema is a console that plays the film.
func cinema(t *testing.T, w, h int) (*Model, *source.Replay) {
	t.Helper()
	th, err := theme.New("dark")
	if err != nil {
		t.Fatal(err)
	}
	r := source.NewReplay(film(t, false))
	m := New(t.Context(), r, Options{Theme: th, Write: true})
	m.now = func() time.Time { return sourcetest.Now }
	m.Update(tea.WindowSizeMsg{Width: w, Height: h})
	look(m, r)
	return m, r
}

// look brings what the replay shows to the screen.
func look(m *Model, r *source.Replay) { m.Update(fleetMsg{r.Fleet(r.Position().Moment)}) }

// play presses keys, carries out what they start, and looks.
func play(m *Model, r *source.Replay, keys ...string) {
	for _, k := range keys {
		if cmd := press(m, k); cmd != nil {
			if msg := cmd(); msg != nil {
				m.Update(msg)
			}
		}
		look(m, r)
	}
}

func TestReplayScreens(t *testing.T) {
	lipgloss.SetColorProfile(termenv.Ascii)
	for _, size := range []struct{ w, h int }{{60, 20}, {80, 24}, {132, 43}, {200, 60}} {
		for name, keys := range map[string][]string{"replay": {"]", "ctrl+right"}, "replay-end": {"$", "+", "+"}, "replay-events": {"7", "[", "]", "]"}, "replay-help": {"?"}, "replay-refused": {"r"}} {
			t.Run(fmt.Sprintf("%dx%d-%s", size.w, size.h, name), func(t *testing.T) {
				m, r := cinema(t, size.w, size.h)
				play(m, r, keys...)
				got := m.View()
				for i, l := range strings.Split(got, "\n") {
					if w := ansi.StringWidth(l); w != size.w {
						t.Errorf("line %d is %d cells wide: %q", i, w, l)
					}
				}
				golden, text := filepath.Join("testdata", "replay", fmt.Sprintf("%dx%d-%s.txt", size.w, size.h, name)), trimmed(got)
				if *update {
					if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if string(want) != text || strings.Count(got, "\n") != size.h-1 {
					t.Errorf("screen differs from %s (rewrite with -update after a look):\n%s", golden, text)
				}
			})
		}
	}
}

// TestPlayerKeys: where each key leads, in seconds since the start.
func TestPlayerKeys(t *testing.T) {
	for _, row := range []struct {
		keys    string
		at      float64
		playing bool
		speed   float64
	}{
		{"", 0, false, 1}, {"space", 0, true, 1}, {"space space", 0, false, 1}, {"+ +", 0, false, 5}, {"- -", 0, false, 0.2}, {"+ + + + + + + + + + + + + + +", 0, false, 1000},
		{"- - - - - - -", 0, false, 0.1}, {")", 10, false, 1}, {"ctrl+right )", 70, false, 1}, {"ctrl+right ctrl+left", 0, false, 1}, {"$", 120, false, 1}, {"$ ^", 0, false, 1}, {"$ (", 110, false, 1},
		{"n", 10, false, 1}, {"n n", 20, false, 1}, {"n n N", 10, false, 1}, {"N", 0, false, 1}, {"]", 45, false, 1}, {"] ]", 75, false, 1}, {"] ] ]", 90, false, 1}, {"] ] ] ]", 90, false, 1},
		{"$ [", 90, false, 1}, {"$ [ [ [", 45, false, 1}, {"$ [ [ [ [", 45, false, 1}, {".", 1, false, 1}, {". ,", 0, false, 1}, {",", 0, false, 1}, {"$ ] ,", 120, false, 1},
		{"7 / f a i l enter ^ n", 90, false, 1}, {"7 / e v e n t = r e k e y - l a t e enter $ N N", 45, false, 1}, {": s p e e d space 2 5 enter", 0, false, 25}, {": s p e e d space x 9 0 0 0 enter", 0, false, 1},
		{": g o t o space + 1 m enter", 60, false, 1}, {": g o t o space - 3 0 s enter", 90, false, 1}, {": g o t o space 1 5 : 0 9 : 4 6 enter", 20, false, 1}, {": g o t o space e n d enter", 120, false, 1},
		{": g o t o space + 9 m enter", 0, false, 1}, {": g o t o space x enter", 0, false, 1}, {": g o t o space e v e n t space r e k e y - f a i l e d enter", 90, false, 1}, {": g o t o space e v e n t space x enter", 0, false, 1},
	} {
		m, r := cinema(t, 100, 30)
		play(m, r, strings.Fields(row.keys)...)
		p := r.Position()
		if at := p.Time.Sub(p.Start).Seconds(); at < row.at || at > row.at+5 && row.playing || at > row.at+0.5 && !row.playing || p.Playing != row.playing || p.Speed != row.speed {
			t.Errorf("%q: at %v, playing %v, speed %v; want %v %v %v\n%s", row.keys, at, p.Playing, p.Speed, row.at, row.playing, row.speed, ansi.Strip(m.message()))
		}
	}
}

// TestReplayRefuses: whatever acts is refused with one sentence, by keys and by commands; none is offered.
func TestReplayRefuses(t *testing.T) {
	m, r := cinema(t, 120, 40)
	acts := 0
	for i := range m.keys {
		if c := &m.keys[i]; c.block == acting {
			acts++
			play(m, r, "2", c.Keys()[0])
			if m.ask != nil || !strings.Contains(ansi.Strip(m.View()), string(errPast)) {
				t.Fatalf("%q is not refused:\n%s", c.Keys(), ansi.Strip(m.View()))
			}
			m.flash = flash{}
		}
	}
	for _, v := range action.Verbs() {
		words := v.Name
		for range v.Args {
			words += " blue"
		}
		if m.execute(words); m.ask != nil || !strings.Contains(ansi.Strip(m.View()), string(errPast)) {
			t.Errorf(":%s is not refused:\n%s", words, ansi.Strip(m.View()))
		}
		m.flash = flash{}
	}
	if acts < 10 {
		t.Errorf("only %d keys act", acts)
	}
	if all := m.completions(""); !slices.ContainsFunc(all, func(c completion) bool { return c.text == "goto" }) || slices.ContainsFunc(all, func(c completion) bool { return c.text == "reregister" || c.text == "record" }) {
		t.Errorf("offered: %v", all)
	}
	if m.execute("record x"); !strings.Contains(m.View(), "no command") {
		t.Error("a recording can be recorded")
	}
	if strings.Contains(m.footer(), "rekey") {
		t.Error("the footer offers what cannot be done")
	}
}

// TestPlayerKeysAreItsOwn: they are in the help of a replay, have one meaning, and are not there on live daemons.
func TestPlayerKeysAreItsOwn(t *testing.T) {
	m, r := cinema(t, 200, 60)
	seen := map[string]bool{}
	for i := range m.keys {
		for _, k := range m.keys[i].Keys() {
			if seen[k] {
				t.Errorf("%q has two meanings", k)
			}
			seen[k] = true
		}
	}
	play(m, r, "?")
	for _, want := range []string{"play, and pause", "next and previous warning", ":goto TIME", ":speed X"} {
		if !strings.Contains(ansi.Strip(m.View()), want) {
			t.Errorf("no %q in the help", want)
		}
	}
	if strings.Contains(ansi.Strip(m.View()), "freeze") {
		t.Error("a recording can be frozen")
	}
	live := model(t, 200, 60)
	press(live, "?")
	if text := ansi.Strip(live.View()); strings.Contains(text, "play, and pause") || strings.Contains(text, ":goto") || !strings.Contains(text, "freeze") {
		t.Errorf("a live console's help:\n%s", text)
	}
}

// TestReplayTime: the time is the recording's, whatever the clock says, and ages are counted by it.
func TestReplayTime(t *testing.T) {
	m, r := cinema(t, 120, 30)
	play(m, r, "ctrl+right")
	m.Update(tickMsg(sourcetest.Now.Add(1000 * time.Hour)))
	if text := ansi.Strip(m.View()); !strings.Contains(text, "2026-03-14 15:10:26") || !strings.Contains(text, "down: gm2") {
		t.Errorf("at +1m:\n%s", text)
	}
	if age := m.fleet.Node("gm2").Age(m.fleet.Time); age != 0 {
		t.Errorf("gm2 was heard %v ago", age)
	}
	play(m, r, ")", ")")
	if age := m.fleet.Node("gm2").Age(m.fleet.Time); age != 20*time.Second || m.fleet.Node("gm1").Age(m.fleet.Time) != 0 {
		t.Errorf("gm2 was heard %v ago", age)
	}
}

// TestEnterJumps: enter on an event leads to its moment.
func TestEnterJumps(t *testing.T) {
	m, r := cinema(t, 120, 30)
	play(m, r, "$", "7", "g", "down", "down", "enter")
	if p := r.Position(); p.Time.Sub(p.Start) != 20*time.Second || p.Playing || len(m.stack) != 1 {
		t.Errorf("stands at +%v:\n%s", p.Time.Sub(p.Start), ansi.Strip(m.View()))
	}
	if !strings.Contains(ansi.Strip(m.View()), "rekey-sent on ks1") {
		t.Errorf("does not say where it is:\n%s", ansi.Strip(m.View()))
	}
	play(m, r, "1", "down", "enter")
	if len(m.stack) != 2 {
		t.Error("enter on a node does not open it")
	}
}

// TestTorn: that a file is not whole is said at once, and can be read again.
func TestTorn(t *testing.T) {
	r := source.NewReplay(film(t, true))
	th, _ := theme.New("dark")
	m := New(t.Context(), r, Options{Theme: th})
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 30})
	look(m, r)
	if text := ansi.Strip(m.View()); !strings.Contains(text, "ends in the middle of line") || !strings.Contains(text, "damaged") {
		t.Errorf("nothing is said:\n%s", text)
	}
	m.flash = flash{}
	m.execute("about")
	if text := ansi.Strip(m.View()); !strings.Contains(text, "ends in the middle of line") || !strings.Contains(text, "film.rec") {
		t.Errorf(":about shows:\n%s", text)
	}
}

// TestPlayerMonkey presses whatever keys on a recording: every frame fills the screen exactly, and nothing is asked.
func TestPlayerMonkey(t *testing.T) {
	keys := strings.Fields("1 2 3 4 5 6 7 8 9 0 tab enter esc esc down up pgdown G g : / > o space T ? . , n N ] [ + - ) ( } { ctrl+right w f ^ $ r X K A p D x 3 backspace space")
	rnd := rand.New(rand.NewPCG(4, 1))
	m, r := cinema(t, 80, 24)
	w, h := 80, 24
	for i := range 300 {
		if i%15 == 0 {
			w, h = 40+rnd.IntN(180), 10+rnd.IntN(60)
			m.Update(tea.WindowSizeMsg{Width: w, Height: h})
		}
		press(m, keys[rnd.IntN(len(keys))])
		look(m, r)
		if m.ask != nil {
			t.Fatal("something is asked")
		}
		lines := strings.Split(m.View(), "\n")
		if len(lines) != h {
			t.Fatalf("%d lines on %dx%d", len(lines), w, h)
		}
		for i, l := range lines {
			if n := ansi.StringWidth(l); n != w {
				t.Fatalf("line %d has %d cells on %dx%d:\n%s", i, n, w, h, ansi.Strip(l))
			}
		}
	}
}
