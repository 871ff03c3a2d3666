package record

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCreate: a file is its owner's alone, and another is replaced only when that is said.
func TestCreate(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.rec", "a.rec.gz"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(path, Header{}, Options{}); err == nil || !strings.Contains(err.Error(), "--force") {
			t.Errorf("an existing file: %v", err)
		}
		if b, _ := os.ReadFile(path); string(b) != "mine" {
			t.Fatal("an existing file was changed")
		}
		w, err := Create(path, Header{Title: "t"}, Options{Force: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames(5) {
			if err := w.Write(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil { // and then it is killed
			t.Fatal(err)
		}
		if r, err := Open(path); err != nil || r.Len() != 25 || r.Close() != nil {
			t.Fatalf("after a flush: %v", err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.Write(frames(1)[0]); err == nil {
			t.Error("a closed recording takes frames")
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() != w.Stats().Size {
			t.Errorf("%v, %v; stats %+v", info, err, w.Stats())
		}
		r, err := Open(path)
		if err != nil || r.Len() != 25 || len(r.Notes()) > 0 {
			t.Fatal(err, r.Notes())
		}
		if b, _ := os.ReadFile(path); strings.HasSuffix(name, ".gz") != bytes.HasPrefix(b, []byte{0x1f, 0x8b}) {
			t.Errorf("%s begins with %x", name, b[:2])
		}
		_ = r.Close()
	}
	if _, err := Create(filepath.Join(dir, "none", "x"), Header{}, Options{}); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("no folder: %v", err)
	}
	if _, err := Create(dir, Header{}, Options{Force: true}); err == nil {
		t.Error("a folder is replaced")
	}
}

// TestBound: a recording never exceeds its bound, is complete when it has reached it, and says that it has.
func TestBound(t *testing.T) {
	all := frames(9000)
	for _, zip := range []bool{false, true} {
		for _, most := range []int64{2000, 70_000, 300_000} {
			var b bytes.Buffer
			w, err := NewWriter(&b, Header{}, Options{Max: most, Gzip: zip})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for n < len(all) && err == nil {
				if err = w.Write(all[n]); err == nil {
					n++
				}
			}
			if !errors.Is(err, ErrFull) || !errors.Is(w.Write(all[0]), ErrFull) {
				t.Fatalf("gzip %v, %d: after %d frames: %v", zip, most, n, err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if int64(b.Len()) > most || int64(b.Len()) < most*8/10-spare {
				t.Errorf("gzip %v: %d octets, the bound is %d", zip, b.Len(), most)
			}
			if r := opened(t, b.Bytes()); r.Len() != n || len(r.Notes()) > 0 {
				t.Errorf("gzip %v: %d frames read, %d written, %q", zip, r.Len(), n, r.Notes())
			}
		}
	}
}

// full takes some octets and no more, like a full disk.
type full struct {
	bytes.Buffer
	room int
}

func (f *full) Write(b []byte) (int, error) {
	n := min(len(b), f.room-f.Len())
	f.Buffer.Write(b[:n])
	if n < len(b) {
		return n, errors.New("no space left")
	}
	return n, nil
}

// TestFullDisk: what could be written can be played, and the failure is told once and for all.
func TestFullDisk(t *testing.T) {
	for _, zip := range []bool{false, true} {
		f := &full{room: 20_000}
		w, err := NewWriter(f, Header{}, Options{Gzip: zip})
		if err != nil {
			t.Fatal(err)
		}
		for _, fr := range frames(5000) {
			if err = w.Write(fr); err != nil {
				break
			}
		}
		if err == nil || !strings.Contains(err.Error(), "no space left") || w.Close() == nil {
			t.Fatalf("gzip %v: %v", zip, err)
		}
		if r := opened(t, f.Bytes()); r.Len() < 100 || len(r.Notes()) != 1 {
			t.Errorf("gzip %v: %d frames, %q", zip, r.Len(), r.Notes())
		}
	}
}

// TestTimesNeverGoBack: a clock that was set back does not turn a recording back; frames that say nothing are refused.
func TestTimesNeverGoBack(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, Header{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []int{5, 3, 4, 9} {
		if err := w.Write(Frame{At: start.Add(time.Duration(s) * time.Second), Node: "a", Gone: "b"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []Frame{{}, {At: start, Node: "a"}, {At: start, Gone: "b"}, {Node: "a", Gone: "b"}, {At: start, Node: "a", Gone: "b", Lab: []byte("{}")}} {
		if w.Write(f) == nil {
			t.Errorf("%+v is taken", f)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := opened(t, b.Bytes())
	for i, s := range []int{5, 5, 5, 9} {
		if !r.At(i).Equal(start.Add(time.Duration(s) * time.Second)) {
			t.Errorf("frame %d is at %v", i, r.At(i))
		}
	}
}
