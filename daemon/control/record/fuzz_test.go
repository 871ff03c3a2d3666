package record

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzRead reads whatever: it never fails otherwise than by an error, never reads more frames than lines, and what it has read can be
// written and is read again as the same.
func FuzzRead(f *testing.F) {
	var plain, zip bytes.Buffer
	for _, to := range []struct {
		b *bytes.Buffer
		o Options
	}{{&plain, Options{}}, {&zip, Options{Gzip: true}}} {
		w, err := NewWriter(to.b, Header{Title: "t", Started: start}, to.o)
		if err != nil {
			f.Fatal(err)
		}
		for _, fr := range frames(4) {
			if err := w.Write(fr); err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(to.b.Bytes())
		f.Add(to.b.Bytes()[:to.b.Len()/2])
	}
	f.Add([]byte("{\"getvpn_recording\":1}\n{\"at\":\"2026-11-29T12:00:01Z\",\"node\":\"a\",\"gone\":\"\\u001b\"}\n\n{}\n{\"at\":\"2026-11-29T12:00:00Z\",\"lab\":{}}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		var again bytes.Buffer
		w, err := NewWriter(&again, r.Header, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var want [][]byte
		for i := range r.Len() {
			if i > 0 && r.At(i).Before(r.At(i-1)) {
				t.Fatal("time goes back")
			}
			fr, err := r.Frame(i)
			if err != nil {
				continue // a line that looked well from its ends
			}
			if err := w.Write(fr); err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			fr.At = fr.At.UTC()
			line, _ := json.Marshal(fr)
			want = append(want, line)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		second, err := Read(bytes.NewReader(again.Bytes()), int64(again.Len()))
		if err != nil || second.Len() != len(want) {
			t.Fatalf("read again: %v, %d frames, want %d", err, second.Len(), len(want))
		}
		for i := range want {
			fr, err := second.Frame(i)
			if err != nil {
				t.Fatal(err)
			}
			fr.At = fr.At.UTC()
			if line, _ := json.Marshal(fr); !bytes.Equal(line, want[i]) {
				t.Fatalf("frame %d was %s and is %s", i, want[i], line)
			}
		}
	})
}
