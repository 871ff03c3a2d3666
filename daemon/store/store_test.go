package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm/soft"
)

func sealer(t *testing.T, dir string) *soft.Store {
	t.Helper()
	s, err := soft.Open(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, "ks ks1", sealer(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func rec(bucket, key, value string) machine.Record {
	return machine.Record{Bucket: bucket, Key: key, Value: []byte(value)}
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := open(t, dir)
	for _, batch := range [][]machine.Record{
		{rec("group", "b", "2"), rec("group", "a", "1")},
		{rec("a-bucket", "x", ""), rec("group", "c", "3")},
		{{Bucket: "group", Key: "b"}, rec("group", "a", "new")},
	} {
		if err := s.Write(batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, dir).Load()
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if len(got[i].Value) == 0 {
			got[i].Value = []byte{}
		}
	}
	want := []machine.Record{rec("a-bucket", "x", ""), rec("group", "a", "new"), rec("group", "c", "3")}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, FileName): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, want %v", path, info.Mode().Perm(), mode)
		}
	}
}

// TestSealedAtRest: neither values nor anything of them can be read from the file.
func TestSealedAtRest(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Write([]machine.Record{rec("group", "tek", "very-secret-key-material")}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("very-secret")) {
		t.Error("the value stands in clear in the file")
	}
}

// TestAllOrNone: one bad record of a transaction leaves nothing behind.
func TestAllOrNone(t *testing.T) {
	s := open(t, t.TempDir())
	if err := s.Write([]machine.Record{rec("group", "a", "1"), rec(metaBucket, "b", "2")}); err == nil {
		t.Fatal("a record in the reserved bucket was accepted")
	}
	if got, err := s.Load(); err != nil || len(got) != 0 {
		t.Errorf("%v %v, want nothing", got, err)
	}
}

func TestRefusals(t *testing.T) {
	for _, row := range []struct {
		name string
		role string
		harm func(t *testing.T, dir string)
		want error
	}{
		{"other daemon's state", "ks ks2", func(*testing.T, string) {}, ErrForeign},
		{"other state key", "ks ks1", func(t *testing.T, dir string) { check(t, os.RemoveAll(filepath.Join(dir, "keys"))) }, ErrForeign},
		{"not a database", "ks ks1", func(t *testing.T, dir string) {
			check(t, os.WriteFile(filepath.Join(dir, FileName), bytes.Repeat([]byte("junk"), 8192), 0o600))
		}, ErrCorrupt},
		{"foreign database", "ks ks1", func(t *testing.T, dir string) {
			check(t, os.Remove(filepath.Join(dir, FileName)))
			db, err := bbolt.Open(filepath.Join(dir, FileName), 0o600, nil)
			check(t, err)
			check(t, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("x")); return err }))
			check(t, db.Close())
		}, ErrForeign},
		{"cut short", "ks ks1", func(t *testing.T, dir string) { check(t, os.Truncate(filepath.Join(dir, FileName), 5000)) }, ErrCorrupt},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			check(t, s.Write([]machine.Record{rec("group", "a", "1")}))
			check(t, s.Close())
			row.harm(t, dir)
			s, err := Open(dir, row.role, sealer(t, dir))
			if err == nil {
				defer s.Close()
				_, err = s.Load()
			}
			if !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
		})
	}
}

// TestMovedValue: a sealed value copied to another key does not open.
func TestMovedValue(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	check(t, s.Write([]machine.Record{rec("group", "seq-old", "5"), rec("group", "seq", "9")}))
	check(t, s.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("group"))
		return b.Put([]byte("seq"), bytes.Clone(b.Get([]byte("seq-old"))))
	}))
	if _, err := s.Load(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestBusy(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	start := time.Now()
	if _, err := Open(dir, "ks ks1", sealer(t, dir)); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %s to find out", d)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
