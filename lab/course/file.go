package course

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/scenario"
)

const fileName = "course.json"

// Read reads the course of a lab from its run directory.
func Read(dir string) (*Course, error) {
	b, err := os.ReadFile(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: it was brought up without a course; getvpn-lab down and up make one", ErrNoTasks)
	}
	if err != nil {
		return nil, fmt.Errorf("course: %w", err)
	}
	var c Course
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("%s is damaged (%w); getvpn-lab down and up make it anew", filepath.Join(dir, fileName), err)
	}
	return &c, nil
}

// Write replaces the course of a lab.
func (c *Course) Write(dir string) error {
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	return c.write(dir)
}

// write is Write for who holds the lock: two at once would write into the same new file.
func (c *Course) write(dir string) error {
	return c.save(filepath.Join(dir, fileName))
}

func (c *Course) save(path string) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("course: %w", err)
	}
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o644); err != nil { //nolint:gosec // consoles of others may look
		return fmt.Errorf("course: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("course: %w", err)
	}
	return nil
}

// Change reads a course, lets fn change it, and writes it, also when fn failed; nobody else changes it meanwhile.
func Change(dir string, fn func(*Course) error) error {
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := Read(dir)
	if err != nil {
		return err
	}
	failed := fn(c)
	return errors.Join(failed, c.write(dir))
}

// kept is beside the run directory.
func kept(dir string) string { return dir + ".course.json" }

// Keep keeps the course of a lab that is put back to its beginning where it outlives the run directory: whatever happens then, the
// clock goes on and hints stay taken. Forget ends that.
func (c *Course) Keep(dir string) error { return c.save(kept(dir)) }

// Kept is the course that Keep has kept, if it is one of this scenario with these drawn values; otherwise nil.
func Kept(dir string, s *scenario.Scenario) *Course {
	b, err := os.ReadFile(kept(dir))
	var c Course
	if err != nil || json.Unmarshal(b, &c) != nil || c.Scenario != s.Name || c.Seed != s.Seed {
		return nil
	}
	return &c
}

// Forget removes what Keep has kept.
func Forget(dir string) error {
	if err := os.Remove(kept(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("course: %w", err)
	}
	return nil
}

// lock keeps others from changing the course of a lab.
func lock(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "course.lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("course: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("course: locking: %w", err)
	}
	return func() { f.Close() }, nil
}
