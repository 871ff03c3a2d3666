package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

var start = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// frames is a second of two daemons and a lab, n times.
func frames(n int) (out []Frame) {
	for i := range n {
		at := start.Add(time.Duration(i) * time.Second)
		snap := &control.Snapshot{Name: "ks1", Role: control.RoleKeyServer, Version: "v1", PID: 7, Time: at, KS: &control.KeyServer{Sessions: i}, Warn: []string{`a <b> "c" \ é`}}
		out = append(out,
			Frame{At: at, Node: "ks1", Role: "ks", Watch: &control.Watch{Snapshot: snap}},
			Frame{At: at.Add(time.Millisecond), Node: "ks1", Role: "ks", Watch: &control.Watch{Event: &control.Event{Seq: uint64(i + 1), Time: at, Node: "ks1", Name: "rekey-sent", Severity: []string{"info", "warning", "error", "debug"}[i%4], Text: "rekey " + strings.Repeat("x", i%7)}}},
			Frame{At: at.Add(2 * time.Millisecond), Node: "gm1", Gone: "not running"},
			Frame{At: at.Add(3 * time.Millisecond), Lab: json.RawMessage(fmt.Sprintf(`{"scenario":"basic","n":%d}`, i))},
			Frame{At: at.Add(4 * time.Millisecond), Course: json.RawMessage(`{"tasks":[]}`)})
	}
	out[len(out)-1] = Frame{At: out[len(out)-1].At, End: "stopped"}
	return out
}

func write(t *testing.T, o Options, all []Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, Header{Title: "lab basic", Lab: "basic", Started: start}, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if s := w.Stats(); s.Size != int64(b.Len()) || s.Frames != len(all) {
		t.Errorf("stats say %+v of %d frames in %d octets", s, len(all), b.Len())
	}
	return b.Bytes()
}

func opened(t *testing.T, b []byte) *Recording {
	t.Helper()
	r, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRoundTrip: what was written is read, plain and compressed, forwards and backwards.
func TestRoundTrip(t *testing.T) {
	all := frames(300)
	for _, zip := range []bool{false, true} {
		r := opened(t, write(t, Options{Gzip: zip}, all))
		if r.Title != "lab basic" || r.Lab != "basic" || !r.Started.Equal(start) || r.Len() != len(all) || len(r.Notes()) > 0 {
			t.Fatalf("%+v of %d frames, notes %q", r.Header, r.Len(), r.Notes())
		}
		for k := range all {
			i := len(all) - 1 - k
			f, err := r.Frame(i)
			if err != nil {
				t.Fatal(err)
			}
			f.At = f.At.UTC()
			if !reflect.DeepEqual(f, all[i]) {
				t.Fatalf("frame %d is %+v, want %+v", i, f, all[i])
			}
		}
		if strings.Join(r.Nodes(), " ") != "ks1 gm1" || r.Node(2) != 1 || r.Node(3) != -1 || r.Kind(0) != Snapshot || r.Kind(4) != Course {
			t.Errorf("nodes %q, kinds %v %v", r.Nodes(), r.Kind(0), r.Kind(4))
		}
		if e := r.Event(2); r.Events() != 300 || e != (Mark{11, start.Add(2 * time.Second).Local(), 3, "rekey-sent", "ks1", Failure}) || r.EventsUntil(11) != 2 || r.EventsUntil(12) != 3 {
			t.Errorf("event is %+v of %d", e, r.Events())
		}
		if !r.Start().Equal(start) || !r.End().Equal(all[len(all)-1].At) || r.Until(start) != 1 || r.Until(start.Add(time.Minute)) != 301 || r.Until(start.Add(-1)) != 0 {
			t.Error("times are not found")
		}
	}
}

// TestBlocks: a compressed recording of several blocks is read from anywhere.
func TestBlocks(t *testing.T) {
	all := frames(5000)
	b := write(t, Options{Gzip: true}, all)
	r := opened(t, b)
	if n := len(r.text.(*zipped).blocks); n < 4 {
		t.Fatalf("only %d blocks in %d octets", n, len(b))
	}
	for i := 0; i < len(all); i += 997 {
		for _, i := range []int{i, len(all) - 1 - i} {
			if f, err := r.Frame(i); err != nil || !f.At.Equal(all[i].At) {
				t.Fatalf("frame %d: %v at %v", i, err, f.At)
			}
		}
	}
}

// TestCut: wherever a file ends, all lines before are there, and that something is missing is said.
func TestCut(t *testing.T) {
	all := frames(3)
	for _, zip := range []bool{false, true} {
		b := write(t, Options{Gzip: zip}, all)
		first := bytes.IndexByte(b, '\n')
		for n := 1; n < len(b); n++ {
			r, err := Read(bytes.NewReader(b[:n]), int64(n))
			if zip {
				if err == nil && (len(r.Notes()) == 0 || r.Len() > len(all)) {
					t.Fatalf("gzip, %d octets: %d frames, notes %q", n, r.Len(), r.Notes())
				}
				continue
			}
			if n < first {
				if err == nil {
					t.Fatalf("%d octets of a header are taken", n)
				}
				continue
			}
			whole := bytes.Count(b[first+1:max(n, first+1)], []byte("\n"))
			at := b[n-1] == '\n' || b[n] == '\n' // the end of a line, or its newline, is what is missing
			if b[n] == '\n' && n > first {
				whole++
			}
			if err != nil || r.Len() != whole || (len(r.Notes()) == 0) != at {
				t.Fatalf("%d octets: %v, %d frames, want %d, notes %q", n, err, r.Len(), whole, r.Notes())
			}
		}
	}
}

// TestForeign: what is no recording, or a newer one, is told so.
func TestForeign(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"empty", "", "is empty"}, {"text", "hello\nworld\n", "not a recording"}, {"json", `{"a":1}` + "\n", "not a recording"}, {"binary", strings.Repeat("\x00\xff", 1<<17), "not a recording"},
		{"newer", `{"getvpn_recording":2,"version":"v9.1"}` + "\n", "format 2 by getvpn v9.1"}, {"long", `{"getvpn_recording":1,"title":"` + strings.Repeat("x", maxHeader) + `"}`, "not a recording"},
		{"gzip", "\x1f\x8b\x08garbage", "cannot be unpacked"}, {"escape", "{\"getvpn_recording\":3,\"version\":\"\\u001b[2J\"}\n", "format 3"},
	} {
		_, err := Read(strings.NewReader(row.text), int64(len(row.text)))
		if err == nil || !strings.Contains(err.Error(), row.want) || strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
	}
	b := write(t, Options{Gzip: true}, frames(3000))
	z, err := newText(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	z.(*zipped).most = blockSize / 2
	if _, err := read(z, MaxLine); err == nil || !strings.Contains(err.Error(), "gunzip") {
		t.Errorf("a file that was compressed in one piece: %v", err)
	}
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestTooManyLines: what somebody else has made cannot fill the memory.
func TestTooManyLines(t *testing.T) {
	defer func(before int) { maxLines = before }(maxLines)
	maxLines = 4
	text := `{"getvpn_recording":1}` + "\n" + strings.Repeat(`{"at":"2026-11-29T12:00:01Z","node":"gm1","gone":"why"}`+"\n", 9)
	r, err := read(plain{strings.NewReader(text), strings.NewReader(text)}, 4096)
	if err != nil || r.Len() != 3 || len(r.Notes()) != 1 || !strings.Contains(r.Notes()[0], "4 lines at most") {
		t.Errorf("%v, %d frames, notes %q", err, r.Len(), r.Notes())
	}
}

// TestDamage: lines that cannot be read are left out, and said; those around them stay.
func TestDamage(t *testing.T) {
	good := func(s int) string {
		return fmt.Sprintf(`{"at":"2026-11-29T12:00:%02dZ","node":"gm1","gone":"why"}`, s)
	}
	for _, row := range []struct {
		name, line string
		frames     int
		note       string
	}{
		{"garbage", "garbage", 2, "line 3"}, {"empty", "", 2, "line 3"}, {"array", "[1]", 2, "line 3"}, {"no time", `{"node":"a","gone":"b"}`, 2, "no time"},
		{"no node", `{"at":"2026-11-29T12:00:01Z","gone":"b"}`, 2, "no node"}, {"two", `{"at":"2026-11-29T12:00:01Z","node":"a","gone":"b","lab":{}}`, 2, "more than one"},
		{"unknown", `{"at":"2026-11-29T12:00:01Z","weather":{}}`, 2, "does not know"}, {"year", `{"at":"9999-11-29T12:00:01Z","node":"a","gone":"b"}`, 2, "no time of a recording"},
		{"long", `{"at":"2026-11-29T12:00:01Z","node":"a","gone":"` + strings.Repeat("b", 4096) + `"}`, 2, "longer than a line may be"},
		{"back", `{"at":"2026-11-29T11:00:00Z","node":"gm1","gone":"why"}`, 3, "go back 1 times"},
		{"other order", `{"gone":"why","node":"gm1","at":"2026-11-29T12:00:01Z"}`, 3, ""}, {"blanks", ` { "at" : "2026-11-29T12:00:01+01:00" , "lab" : { } } `, 3, "go back"},
	} {
		text := `{"getvpn_recording":1}` + "\n" + good(1) + "\n" + row.line + "\n" + good(3) + "\n"
		r, err := read(plain{strings.NewReader(text), strings.NewReader(text)}, 4096)
		if err != nil {
			t.Fatal(err)
		}
		notes := strings.Join(r.Notes(), "; ")
		if r.Len() != row.frames || !strings.Contains(notes, row.note) || (row.note == "") != (notes == "") {
			t.Errorf("%s: %d frames, want %d, notes %q", row.name, r.Len(), row.frames, notes)
		}
		last := r.At(0)
		for i := range r.Len() {
			if f, err := r.Frame(i); err != nil || f.At.Before(last) {
				t.Errorf("%s: frame %d at %v: %v", row.name, i, f.At, err)
			}
			last = r.At(i)
		}
	}
}

// TestEscapes: nothing in a recording steers the terminal that shows it, and nothing else is changed.
func TestEscapes(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[2J": "\ufffd[2J", "\u009b2J": "\ufffd2J", "a\x7f\b\f": "a\ufffd\ufffd\ufffd", `C:\bin\u001b`: `C:\bin\u001b`, "é ü £ “x” <&>\t\n": "é ü £ “x” <&>\t\n", `\\`: `\\`,
	} {
		for _, raw := range []bool{false, true} {
			f := Frame{At: start, Node: "ks1", Watch: &control.Watch{Event: &control.Event{Text: text, Name: "x"}}}
			line, err := json.Marshal(f)
			if raw {
				line = bytes.ReplaceAll(line, []byte(`\u007f`), []byte("\x7f"))
			}
			got, _, e := decode(line)
			if err != nil || e != nil || got.Watch.Event.Text != want {
				t.Errorf("%q is shown as %q, want %q (%v %v)", text, got.Watch.Event.Text, want, err, e)
			}
		}
	}
}
