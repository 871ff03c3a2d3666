package control_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
)

// daemon is a control server with a state that tests can change.
type daemon struct {
	path    string
	journal control.Journal
	drops   atomic.Uint64
	server  *control.Server
	done    chan error
}

func start(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{path: filepath.Join(t.TempDir(), "run", "ks.sock"), done: make(chan error, 1)}
	l, err := control.Listen(d.path)
	if err != nil {
		t.Fatal(err)
	}
	d.server = control.NewServer(control.Handlers{
		Snapshot: func(context.Context) (*control.Snapshot, error) {
			return &control.Snapshot{
				Name: "ks1", Role: control.RoleKeyServer, Time: time.Now(), LastSeq: d.journal.Last(),
				Drops: []control.Counter{{Name: "malformed", Count: d.drops.Load()}},
			}, nil
		},
		Rekey: func(_ context.Context, r control.RekeyRequest) (string, error) {
			switch r.Group {
			case "blue":
				return fmt.Sprintf("rekeyed blue (KEK %t)", r.KEK), nil
			case "broken":
				return "", errors.New("the disk is full")
			}
			return "", fmt.Errorf("%w: no group %q", control.ErrRefused, r.Group)
		},
		Stop: func(context.Context) (string, error) { return "stopping", nil },
	}, &d.journal)
	go func() { d.done <- d.server.Serve(l) }()
	t.Cleanup(func() {
		select {
		case err := <-d.done:
			d.done <- err
		default:
			d.close(t)
		}
	})
	return d
}

func (d *daemon) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := d.server.Close(ctx); err != nil {
		t.Error(err)
	}
	err := <-d.done
	if err != nil {
		t.Error(err)
	}
	d.done <- err
}

func TestCalls(t *testing.T) {
	d := start(t)
	c := client.New(d.path)
	s, err := c.Snapshot(t.Context())
	if err != nil || s.Name != "ks1" {
		t.Fatalf("%v %v", s, err)
	}
	d.journal.Add(control.Event{Name: "one"})
	d.journal.Add(control.Event{Name: "two"})
	ev, err := c.Events(t.Context(), 1)
	if err != nil || len(ev) != 1 || ev[0].Name != "two" || ev[0].Seq != 2 {
		t.Errorf("events since 1: %v %v", ev, err)
	}
	r, err := c.Rekey(t.Context(), control.RekeyRequest{Group: "blue", KEK: true})
	if err != nil || r.Text != "rekeyed blue (KEK true)" {
		t.Errorf("%v %v", r, err)
	}
	for _, row := range []struct {
		name string
		call func() (control.Reply, error)
		want string
	}{
		{"refused", func() (control.Reply, error) { return c.Rekey(t.Context(), control.RekeyRequest{Group: "red"}) }, `no group "red"`},
		{"failed", func() (control.Reply, error) { return c.Rekey(t.Context(), control.RekeyRequest{Group: "broken"}) }, "disk is full"},
		{"other role", func() (control.Reply, error) {
			return c.Reregister(t.Context(), control.ReregisterRequest{Group: "blue"})
		}, "not for this kind of daemon"},
	} {
		if _, err := row.call(); !errors.Is(err, client.ErrRefused) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
	if info, err := os.Stat(d.path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("socket: %v %v, want mode 0660", info.Mode(), err)
	}
}

// TestRaw: what curl would see.
func TestRaw(t *testing.T) {
	d := start(t)
	h := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", d.path)
	}}}
	for _, row := range []struct {
		method, url, body string
		status            int
		want              string
	}{
		{"GET", "/v1/snapshot", "", 200, `"name":"ks1"`},
		{"GET", "/v1/events", "", 200, `[]`},
		{"GET", "/v1/events?since=x", "", 400, `since must be a number`},
		{"GET", "/v1/secrets", "", 404, `no GET /v1/secrets here; GET /v1/openapi.json describes what there is`},
		{"GET", "/v1/version", "", 200, `{"api":"1.1","program":"development"}`},
		{"GET", "/v1/whoami", "", 200, `"caller":"operator"`},
		{"GET", "/v1/whoami", "", 200, `"may":["rekey","stop"]`},
		{"GET", "/v1/snapshot?since=1", "", 400, `it takes none`},
		{"POST", "/v1/readmit", `{"group":"blue"}`, 404, `readmit, handover, rotate, plan, apply go to a key server, reregister to a group member`},
		{"POST", "/v1/rekey?dry-run=true", `{"group":"blue"}`, 400, `it takes dry_run`},
		{"POST", "/v1/rekey?dry_run=yes", `{"group":"blue"}`, 400, `true or false`},
		{"POST", "/v1/rekey?dry_run=true;", `{"group":"blue"}`, 400, `cannot be read: invalid semicolon separator in query; nothing was done`},
		{"POST", "/v1/rekey?dry_run=1%", `{"group":"blue"}`, 400, `cannot be read`},
		{"POST", "/v1/rekey?%zz=1", `{"group":"blue"}`, 400, `cannot be read`},
		{"GET", "/v1/events?since=1;", "", 400, `cannot be read`},
		{"POST", "/v1/rekey?dry_run=true", `{"group":"blue"}`, 501, `nothing was done`},
		{"POST", "/v1/rekey?dry_run=false", `{"group":"blue"}`, 200, `rekeyed`},
		{"GET", "/v1/rekey", "", 404, `{"error"`},
		{"POST", "/v1/rekey", `{"group":"blue"}`, 200, `{"text":"rekeyed blue (KEK false)"}`},
		{"POST", "/v1/rekey", `{"grp":"blue"}`, 400, `unknown field`},
		{"POST", "/v1/rekey", `{"group":"blue"} {}`, 400, `something follows`},
		{"POST", "/v1/rekey", `{`, 400, `unexpected EOF`},
		{"POST", "/v1/rekey", `{"group":"` + strings.Repeat("x", 1<<20) + `"}`, 400, `too large`},
		{"POST", "/v1/stop", ``, 200, `stopping`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), row.method, "http://x"+row.url, strings.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := h.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != row.status || !strings.Contains(string(body), row.want) {
			t.Errorf("%s %s: %d %s, want %d %s", row.method, row.url, res.StatusCode, body, row.status, row.want)
		}
	}
}

// TestViewer: somebody else's process may look on and not command. It needs root, to be somebody else for a moment.
func TestViewer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	d := start(t)
	for p := d.path; p != "/" && p != os.TempDir(); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(method, url string) (status string) {
		conn := dialAs(t, d.path, 65534)
		defer conn.Close()
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", method, url)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	for _, path := range []string{"snapshot", "version", "openapi.json"} {
		if got := ask("GET", "/v1/"+path); got != "HTTP/1.1 200 OK" {
			t.Errorf("viewer looks at %s: %s", path, got)
		}
	}
	conn := dialAs(t, d.path, 65534)
	defer conn.Close()
	fmt.Fprint(conn, "GET /v1/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if text, err := io.ReadAll(conn); err != nil || !strings.Contains(string(text), `"caller":"viewer","uid":65534,"may":[]`) {
		t.Errorf("viewer asks who it is: %s %v", text, err)
	}
	for _, cmd := range []string{"rekey", "rekey?dry_run=true", "clear-member", "reregister", "plan", "stop"} {
		if got := ask("POST", "/v1/"+cmd); got != "HTTP/1.1 403 Forbidden" {
			t.Errorf("viewer's %s: %s", cmd, got)
		}
	}
}

// dialAs connects from a thread that has another user id; the thread ends with the goroutine.
func dialAs(t *testing.T, path string, uid uintptr) net.Conn {
	t.Helper()
	type result struct {
		conn net.Conn
		err  error
	}
	got := make(chan result)
	go func() {
		runtime.LockOSThread()
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETRESUID, uid, uid, uid); e != 0 {
			got <- result{nil, e}
			return
		}
		c, err := net.Dial("unix", path)
		got <- result{c, err}
	}()
	r := <-got
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.conn
}

func TestWatch(t *testing.T) {
	d := start(t)
	d.journal.Add(control.Event{Name: "before"})
	lines := make(chan control.Watch, 100)
	ended := make(chan error, 1)
	go func() { ended <- client.New(d.path).Watch(t.Context(), func(w control.Watch) { lines <- w }) }()
	if w := <-lines; w.Snapshot == nil || w.Snapshot.LastSeq != 1 {
		t.Fatalf("first line: %+v, want a snapshot", w)
	}
	for i := range 3 {
		d.journal.Add(control.Event{Name: fmt.Sprint(i)})
	}
	for i := range 3 {
		w := <-lines
		for w.Event == nil { // a snapshot may come between
			w = <-lines
		}
		if w.Event.Name != fmt.Sprint(i) || w.Event.Seq != uint64(i+2) {
			t.Errorf("event %d: %+v", i, w.Event)
		}
	}
	d.drops.Store(7)
	for w := range lines {
		if w.Snapshot != nil && w.Snapshot.Drops[0].Count == 7 {
			break
		}
	}
	d.close(t)
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("stream ended with %v, want io.EOF", err)
	}
	if _, err := os.Stat(d.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestHurriedSnapshot: what cooperating key servers do is seen long before the next snapshot is due.
func TestHurriedSnapshot(t *testing.T) {
	d := start(t)
	lines := make(chan control.Watch, 100)
	ended := make(chan error, 1)
	go func() { ended <- client.New(d.path).Watch(t.Context(), func(w control.Watch) { lines <- w }) }()
	var began time.Time
	for n := 0; n < 2; { // the second snapshot comes with the clock: the next is a second away
		if w := <-lines; w.Snapshot != nil {
			n++
			began = time.Now()
			d.drops.Add(1)
		}
	}
	d.journal.Add(control.Event{Name: "coop-role"})
	for w := range lines {
		if w.Snapshot != nil {
			break
		}
	}
	if took := time.Since(began); took > 900*time.Millisecond {
		t.Errorf("the snapshot after coop-role came after %v", took)
	}
	d.close(t)
	<-ended
}

// TestDeafWatcher: a reader that reads nothing holds up neither the journal nor the end.
func TestDeafWatcher(t *testing.T) {
	d := start(t)
	conn, err := net.Dial("unix", d.path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n")
	for range 3 * control.JournalSize {
		d.journal.Add(control.Event{Name: "flood", Text: strings.Repeat("x", 200)})
	}
	if _, err := client.New(d.path).Snapshot(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_ = d.server.Close(ctx)
	d.done <- <-d.done
}

func TestJournalForgets(t *testing.T) {
	var j control.Journal
	for i := range control.JournalSize + 10 {
		j.Add(control.Event{Name: fmt.Sprint(i)})
	}
	ev := j.Since(0, control.JournalSize+10)
	if len(ev) != control.JournalSize || ev[0].Seq != 11 || ev[0].Name != "10" || ev[len(ev)-1].Seq != control.JournalSize+10 {
		t.Errorf("%d events from %d to %d", len(ev), ev[0].Seq, ev[len(ev)-1].Seq)
	}
	if got := j.Since(20, 5); len(got) != 5 || got[0].Seq != 21 {
		t.Errorf("Since(20, 5): %v", got)
	}
	if got := j.Since(1<<40, 5); got != nil {
		t.Errorf("Since(the future): %v", got)
	}
}

func TestListen(t *testing.T) {
	t.Run("living daemon", func(t *testing.T) {
		d := start(t)
		if _, err := control.Listen(d.path); !errors.Is(err, control.ErrInUse) {
			t.Errorf("%v, want ErrInUse", err)
		}
	})
	t.Run("left behind", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		l, err := control.Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
		l, err = control.Listen(path)
		if err != nil {
			t.Fatalf("a dead daemon's socket was not replaced: %v", err)
		}
		l.Close()
	})
	t.Run("not a socket", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "s")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := control.Listen(path); err == nil {
			t.Error("a file was replaced")
		}
	})
	t.Run("long path", func(t *testing.T) {
		if _, err := control.Listen(filepath.Join(t.TempDir(), strings.Repeat("x", 120))); err == nil || !strings.Contains(err.Error(), "shorter") {
			t.Errorf("%v", err)
		}
	})
}

// TestSnapshotFollowsEvents: a snapshot that others may share is never older than an event.
func TestSnapshotFollowsEvents(t *testing.T) {
	d := start(t)
	c := client.New(d.path)
	for i := range uint64(20) {
		d.drops.Store(i)
		d.journal.Add(control.Event{Name: "something"})
		if s, err := c.Snapshot(t.Context()); err != nil || s.Drops[0].Count != i {
			t.Fatalf("after event %d: %+v %v", i, s, err)
		}
	}
}
