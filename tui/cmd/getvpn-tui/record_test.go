package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control/record"
	"github.com/getvpn/getvpn/tui/source"
)

// TestRecordAndShow records a daemon until --for is over, and prints views of what was recorded.
func TestRecordAndShow(t *testing.T) {
	socket := serve(t)
	path := filepath.Join(t.TempDir(), "a.rec.gz")
	out, code := runLine(t, "record", path, "--for", "1500ms", "--socket", socket, "--json")
	var m made
	if err := json.Unmarshal([]byte(out), &m); err != nil || code != 0 || m.Ended != "for" || m.Nodes != 1 || m.Frames < 2 || m.Size == 0 {
		t.Fatalf("exit code %d, %q: %v", code, out, err)
	}
	for _, row := range []struct {
		line string
		code int
		want string
	}{
		{"replay FILE show members", 0, "172.16.3.2"}, {"replay FILE show members blue --json --at end", 0, `"members"`}, {"show members --replay FILE --at -1ms --filter seq<12 --format csv", 0, "172.16.3.2"},
		{"replay FILE --at +1s show pulse", 0, "GROUP blue"}, {"replay --at +1s FILE show pulse", 0, "GROUP blue"}, {"replay FILE show pulse green", 1, ""}, {"replay FILE show nothing", 2, ""},
		{"replay FILE show pulse --at yesterday", 2, ""}, {"replay FILE play", 2, ""}, {"replay FILE show ks members --at end", 0, "172.16.3.2"}, {"replay", 2, ""}, {"replay FILE", 2, ""}, {"replay FILE --speed 0", 2, ""}, {"replay FILE.none show pulse", 1, ""},
		{"show members --at +1s --socket SOCKET", 2, ""}, {"show members --replay FILE --socket SOCKET", 2, ""}, {"record FILE --socket SOCKET --for 1ms", 1, ""}, {"record FILE2 --max-size 3 --socket SOCKET", 2, ""},
		{"record", 2, ""}, {"record FILE --force --for 1ms --socket SOCKET", 0, "a.rec.gz: "}, {"replay FILE --help", 0, "next warning"},
	} {
		out, code := runLine(t, strings.Fields(strings.NewReplacer("FILE", path, "SOCKET", socket).Replace(row.line))...)
		if code != row.code || !strings.Contains(out, row.want) {
			t.Errorf("%s: exit code %d, want %d; printed %q, want %q in it", row.line, code, row.code, out, row.want)
		}
	}
}

// TestRecordEndsOnSignal: SIGTERM ends a recording in order; the file is complete.
func TestRecordEndsOnSignal(t *testing.T) {
	socket := serve(t)
	path := filepath.Join(t.TempDir(), "a.rec")
	type end struct {
		out  string
		code int
	}
	ended := make(chan end)
	go func() {
		out, code := runLine(t, "record", path, "--socket", socket, "--json")
		ended <- end{out, code}
	}()
	limit, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for { // until something has reached the file: the program catches signals by then
		if b, _ := os.ReadFile(path); strings.Count(string(b), "\n") > 1 {
			break
		}
		select {
		case <-limit.Done():
			t.Fatal("nothing is recorded")
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	e := <-ended
	rec, err := record.Open(path)
	if err != nil || e.code != 0 || !strings.Contains(e.out, `"ended": "signal"`) || len(rec.Notes()) > 0 || rec.Len() == 0 {
		t.Fatalf("%+v, %v", e, err)
	}
	_ = rec.Close()
}

// TestRecordEndsAtItsBound: that is said, and is no failure.
func TestRecordEndsAtItsBound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.rec")
	var out bytes.Buffer
	c := command()
	c.SetOut(&out)
	c.SetErr(io.Discard)
	c.SetContext(t.Context())
	r := &recorded{size: "400B", length: time.Minute}
	err := r.run(c, source.Socket(serve(t)), path, record.Options{Max: 400})
	if info, e := os.Stat(path); e != nil || info.Size() > 400 || err != nil || !strings.Contains(out.String(), "--max-size 400B") {
		t.Errorf("%v, %q, %v", err, out.String(), info)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"1GiB": 1 << 30, "500MB": 500e6, "64KiB": 64 << 10, "1.5G": 3 << 29, "100000": 100_000, "2 MiB": 2 << 20} {
		if n, err := parseSize(text); err != nil || n != want {
			t.Errorf("%s is %d, want %d (%v)", text, n, want, err)
		}
	}
	for _, text := range []string{"", "x", "1", "-1GiB", "63KiB", "NaN", "9999TiB", "GiB"} {
		if n, err := parseSize(text); err == nil {
			t.Errorf("%q is %d", text, n)
		}
	}
}
