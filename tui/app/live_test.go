package app

import (
	"context"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/theme"
)

// keyServer is a control socket, with the real server, that does what it is told.
type keyServer struct {
	mu      sync.Mutex
	snap    *control.Snapshot
	journal control.Journal
	server  *control.Server
	done    chan struct{}
}

func startServer(t *testing.T, path string, pid int) *keyServer {
	t.Helper()
	k := &keyServer{snap: sourcetest.Fleet().Nodes[0].Snap, done: make(chan struct{})}
	k.snap.PID = pid
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	k.server = control.NewServer(control.Handlers{
		Snapshot: func(context.Context) (*control.Snapshot, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			s, ks := *k.snap, *k.snap.KS
			s.Time, s.KS, s.LastSeq = time.Now(), &ks, k.journal.Last()
			return &s, nil
		},
		Rekey: func(_ context.Context, r control.RekeyRequest) (string, error) {
			k.journal.Add(control.Event{Time: time.Now(), Node: "ks1", Name: "rekey-sent", Severity: "info", Group: r.Group, Text: "rekey 13 to 4 members"})
			return "new TEK decade00", nil
		},
		RemoveMember: func(_ context.Context, r control.RemoveMemberRequest) (string, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			groups := append([]control.KSGroup(nil), k.snap.KS.Groups...)
			groups[0].Removed = append(groups[0].Removed, control.Removed{Address: r.Members[0], Identity: r.Members[0]})
			groups[0].Members = groups[0].Members[1:]
			k.snap.KS = &control.KeyServer{Groups: groups}
			return "removed " + r.Members[0], nil
		},
	}, &k.journal)
	go func() { defer close(k.done); _ = k.server.Serve(l) }()
	return k
}

func (k *keyServer) stop() {
	_ = k.server.Close(context.Background())
	<-k.done
}

// TestLive drives the real program with keys, over a real control socket: a rekey, the removal of a member by the group's name, a
// daemon that goes away and comes back. Each effect of a key must be on the screen within two seconds.
func TestLive(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "ks1.sock")
	ks := startServer(t, socket, 1)
	th, err := theme.New("dark")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	src := source.Dir(dir)
	watched := make(chan struct{})
	go func() { defer close(watched); src.Run(ctx) }()
	keys, terminal := io.Pipe()
	out := &screen{}
	seen := out.expect("4 members")
	program := tea.NewProgram(New(ctx, src, Options{Theme: th, Write: true}), tea.WithInput(keys), tea.WithOutput(out), tea.WithContext(ctx), tea.WithoutSignalHandler())
	done := make(chan struct{})
	go func() { defer close(done); _, _ = program.Run() }()
	program.Send(tea.WindowSizeMsg{Width: 120, Height: 40})
	begin, limit := time.Now(), 2*time.Second
	await := func(what string) {
		t.Helper()
		select {
		case <-seen:
			took := time.Since(begin)
			t.Logf("%s: after %v", what, took.Round(time.Millisecond))
			if took > limit {
				t.Errorf("%s: only after %v", what, took)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: never on the screen", what)
		}
	}
	typed := func(keys, want string) {
		t.Helper()
		seen, begin = out.expect(want), time.Now()
		if _, err := io.WriteString(terminal, keys); err != nil {
			t.Fatal(err)
		}
	}
	await("a key server with its members")
	typed("r", "Rekey group blue")
	await("the question")
	typed("y", "rekey 13 to 4 members")
	await("a rekey in the journal")
	typed("2", "172.16.1.2")
	await("the members")
	typed("X", "type the group's name")
	await("the worst asks for the name")
	typed("blue\r", "removed 172.16.1.2")
	await("its answer")
	typed("/state=removed\r", "1 of 4 shown")
	await("the member as removed")
	seen, begin = out.expect("down: ks1"), time.Now()
	ks.stop()
	await("a daemon that went away")
	seen, begin, limit = out.expect("1 up"), time.Now(), 5*time.Second // it is tried again each second
	ks = startServer(t, socket, 2)
	await("that it is back")
	typed("\x1b", "4 shown")
	await("esc")
	cancel()
	<-done
	<-watched
	ks.stop()
}
