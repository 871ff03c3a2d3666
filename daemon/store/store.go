// Package store keeps what must survive a crash in one bbolt file: one transaction and one fsync for each Persist
// effect (or for a group of them), values sealed by the custody with bucket and key as context, so that a value can
// neither be read nor moved.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm"
)

// Errors of Open and Load.
var (
	ErrBusy    = errors.New("store: another process has the state open")
	ErrForeign = errors.New("store: this is not our state")
	ErrCorrupt = errors.New("store: the state is damaged")
)

// FileName is the state file in its directory.
const FileName = "state.db"

const (
	lockTimeout = time.Second
	metaBucket  = "getvpn-meta" // no machine bucket may have this name
	formatKey   = "format"
	format      = "1"
)

// Store is an open state file. Its methods are safe for concurrent use.
type Store struct {
	db     *bbolt.DB
	sealer hsm.Sealer
	path   string
}

// Open opens or makes the state file in dir, which it makes with mode 0700. role ("ks ks1") marks whose state it is;
// another role's state is ErrForeign.
func Open(dir, role string, sealer hsm.Sealer) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	path := filepath.Join(dir, FileName)
	db, err := openDB(path)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s is locked; is the daemon running already?", ErrBusy, path)
	case osError(err):
		return nil, fmt.Errorf("store: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %w; restore it from a copy, or move it away to start with fresh keys (members register again)", ErrCorrupt, path, err)
	}
	s := &Store{db: db, sealer: sealer, path: path}
	if err := s.mark(role); err != nil {
		_ = db.Close()
		return nil, err
	}
	return s, nil
}

// osError tells a failure of the system (permissions, no space) from a damaged file.
func osError(err error) bool {
	var pe *fs.PathError
	var no syscall.Errno
	return errors.As(err, &pe) || errors.As(err, &no)
}

// openDB turns the library's panics on damaged pages into errors.
func openDB(path string) (db *bbolt.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, fmt.Errorf("%w: %v", berrors.ErrInvalid, p)
		}
	}()
	return bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
}

// Path is the state file.
func (s *Store) Path() string { return s.path }

// Close releases the file.
func (s *Store) Close() error { return s.db.Close() }

// mark writes whose state this is, or checks it. The mark is sealed: a foreign state key shows here.
func (s *Store) mark(role string) error {
	return s.guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(metaBucket))
			if b == nil {
				if k, _ := tx.Cursor().First(); k != nil {
					return fmt.Errorf("%w: %s has no mark of ours; name another state directory", ErrForeign, s.path)
				}
				var err error
				if b, err = tx.CreateBucket([]byte(metaBucket)); err != nil {
					return err
				}
				sealed, err := s.sealer.Seal([]byte(format+" "+role), aad(metaBucket, formatKey))
				if err != nil {
					return err
				}
				return b.Put([]byte(formatKey), sealed)
			}
			plain, err := s.sealer.Open(b.Get([]byte(formatKey)), aad(metaBucket, formatKey))
			if err != nil {
				return fmt.Errorf("%w: %s: %w", ErrForeign, s.path, err)
			}
			if got := string(plain); got != format+" "+role {
				return fmt.Errorf("%w: %s belongs to %q, this is %q; give each daemon a state directory of its own", ErrForeign, s.path, got, format+" "+role)
			}
			return nil
		})
	})
}

func aad(bucket, key string) []byte { return []byte(bucket + "|" + key) }

// Load returns every record, in the order of bucket and key.
func (s *Store) Load() ([]machine.Record, error) {
	var out []machine.Record
	err := s.guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
				if string(name) == metaBucket {
					return nil
				}
				return b.ForEach(func(k, v []byte) error {
					plain, err := s.sealer.Open(v, aad(string(name), string(k)))
					if err != nil {
						return fmt.Errorf("%w: %s: bucket %s: %w", ErrCorrupt, s.path, name, err)
					}
					out = append(out, machine.Record{Bucket: string(name), Key: string(k), Value: plain})
					return nil
				})
			})
		})
	})
	return out, err
}

// Write makes the records durable, all or none; it returns after the fsync.
func (s *Store) Write(records []machine.Record) error {
	return s.guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			for _, r := range records {
				if err := s.put(tx, r); err != nil {
					return fmt.Errorf("store: %s: bucket %s: %w", s.path, r.Bucket, err)
				}
			}
			return nil
		})
	})
}

func (s *Store) put(tx *bbolt.Tx, r machine.Record) error {
	if r.Bucket == metaBucket {
		return errors.New("the bucket's name is reserved")
	}
	b, err := tx.CreateBucketIfNotExists([]byte(r.Bucket))
	if err != nil {
		return err
	}
	if r.Value == nil {
		return b.Delete([]byte(r.Key))
	}
	sealed, err := s.sealer.Seal(r.Value, aad(r.Bucket, r.Key))
	if err != nil {
		return err
	}
	return b.Put([]byte(r.Key), sealed)
}

// guard turns the library's panics on damaged pages into ErrCorrupt.
func (s *Store) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s: %v", ErrCorrupt, s.path, p)
		}
	}()
	return f()
}
