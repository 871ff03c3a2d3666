package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/daemon/control/record"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
)

// TestRecordCommand records a real control socket from the console, with a mark in the header, and plays it: the rekey is there, and what
// the console showed at its end is what the replay shows.
func TestRecordCommand(t *testing.T) {
	dir := t.TempDir()
	ks := startServer(t, filepath.Join(dir, "ks1.sock"), 1)
	th, err := theme.New("dark")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	src := source.Dir(dir)
	watched := make(chan struct{})
	go func() { defer close(watched); src.Run(ctx) }()
	m := New(ctx, src, Options{Theme: th, Write: true})
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	until := func(what string, there func(f *source.Fleet) bool) {
		t.Helper()
		limit, stop := context.WithTimeout(ctx, 30*time.Second)
		defer stop()
		for {
			f, ok := src.Next(limit)
			if !ok {
				t.Fatalf("never: %s", what)
			}
			if m.Update(fleetMsg{f}); there(f) {
				return
			}
		}
	}
	says := func(line, want string) {
		t.Helper()
		if cmd := m.execute(line); cmd != nil {
			m.Update(cmd())
		}
		if text := ansi.Strip(m.View()); !strings.Contains(text, want) {
			t.Errorf(":%s does not say %q:\n%s", line, want, text)
		}
	}
	until("the key server", func(f *source.Fleet) bool { return len(f.Nodes) == 1 && f.Nodes[0].Connected })
	path := filepath.Join(t.TempDir(), "a.rec.gz")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	says("record stop", "nothing is being recorded")
	says("record", "usage: record FILE")
	says("record "+path, "--force")
	if strings.Contains(m.View(), "● rec") {
		t.Error("marked, though nothing is recorded")
	}
	says("record "+path+" --force", "● rec")
	says("record "+path+"2", "already")
	m.execute("rekey blue")
	if m.Update(press(m, "y")()); !strings.Contains(m.View(), "new TEK") {
		t.Errorf("no rekey:\n%s", ansi.Strip(m.View()))
	}
	until("the rekey", func(f *source.Fleet) bool { return len(f.Events) == 1 })
	says("record stop", "1 daemons")
	if strings.Contains(m.View(), "● rec ") {
		t.Error("still marked")
	}
	live := m.fleet
	says("record "+path+"3", "● rec")
	if text, err := m.EndRecording(); err != nil || !strings.Contains(text, path+"3") { // it is left while it records
		t.Errorf("%q, %v", text, err)
	}
	cancel()
	<-watched
	ks.stop()
	rec, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	r := source.NewReplay(rec)
	again := New(t.Context(), r, Options{Theme: th})
	again.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	r.Seek(rec.End())
	end := r.Fleet(r.Position().Moment)
	end.Time, end.Nodes[0].Seen = live.Time, live.Nodes[0].Seen
	again.Update(fleetMsg{end})
	body := func(m *Model) string {
		lines := strings.Split(ansi.Strip(m.View()), "\n")
		return strings.Join(lines[1:25], "\n")
	}
	m.Update(fleetMsg{live})
	if a, b := body(again), body(m); a != b || !strings.Contains(a, "rekey 13 to 4 members") {
		t.Errorf("live:\n%s\nreplay:\n%s", b, a)
	}
	if len(rec.Notes()) > 0 || rec.Title != dir {
		t.Errorf("%q, %q", rec.Notes(), rec.Title)
	}
}

// TestRecordingEndsByItself: that is said, and the mark goes.
func TestRecordingEndsByItself(t *testing.T) {
	dir := t.TempDir()
	src := source.Dir(dir)
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { defer close(watched); src.Run(ctx) }()
	tape, err := src.Record(filepath.Join(dir, "a.rec"), record.Options{Max: 400})
	if err != nil {
		t.Fatal(err)
	}
	m := model(t, 120, 30)
	m.tape = tape
	ks := startServer(t, filepath.Join(dir, "ks1.sock"), 1)
	<-tape.Done()
	m.Update(tickMsg(time.Now()))
	if text := ansi.Strip(m.View()); m.tape != nil || !strings.Contains(text, "largest size") || strings.Contains(text, "● rec") {
		t.Errorf("screen:\n%s", text)
	}
	cancel()
	<-watched
	ks.stop()
}
